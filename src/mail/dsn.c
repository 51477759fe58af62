#include "mail/dsn.h"

#include <string.h>

#include "base/id.h"
#include "mail/base64.h"
#include "mail/date.h"
#include "mail/dsn_text.h"
#include "mail/fold.h"
#include "mail/header.h"
#include "mail/trace.h"
#include "mail/xtext.h"

enum {
    LINE_MOST = 998, /* bytes of a line without its CRLF; RFC 5322, 2.1.1 */
    FIELD_LIMIT = 4096,
    ID_LIMIT = 500, /* bytes of a Message-ID */
    IDS_LIMIT = 8,  /* of a References field */
};

/* What a transfer must be able to carry. */
enum shape { SHAPE_7BIT, SHAPE_8BIT, SHAPE_BINARY };

/* A notification in the making. */
struct draft {
    const struct dsn_report *report;
    struct buf boundary;
    struct bytes section; /* the header section of the original */
    bool is_global;       /* the parts are those of RFC 6533 */
    bool is_utf8_path;    /* the notification travels with SMTPUTF8 in any case */
};

static enum shape shape_of(struct bytes text)
{
    enum shape shape = SHAPE_7BIT;
    size_t line = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (byte == '\r' && i + 1 < text.len && text.at[i + 1] == '\n') {
            i++;
            line = 0;
            continue;
        }
        if (byte == '\0' || byte == '\r' || byte == '\n' || ++line > LINE_MOST)
            return SHAPE_BINARY;
        if (byte > 0x7F)
            shape = SHAPE_8BIT;
    }
    return shape;
}

static bool has_utf8_recipient(const struct dsn_report *report)
{
    for (size_t i = 0; i < report->recipient_count; i++)
        if (!bytes_is_ascii(report->recipients[i].address) ||
            !bytes_is_ascii(report->recipients[i].orcpt))
            return true;
    return false;
}

/* The original's header section; what there is of it in whole lines where its end is not seen. */
static struct bytes section_of(struct bytes original)
{
    size_t length;
    if (header_end(original, &length))
        return bytes_sub(original, 0, length);
    size_t at = bytes_find_last(original, '\n');
    return bytes_sub(original, 0, at == original.len ? 0 : at + 1);
}

/* A boundary that does not occur in the original, whoever guessed the id. "=_" can stand in no
 * encoded part (RFC 2045, 6.7). */
static void choose_boundary(struct draft *draft)
{
    uint64_t number = 0;
    do {
        buf_clear(&draft->boundary);
        buf_add(&draft->boundary, BYTES("=_"));
        id_print(&draft->boundary, draft->report->id);
        buf_add_byte(&draft->boundary, '_');
        buf_add_u64(&draft->boundary, number++);
    } while (bytes_search(draft->report->original, buf_view(&draft->boundary)) <
             draft->report->original.len);
}

static void add_field(struct buf *out, const char *start, struct bytes value)
{
    struct fold fold = fold_field(out, bytes_of(start));
    fold_words(&fold, value);
    buf_add(out, BYTES("\r\n"));
}

static void add_date_field(struct buf *out, const char *start, int64_t instant_ms)
{
    buf_add(out, bytes_of(start));
    buf_add_byte(out, ' ');
    date_print(out, instant_ms);
    buf_add(out, BYTES("\r\n"));
}

enum part { PART_TEXT, PART_STATUS, PART_MESSAGE, PART_SECTION };

/* The types of RFC 3464 and RFC 6522, and those of RFC 6533; what mail programs call them. */
static const struct {
    const char *description, *type, *global;
} parts[] = {
    [PART_TEXT] = {"Notification", "text/plain; charset=us-ascii", "text/plain; charset=utf-8"},
    [PART_STATUS] = {"Delivery report", "message/delivery-status",
                     "message/global-delivery-status"},
    [PART_MESSAGE] = {"Your message", "message/rfc822", "message/global"},
    [PART_SECTION] = {"Header of your message", "text/rfc822-headers", "message/global-headers"},
};

/* A part of the multipart: its fields, and the content in the plainest encoding that carries it.
 * Eight bits are sent as such, except in the parts of RFC 6533: whether the way back knows
 * SMTPUTF8 is not known unless the address needs it anyway (RFC 6533, 4.5). */
static void add_part(struct buf *out, const struct draft *draft, enum part part,
                     struct bytes content)
{
    enum shape shape = shape_of(content);
    bool is_encoded =
        shape == SHAPE_BINARY || (shape == SHAPE_8BIT && draft->is_global && !draft->is_utf8_path);
    buf_add(out, BYTES("\r\n--"));
    buf_add(out, buf_view(&draft->boundary));
    buf_add(out, BYTES("\r\nContent-Description: "));
    buf_add(out, bytes_of(parts[part].description));
    buf_add(out, BYTES("\r\nContent-Type: "));
    buf_add(out, bytes_of(draft->is_global ? parts[part].global : parts[part].type));
    buf_add(out, BYTES("\r\nContent-Transfer-Encoding: "));
    buf_add(out, is_encoded            ? BYTES("base64")
                 : shape == SHAPE_8BIT ? BYTES("8bit")
                                       : BYTES("7bit"));
    buf_add(out, BYTES("\r\n\r\n"));
    if (is_encoded)
        base64_print_lines(out, content);
    else
        buf_add(out, content);
}

static void add_message_fields(struct buf *out, const struct dsn_report *report)
{
    struct buf value;
    buf_init(&value, FIELD_LIMIT);
    buf_add(&value, BYTES("dns; "));
    buf_add(&value, report->hostname);
    add_field(out, "Reporting-MTA:", buf_view(&value));
    buf_clear(&value);
    if (envid_is_valid(report->envelope->envid) && xtext_scan(&value, report->envelope->envid))
        add_field(out, "Original-Envelope-Id:", buf_view(&value));
    buf_done(&value);
    add_date_field(out, "Arrival-Date:", report->envelope->received_ms);
    /* RFC 2852, 5. */
    if (report->envelope->by_mode != BY_NONE)
        add_date_field(out, "Deliver-By-Date:", report->envelope->by_ms);
}

static void add_addresses(struct buf *out, const struct dsn_recipient *recipient,
                          enum address_charset charset)
{
    if (recipient->orcpt.len) {
        buf_add(out, BYTES("Original-Recipient: "));
        orcpt_print_field(out, recipient->orcpt, charset);
        buf_add(out, BYTES("\r\n"));
    }
    buf_add(out, BYTES("Final-Recipient: "));
    buf_add(out, bytes_is_ascii(recipient->address) ? BYTES("rfc822; ") : BYTES("utf-8; "));
    unitext_print(out, recipient->address, charset);
    buf_add(out, BYTES("\r\n"));
}

/* An endpoint that has no name in the DNS (a socket, a port) is none of the sender's; an address
 * without a name stands as its literal. */
static void add_remote(struct buf *out, struct bytes remote)
{
    struct bytes name = dsn_host(remote), address, behind;
    struct buf value;
    bool has_end = bytes_cut(bytes_from(remote, 1), ']', &address, &behind);
    if (!name.len && !(bytes_starts(remote, BYTES("[")) && has_end))
        return;
    buf_init(&value, FIELD_LIMIT);
    buf_add(&value, BYTES("dns; "));
    if (name.len)
        buf_add(&value, name);
    else
        buf_addf(&value, bytes_find(address, ':') < address.len ? "[IPv6:%.*s]" : "[%.*s]",
                 BYTES_ARGS(address));
    add_field(out, "Remote-MTA:", buf_view(&value));
    buf_done(&value);
}

static void add_recipient_fields(struct buf *out, const struct dsn_report *report,
                                 const struct dsn_recipient *recipient,
                                 enum address_charset charset)
{
    static const struct bytes actions[] = {
        [DSN_FAILED] = BYTES_INIT("failed"),       [DSN_DELAYED] = BYTES_INIT("delayed"),
        [DSN_DELIVERED] = BYTES_INIT("delivered"), [DSN_RELAYED] = BYTES_INIT("relayed"),
        [DSN_EXPANDED] = BYTES_INIT("expanded"),
    };
    struct buf value;
    buf_init(&value, FIELD_LIMIT);
    buf_add(out, BYTES("\r\n"));
    add_addresses(out, recipient, charset);
    add_field(out, "Action:", actions[recipient->action]);
    add_field(out, "Status:", recipient->status);
    add_remote(out, recipient->remote);
    if (recipient->reply.len) {
        buf_add(&value, recipient->code ? BYTES("smtp; ") : BYTES("x-postrider; "));
        dsn_words_print(&value, recipient->reply);
        add_field(out, "Diagnostic-Code:", buf_view(&value));
    }
    if (recipient->last_attempt_ms)
        add_date_field(out, "Last-Attempt-Date:", recipient->last_attempt_ms);
    buf_clear(&value);
    id_print(&value, report->envelope->id);
    add_field(out, "Final-Log-ID:", buf_view(&value));
    if (recipient->action == DSN_DELAYED && recipient->retry_until_ms)
        add_date_field(out, "Will-Retry-Until:", recipient->retry_until_ms);
    buf_done(&value);
}

static bool returns_whole(const struct dsn_report *report)
{
    if (!report->is_whole || report->original.len > DSN_RETURN_LIMIT ||
        report->envelope->ret == RET_HDRS || shape_of(report->original) == SHAPE_BINARY)
        return false;
    for (size_t i = 0; i < report->recipient_count; i++)
        if (report->recipients[i].action == DSN_FAILED)
            return true;
    return false;
}

static void add_original(struct buf *out, const struct draft *draft)
{
    const struct dsn_report *report = draft->report;
    if (returns_whole(report))
        add_part(out, draft, PART_MESSAGE, report->original);
    else if (draft->section.len)
        add_part(out, draft, PART_SECTION, draft->section);
}

static void add_body(struct buf *out, const struct draft *draft)
{
    const struct dsn_report *report = draft->report;
    enum address_charset charset = draft->is_global ? ADDRESS_UTF8 : ADDRESS_ASCII;
    struct buf part;
    buf_init(&part, out->limit);
    dsn_text_print(&part, report, draft->section, charset);
    add_part(out, draft, PART_TEXT, buf_view(&part));
    buf_clear(&part);
    add_message_fields(&part, report);
    for (size_t i = 0; i < report->recipient_count; i++)
        add_recipient_fields(&part, report, &report->recipients[i], charset);
    add_part(out, draft, PART_STATUS, buf_view(&part));
    out->overflowed |= part.overflowed;
    buf_done(&part);
    add_original(out, draft);
    buf_add(out, BYTES("\r\n--"));
    buf_add(out, buf_view(&draft->boundary));
    buf_add(out, BYTES("--\r\n"));
}

/* --- The header ------------------------------------------------------------------------------- */

static bool is_message_id(struct bytes word)
{
    if (word.len < 3 || word.len > ID_LIMIT || word.at[0] != '<' || word.at[word.len - 1] != '>')
        return false;
    for (size_t i = 1; i < word.len - 1; i++)
        if (word.at[i] <= ' ' || word.at[i] > '~' || word.at[i] == '<' || word.at[i] == '>')
            return false;
    return true;
}

/* The ids of a field of the original, the last of them within limits; true: there is one. */
static bool add_ids(struct fold *fold, struct bytes section, const char *name)
{
    struct bytes ids[IDS_LIMIT], word;
    size_t count = 0;
    struct header_field field;
    struct buf value;
    buf_init(&value, FIELD_LIMIT);
    while (header_next(&section, &field) && count == 0) {
        if (!bytes_equal_nocase(field.name, bytes_of(name)) || field.value.len > FIELD_LIMIT)
            continue;
        buf_clear(&value);
        header_unfold(&value, field.value);
        for (struct bytes rest = buf_view(&value); rest.len;) {
            bytes_cut(rest, ' ', &word, &rest);
            if (!is_message_id(bytes_trim(word)))
                continue;
            if (count == IDS_LIMIT)
                memmove(&ids[0], &ids[1], --count * sizeof ids[0]);
            ids[count++] = bytes_trim(word);
        }
    }
    for (size_t i = 0; i < count; i++)
        fold_word(fold, ids[i]);
    buf_done(&value);
    return count > 0;
}

/* Where the original has an id, mail programs show the notification with it (RFC 5322, 3.6.4). */
static void add_thread(struct buf *out, struct bytes section)
{
    size_t start = out->len;
    struct fold fold = fold_field(out, BYTES("In-Reply-To:"));
    if (!add_ids(&fold, section, "Message-ID")) {
        out->len = start;
        return;
    }
    buf_add(out, BYTES("\r\n"));
    fold = fold_field(out, BYTES("References:"));
    add_ids(&fold, section, "References");
    add_ids(&fold, section, "Message-ID");
    buf_add(out, BYTES("\r\n"));
}

static void add_header(struct buf *out, const struct draft *draft, enum body_type body)
{
    const struct dsn_report *report = draft->report;
    struct buf subject;
    trace_received_local(out, report->hostname, report->id, report->now_ms);
    buf_add(out, BYTES("From: Mail Delivery System <MAILER-DAEMON@"));
    buf_add(out, report->hostname);
    buf_add(out, BYTES(">\r\nTo: <"));
    buf_add(out, report->envelope->reverse_path);
    buf_add(out, BYTES(">\r\n"));
    buf_init(&subject, FIELD_LIMIT);
    dsn_subject_print(&subject, report, draft->section);
    add_field(out, "Subject:", buf_view(&subject));
    buf_done(&subject);
    add_date_field(out, "Date:", report->now_ms);
    buf_add(out, BYTES("Message-ID: <"));
    id_print(out, report->id);
    buf_add_byte(out, '@');
    buf_add(out, report->hostname);
    buf_add(out, BYTES(">\r\n"));
    add_thread(out, draft->section);
    buf_add(out, BYTES("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                       "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                       "\tboundary=\""));
    buf_add(out, buf_view(&draft->boundary));
    buf_add(out, BYTES("\"\r\nContent-Transfer-Encoding: "));
    buf_add(out, body == BODY_8BITMIME ? BYTES("8bit") : BYTES("7bit"));
    buf_add(out, BYTES("\r\n\r\nThis is a MIME message; its first part is for people.\r\n"));
}

struct dsn_needs dsn_print(struct buf *out, const struct dsn_report *report)
{
    ASSERT(report->recipient_count > 0);
    struct draft draft = {
        .report = report,
        .section = section_of(report->original),
        .is_utf8_path = !bytes_is_ascii(report->envelope->reverse_path),
    };
    /* Where nothing is beyond ASCII the older types say the same to more readers (RFC 6533,
     * 4.4). */
    draft.is_global =
        report->envelope->is_smtputf8 &&
        (draft.is_utf8_path || has_utf8_recipient(report) || !bytes_is_ascii(draft.section));
    buf_init(&draft.boundary, FIELD_LIMIT);
    choose_boundary(&draft);
    struct buf body;
    buf_init(&body, out->limit);
    add_body(&body, &draft);
    struct dsn_needs needs = {
        .body = bytes_is_ascii(buf_view(&body)) ? BODY_7BIT : BODY_8BITMIME,
        .is_smtputf8 = draft.is_utf8_path,
    };
    add_header(out, &draft, needs.body);
    buf_add(out, buf_view(&body));
    out->overflowed |= body.overflowed;
    buf_done(&body);
    buf_done(&draft.boundary);
    return needs;
}
