#include "cli/sendmail_letter.h"

#include "cli/sendmail_plan.h"
#include "mail/header.h"
#include "mail/mailbox_list.h"

enum { SHOWN = 80 }; /* bytes of a list in an error */

/* --- Lines ------------------------------------------------------------------------------------ */

void letter_lines_init(struct letter_lines *lines, bool ignores_dots)
{
    *lines = (struct letter_lines){.ignores_dots = ignores_dots, .is_line_start = true};
}

static void add_byte(struct letter_lines *lines, uint8_t byte, struct buf *out)
{
    if (byte == '\n' && lines->has_dot) {
        lines->has_ended = true;
        return;
    }
    /* A CR that belongs to a line end waits for its LF. */
    if (lines->is_after_cr && byte != '\n')
        buf_add_byte(out, '\r');
    lines->is_after_cr = byte == '\r';
    if (lines->is_after_cr)
        return;
    if (lines->has_dot)
        buf_add_byte(out, '.');
    lines->has_dot = byte == '.' && lines->is_line_start && !lines->ignores_dots;
    lines->is_line_start = byte == '\n';
    if (byte == '\n')
        buf_add(out, BYTES("\r\n"));
    else if (!lines->has_dot)
        buf_add_byte(out, byte);
}

void letter_lines_add(struct letter_lines *lines, struct bytes piece, struct buf *out)
{
    for (size_t i = 0; i < piece.len && !lines->has_ended; i++)
        add_byte(lines, piece.at[i], out);
}

void letter_lines_end(struct letter_lines *lines, struct buf *out)
{
    if (lines->has_ended)
        return;
    if (lines->has_dot)
        buf_add_byte(out, '.');
    if (lines->is_after_cr)
        buf_add_byte(out, '\r');
    if (!lines->is_line_start || lines->is_after_cr)
        buf_add(out, BYTES("\r\n"));
    lines->has_ended = true;
}

/* --- Addresses -------------------------------------------------------------------------------- */

void letter_addresses_init(struct letter_addresses *addresses)
{
    *addresses = (struct letter_addresses){.count = 0};
    buf_init(&addresses->texts, SENDMAIL_TEXT_LIMIT);
}

void letter_addresses_done(struct letter_addresses *addresses)
{
    buf_done(&addresses->texts);
}

/* What a person writes as a name alone is read as a local part. */
static bool is_bare_name(struct bytes word)
{
    static const struct bytes special = BYTES_INIT("@<>(),;:\\\"[]");
    for (size_t i = 0; i < word.len; i++)
        if (word.at[i] <= ' ' || word.at[i] == 0x7F ||
            bytes_find(special, word.at[i]) < special.len)
            return false;
    return word.len > 0;
}

static bool add_one(struct letter_addresses *addresses, struct bytes local, struct bytes domain,
                    struct error *err)
{
    if (addresses->count == SENDMAIL_RECIPIENTS)
        return error_set(err, 0, "more than %d recipients", SENDMAIL_RECIPIENTS);
    buf_add(&addresses->texts, local);
    buf_add_byte(&addresses->texts, '@');
    buf_add(&addresses->texts, domain);
    buf_add_byte(&addresses->texts, 0);
    addresses->count++;
    return !addresses->texts.overflowed || error_set(err, 0, "the recipients are too long in all");
}

/* Names alone get the domain first: a header's grammar has no such addresses. */
static void complete(struct bytes list, struct bytes domain, struct buf *out)
{
    struct bytes item;
    for (bool has_more = list.len > 0; has_more;) {
        has_more = bytes_cut(list, ',', &item, &list);
        /* "ann (in the office)" is a name alone, too. */
        size_t len = bytes_find(item, '(');
        struct bytes name = bytes_trim(bytes_sub(item, 0, len));
        bool is_bare = is_bare_name(name);
        buf_add(out, is_bare ? name : bytes_sub(item, 0, len));
        if (is_bare) {
            buf_add_byte(out, '@');
            buf_add(out, domain);
        }
        buf_add(out, bytes_from(item, len));
        if (has_more)
            buf_add_byte(out, ',');
    }
}

static bool add_list(struct letter_addresses *addresses, struct bytes list, struct arena *arena,
                     struct error *err)
{
    struct mailbox_list mailboxes;
    enum mailbox_list_status status = mailbox_list_parse(list, arena, &mailboxes);
    /* What one reader takes for an address and another does not would be lost without a word. */
    if (status != MAILBOX_LIST_OK || mailboxes.is_loose)
        return error_set(err, 0, "%.*s: %s", BYTES_ARGS(bytes_sub(list, 0, SHOWN)),
                         status == MAILBOX_LIST_OK ? "this is no list of addresses"
                                                   : mailboxes.reason);
    for (size_t i = 0; i < mailboxes.count; i++)
        if (!add_one(addresses, mailboxes.mailboxes[i].local, mailboxes.mailboxes[i].domain, err))
            return false;
    return true;
}

bool letter_addresses_add(struct letter_addresses *addresses, struct bytes list,
                          struct bytes domain, struct error *err)
{
    struct buf whole, flat;
    struct arena *arena = arena_new(4 * SENDMAIL_TEXT_LIMIT);
    buf_init(&flat, SENDMAIL_TEXT_LIMIT);
    buf_init(&whole, 2 * SENDMAIL_TEXT_LIMIT);
    header_unfold(&flat, list);
    complete(buf_view(&flat), domain, &whole);
    size_t before = addresses->count;
    bool is_good = !flat.overflowed && !whole.overflowed
                       ? add_list(addresses, buf_view(&whole), arena, err)
                       : error_set(err, 0, "the list of recipients is too long");
    if (is_good && addresses->count == before && bytes_trim(list).len &&
        bytes_find(list, ':') == list.len)
        is_good = error_set(err, 0, "%.*s is no address", BYTES_ARGS(bytes_sub(list, 0, SHOWN)));
    buf_done(&flat);
    buf_done(&whole);
    arena_free(arena);
    return is_good;
}

static bool is_recipients_field(struct bytes name, bool is_resent)
{
    if (is_resent != bytes_starts_nocase(name, BYTES("resent-")))
        return false;
    if (is_resent)
        name = bytes_from(name, 7);
    return bytes_equal_nocase(name, BYTES("to")) || bytes_equal_nocase(name, BYTES("cc")) ||
           bytes_equal_nocase(name, BYTES("bcc"));
}

static bool has_recipients_field(struct bytes section, bool is_resent)
{
    struct header_field field;
    while (header_next(&section, &field))
        if (is_recipients_field(field.name, is_resent))
            return true;
    return false;
}

bool letter_addresses_of(struct letter_addresses *addresses, struct bytes section,
                         struct bytes domain, struct error *err)
{
    struct header_field field;
    bool is_resent = has_recipients_field(section, true), has_begun = false;
    while (header_next(&section, &field)) {
        bool is_wanted = is_recipients_field(field.name, is_resent);
        /* An older resending's fields are behind something that is no resent field. */
        if (is_resent && has_begun && !bytes_starts_nocase(field.name, BYTES("resent-")))
            break;
        has_begun = has_begun || is_wanted;
        if (is_wanted && bytes_trim(field.value).len &&
            !letter_addresses_add(addresses, field.value, domain, err))
            return error_wrap(err, "%.*s", BYTES_ARGS(field.name));
    }
    return true;
}

/* --- The front -------------------------------------------------------------------------------- */

/* RFC 5322, 3.2.4: a name that is not ASCII is left out, as it would need encoding. */
static void add_from(struct buf *out, struct bytes name, struct bytes address)
{
    buf_add(out, BYTES("From: "));
    if (name.len && bytes_is_ascii(name)) {
        buf_add_byte(out, '"');
        for (size_t i = 0; i < name.len; i++) {
            if (name.at[i] == '"' || name.at[i] == '\\')
                buf_add_byte(out, '\\');
            if (name.at[i] >= ' ')
                buf_add_byte(out, name.at[i]);
        }
        buf_add(out, BYTES("\" <"));
        buf_add(out, address);
        buf_add(out, BYTES(">\r\n"));
        return;
    }
    buf_add(out, address);
    buf_add(out, BYTES("\r\n"));
}

void letter_front(struct bytes text, struct bytes name, struct bytes address, struct buf *out,
                  size_t *skip)
{
    *skip = 0;
    if (bytes_starts(text, BYTES("From "))) {
        struct bytes line;
        (void)bytes_cut(text, '\n', &line, &text);
        *skip = line.len + 1;
    }
    struct bytes rest = text;
    struct header_field first;
    /* Without any field the text is all body; a blank line first ends an empty header. */
    bool has_header = header_next(&rest, &first) && !first.is_odd;
    size_t length;
    struct bytes section =
        has_header && header_end(text, &length) ? bytes_sub(text, 0, length) : text;
    if (!has_header || header_count(section, BYTES("From")) == 0)
        add_from(out, name, address);
    if (!has_header && !bytes_starts(text, BYTES("\r\n")))
        buf_add(out, BYTES("\r\n"));
}
