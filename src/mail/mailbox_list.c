#include "mail/mailbox_list.h"

#include <string.h>

#include "mail/address.h"

/* A field under way. Problems are said once and end the walk. */
struct reading {
    struct bytes rest;
    struct mailbox *mailboxes;
    size_t count, room;
    struct arena *arena;
    bool is_loose, is_in_group;
    const char *reason;
};

/* Words and dots in front of what gives them their meaning: a display name, a group's name, or the
 * local part of an address. */
struct phrase {
    struct bytes whole; /* from the first word to the last, with what is between */
    struct buf joined;  /* words and dots, without blanks and comments */
    size_t words;
    bool is_local;     /* no two words without a dot between them */
    bool ends_in_word; /* not in a dot */
};

static bool fail(struct reading *reading, const char *reason)
{
    if (!reading->reason)
        reading->reason = reason;
    return false;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* RFC 5322, 3.2.3; bytes over 127 by RFC 6532, 3.2. */
static bool is_atext(uint8_t byte)
{
    static const struct bytes others = BYTES_INIT("!#$%&'*+-/=?^_`{|}~");
    return ascii_is_alpha(byte) || ascii_is_digit(byte) || byte >= 0x80 ||
           bytes_find(others, byte) < others.len;
}

/* Blanks and folds; a CR or LF that is no fold stays where it is. */
static void skip_blanks(struct bytes *rest)
{
    for (;;) {
        if (rest->len && is_blank(rest->at[0]))
            *rest = bytes_from(*rest, 1);
        else if (rest->len > 2 && bytes_starts(*rest, BYTES("\r\n")) && is_blank(rest->at[2]))
            *rest = bytes_from(*rest, 3);
        else
            return;
    }
}

/* May this byte stand in a comment, a quoted string or a literal? Control bytes are obsolete there
 * (RFC 5322, 4.1), and what they do to a reader is not known. */
static bool is_text(uint8_t byte)
{
    return byte == '\t' || (byte >= ' ' && byte != 0x7F);
}

/* Takes one character of quoted text from the front, folds included; a quoted pair is one.
 * *is_pair says so. */
static bool take_quoted(struct bytes *rest, uint8_t *byte, bool *is_pair)
{
    struct bytes before = *rest;
    *is_pair = false;
    skip_blanks(rest);
    if (rest->at != before.at) {
        *byte = ' ';
        return true;
    }
    if (rest->len == 0 || !is_text(rest->at[0]))
        return false;
    *is_pair = rest->at[0] == '\\';
    if (*is_pair && (rest->len < 2 || !is_text(rest->at[1])))
        return false;
    *byte = rest->at[*is_pair];
    *rest = bytes_from(*rest, *is_pair ? 2 : 1);
    return true;
}

static bool skip_comment(struct reading *reading)
{
    size_t depth = 0;
    do {
        uint8_t byte;
        bool is_pair;
        if (!take_quoted(&reading->rest, &byte, &is_pair))
            return fail(reading, "a comment does not end, or has control bytes in it");
        if (!is_pair && byte == '(')
            depth++;
        else if (!is_pair && byte == ')')
            depth--;
    } while (depth);
    return true;
}

static bool front_is(const struct reading *reading, uint8_t byte)
{
    return reading->rest.len && reading->rest.at[0] == byte;
}

static bool skip_cfws(struct reading *reading)
{
    for (;;) {
        skip_blanks(&reading->rest);
        if (!front_is(reading, '('))
            return true;
        if (!skip_comment(reading))
            return false;
    }
}

/* Takes that byte, if it is at the front. */
static bool take(struct reading *reading, uint8_t byte)
{
    if (!front_is(reading, byte))
        return false;
    reading->rest = bytes_from(reading->rest, 1);
    return true;
}

/* Appends the quoted string at the front as it is written. */
static bool take_quoted_string(struct reading *reading, struct buf *out)
{
    buf_add_byte(out, '"');
    (void)take(reading, '"');
    for (;;) {
        uint8_t byte;
        bool is_pair;
        if (!take_quoted(&reading->rest, &byte, &is_pair))
            return fail(reading, "a quoted string does not end, or has control bytes in it");
        if (is_pair)
            buf_add_byte(out, '\\');
        buf_add_byte(out, byte);
        if (byte == '"' && !is_pair)
            return true;
    }
}

static void take_atom(struct reading *reading, struct buf *out)
{
    size_t len = 0;
    while (len < reading->rest.len && is_atext(reading->rest.at[len]))
        len++;
    buf_add(out, bytes_sub(reading->rest, 0, len));
    reading->rest = bytes_from(reading->rest, len);
}

/* Reads words, dots, and what is between them, up to anything else. */
static bool take_phrase(struct reading *reading, struct phrase *phrase)
{
    buf_clear(&phrase->joined);
    phrase->words = 0;
    phrase->ends_in_word = false;
    phrase->is_local = true;
    phrase->whole = BYTES_NONE;
    for (;;) {
        if (!skip_cfws(reading))
            return false;
        bool is_word =
            front_is(reading, '"') || (reading->rest.len && is_atext(reading->rest.at[0]));
        if (!is_word && !front_is(reading, '.'))
            break;
        if (!phrase->whole.at)
            phrase->whole.at = reading->rest.at;
        if (is_word) {
            phrase->is_local &= !phrase->ends_in_word;
            phrase->words++;
            if (!front_is(reading, '"'))
                take_atom(reading, &phrase->joined);
            else if (!take_quoted_string(reading, &phrase->joined))
                return false;
        } else {
            (void)take(reading, '.');
            buf_add_byte(&phrase->joined, '.');
        }
        phrase->ends_in_word = is_word;
        phrase->whole.len = (size_t)(reading->rest.at - phrase->whole.at);
    }
    return true;
}

/* Appends the domain literal at the front, brackets included, without blanks. */
static bool take_literal(struct reading *reading, struct buf *out)
{
    for (;;) {
        uint8_t byte;
        bool is_pair;
        if (!take_quoted(&reading->rest, &byte, &is_pair) || is_pair)
            return fail(reading, "a domain literal is malformed");
        if (byte != ' ')
            buf_add_byte(out, byte);
        if (byte == ']')
            return address_literal_is_valid(buf_view(out)) ||
                   fail(reading, "a domain literal is no address");
    }
}

/* Appends the domain at the front (RFC 5322, 4.4 lets blanks and comments stand between the
 * labels). A dot at its end is passed over: some readers do. */
static bool take_domain(struct reading *reading, struct buf *out)
{
    if (!skip_cfws(reading))
        return false;
    if (front_is(reading, '['))
        return take_literal(reading, out);
    for (;;) {
        take_atom(reading, out);
        if (!skip_cfws(reading))
            return false;
        if (!take(reading, '.'))
            break;
        if (!skip_cfws(reading))
            return false;
        if (reading->rest.len == 0 || !is_atext(reading->rest.at[0])) {
            reading->is_loose = true;
            break;
        }
        buf_add_byte(out, '.');
    }
    return (!front_is(reading, '.') && domain_is_valid(buf_view(out), ADDRESS_UTF8)) ||
           fail(reading, "what stands behind an @ is no domain");
}

static bool has_encoded_word(struct bytes text)
{
    size_t at = bytes_search(text, BYTES("=?"));
    return at < text.len && bytes_search(bytes_from(text, at + 2), BYTES("?=")) < text.len - at - 2;
}

/* The local part has been read; the rest begins behind the @. */
static bool take_address(struct reading *reading, struct bytes name, struct phrase *local)
{
    if (local->words == 0 || !local->is_local)
        return fail(reading, "there is no local part in front of an @");
    /* RFC 2047, 5 forbids it; a reader that decodes it first would see another address. */
    if (has_encoded_word(buf_view(&local->joined)))
        return fail(reading, "an address has an encoded-word in it");
    if (reading->count == MAILBOX_LIST_LIMIT)
        return fail(reading, "there are too many addresses");
    struct buf domain;
    buf_init(&domain, DOMAIN_LIMIT + 1);
    bool is_good = take_domain(reading, &domain);
    struct mailbox found = {.name = name};
    if (is_good && (!arena_copy(reading->arena, buf_view(&local->joined), &found.local) ||
                    !arena_copy(reading->arena, buf_view(&domain), &found.domain)))
        is_good = fail(reading, "there is too much of it");
    buf_done(&domain);
    if (!is_good)
        return false;
    if (reading->count == reading->room) {
        size_t room = reading->room * 2 + 4;
        struct mailbox *grown = arena_alloc(reading->arena, room * sizeof *grown);
        if (!grown)
            return fail(reading, "there is too much of it");
        if (reading->count)
            memcpy(grown, reading->mailboxes, reading->count * sizeof *grown);
        reading->mailboxes = grown;
        reading->room = room;
    }
    reading->mailboxes[reading->count++] = found;
    return true;
}

/* "@a,@b:" in front of an address (RFC 5322, 4.4). */
static bool skip_route(struct reading *reading)
{
    struct buf domain;
    buf_init(&domain, DOMAIN_LIMIT + 1);
    bool is_good = skip_cfws(reading);
    bool is_route = false;
    while (is_good && (front_is(reading, '@') || (is_route && front_is(reading, ',')))) {
        if (take(reading, '@')) {
            buf_clear(&domain);
            is_good = take_domain(reading, &domain);
            is_route = true;
        } else {
            (void)take(reading, ',');
        }
        is_good = is_good && skip_cfws(reading);
    }
    buf_done(&domain);
    if (is_good && is_route && !take(reading, ':'))
        return fail(reading, "a source route does not end");
    return is_good;
}

/* The rest begins behind the <. */
static bool take_angle(struct reading *reading, struct bytes name, struct phrase *local)
{
    if (!skip_route(reading) || !take_phrase(reading, local))
        return false;
    if (!take(reading, '@'))
        return fail(reading, "there is no address between < and >");
    if (!take_address(reading, name, local))
        return false;
    return take(reading, '>') || fail(reading, "an address has no > behind it");
}

/* An address may be followed by a comma, the end of its group, or nothing. */
static bool end_address(struct reading *reading)
{
    if (!skip_cfws(reading))
        return false;
    reading->is_loose |= reading->rest.len && !front_is(reading, ',') && !front_is(reading, ';');
    return true;
}

/* What stands behind a phrase says what it was. */
static bool take_item(struct reading *reading, struct phrase *phrase)
{
    if (take(reading, '@'))
        return take_address(reading, BYTES_NONE, phrase) && end_address(reading);
    if (take(reading, '<'))
        return take_angle(reading, phrase->whole, phrase) && end_address(reading);
    if (take(reading, ':')) {
        if (reading->is_in_group || phrase->words == 0)
            return fail(reading, "there is a : where none can be");
        reading->is_in_group = true;
        return true;
    }
    if (take(reading, ';')) {
        if (!reading->is_in_group)
            return fail(reading, "there is a ; where none can be");
        reading->is_in_group = false;
        reading->is_loose |= phrase->words > 0;
        return true;
    }
    /* Words without an address: half of a name with a comma in it, or what follows an address. */
    reading->is_loose |= phrase->words > 0;
    return reading->rest.len == 0 || take(reading, ',') ||
           fail(reading, "there is a byte that can stand in no address");
}

enum mailbox_list_status mailbox_list_parse(struct bytes value, struct arena *arena,
                                            struct mailbox_list *out)
{
    struct reading reading = {.rest = bytes_trim(value), .arena = arena};
    struct phrase phrase = {0};
    bool is_good = value.len <= MAILBOX_LIST_BYTES || fail(&reading, "there is too much of it");
    buf_init(&phrase.joined, MAILBOX_LIST_BYTES);
    while (is_good && reading.rest.len)
        is_good = take_phrase(&reading, &phrase) && take_item(&reading, &phrase);
    buf_done(&phrase.joined);
    *out = (struct mailbox_list){.mailboxes = reading.mailboxes,
                                 .count = reading.count,
                                 .is_loose = reading.is_loose || reading.is_in_group};
    if (is_good)
        return MAILBOX_LIST_OK;
    *out = (struct mailbox_list){.reason = reading.reason};
    return MAILBOX_LIST_BAD;
}
