#include "mail/dsn_text.h"

#include "base/id.h"
#include "mail/date.h"
#include "mail/dsn_reason.h"
#include "mail/fold.h"
#include "mail/header.h"
#include "mail/xtext.h"

enum { WORDS_LIMIT = 512, LINE_LIMIT = 4096, SUBJECT_LIMIT = 200 };

/* --- The subject ------------------------------------------------------------------------------ */

/* The subject of the message reported on, on one line and without its end where it is long; false
 * where there is none, or none that can stand in a field as it is. */
static bool find_subject(struct buf *out, struct bytes section)
{
    struct header_field field;
    while (header_next(&section, &field)) {
        if (!bytes_equal_nocase(field.name, BYTES("Subject")))
            continue;
        struct buf line;
        buf_init(&line, LINE_LIMIT);
        header_unfold(&line, bytes_sub(field.value, 0, LINE_LIMIT));
        struct bytes subject = buf_view(&line);
        /* Whole words: one may be an encoded-word (RFC 2047). */
        if (subject.len > SUBJECT_LIMIT)
            subject =
                bytes_sub(subject, 0, bytes_find_last(bytes_sub(subject, 0, SUBJECT_LIMIT), ' '));
        bool is_good = subject.len > 0 && subject.len < SUBJECT_LIMIT && bytes_is_ascii(subject);
        for (size_t i = 0; i < subject.len; i++)
            is_good &= (subject.at[i] >= ' ' || subject.at[i] == '\t') && subject.at[i] != 0x7F;
        if (is_good)
            buf_add(out, subject);
        buf_done(&line);
        return is_good;
    }
    return false;
}

static enum dsn_action worst_of(const struct dsn_report *report)
{
    enum dsn_action worst = DSN_EXPANDED;
    for (size_t i = 0; i < report->recipient_count; i++)
        if (report->recipients[i].action < worst)
            worst = report->recipients[i].action;
    return worst;
}

void dsn_subject_print(struct buf *out, const struct dsn_report *report, struct bytes section)
{
    static const struct {
        struct bytes alone, with;
    } subjects[] = {
        [DSN_FAILED] = {BYTES_INIT("Your message was not delivered"),
                        BYTES_INIT("Not delivered: ")},
        [DSN_DELAYED] = {BYTES_INIT("Your message is delayed"), BYTES_INIT("Delayed: ")},
        [DSN_DELIVERED] = {BYTES_INIT("Your message was delivered"), BYTES_INIT("Delivered: ")},
        [DSN_RELAYED] = {BYTES_INIT("Your message was passed on"), BYTES_INIT("Passed on: ")},
        [DSN_EXPANDED] = {BYTES_INIT("Your message was passed on"), BYTES_INIT("Passed on: ")},
    };
    enum dsn_action worst = worst_of(report);
    struct buf subject;
    buf_init(&subject, LINE_LIMIT);
    bool has_subject = find_subject(&subject, section);
    buf_add(out, has_subject ? subjects[worst].with : subjects[worst].alone);
    buf_add(out, buf_view(&subject));
    buf_done(&subject);
}

/* --- Others' words ---------------------------------------------------------------------------- */

struct bytes dsn_host(struct bytes remote)
{
    size_t len = 0;
    while (len < remote.len && remote.at[len] != ':' && remote.at[len] != ' ' &&
           remote.at[len] != '[')
        len++;
    struct bytes host = bytes_sub(remote, 0, len);
    struct bytes last = bytes_from(host, bytes_find_last(host, '.') + 1);
    /* "smtp://…", "lmtp:unix:…" and "mx:…" are places that nobody spoke from. */
    bool is_name = domain_is_valid(host, ADDRESS_ASCII) && bytes_find_last(host, '.') < host.len &&
                   last.len && ascii_is_alpha(last.at[0]);
    return is_name ? host : BYTES_NONE;
}

void dsn_words_print(struct buf *out, struct bytes words)
{
    words = bytes_sub(words, 0, WORDS_LIMIT);
    for (size_t i = 0; i < words.len; i++) {
        uint8_t byte = words.at[i];
        buf_add_byte(out, byte > 0x7F ? '?' : byte < ' ' || byte == 0x7F ? ' ' : byte);
    }
}

/* --- The text --------------------------------------------------------------------------------- */

static void add_paragraph(struct buf *out, size_t indent, struct bytes text)
{
    struct fold fold = fold_text(out, indent);
    fold_words(&fold, text);
    buf_add(out, BYTES("\r\n"));
}

static void add_quoted(struct buf *out, struct bytes words)
{
    struct buf line;
    buf_init(&line, LINE_LIMIT);
    dsn_words_print(&line, words);
    add_paragraph(out, 8, buf_view(&line));
    buf_done(&line);
}

/* "Your message to ann@example.org was not delivered: there is no mailbox with this address." */
static void add_sentence(struct buf *out, const struct dsn_recipient *recipient,
                         enum address_charset charset)
{
    static const struct bytes happened[] = {
        [DSN_FAILED] = BYTES_INIT(" was not delivered: "),
        [DSN_DELAYED] = BYTES_INIT(" has not been delivered yet: "),
        [DSN_DELIVERED] = BYTES_INIT(" was delivered."),
        [DSN_RELAYED] = BYTES_INIT(" was passed on to another server. You may hear no more of it "
                                   "unless something goes wrong there."),
        [DSN_EXPANDED] = BYTES_INIT(" was passed on to several addresses that this one stands for. "
                                    "You will hear no more unless something goes wrong there."),
    };
    struct buf line;
    buf_init(&line, LINE_LIMIT);
    buf_add(&line, BYTES("Your message to "));
    unitext_print(&line, recipient->address, charset);
    buf_add(&line, happened[recipient->action]);
    if (recipient->action == DSN_FAILED)
        buf_add(&line, dsn_reason_failed(recipient->status).what);
    if (recipient->action == DSN_DELAYED)
        buf_add(&line, dsn_reason_delayed(recipient->status).what);
    add_paragraph(out, 0, buf_view(&line));
    buf_done(&line);
}

static void add_advice(struct buf *out, const struct dsn_recipient *recipient)
{
    bool is_delayed = recipient->action == DSN_DELAYED;
    if (!is_delayed && recipient->action != DSN_FAILED)
        return;
    struct bytes advice = is_delayed ? dsn_reason_delayed(recipient->status).advice
                                     : dsn_reason_failed(recipient->status).advice;
    struct buf line;
    buf_init(&line, LINE_LIMIT);
    if (is_delayed) {
        buf_add(&line, BYTES("It is kept safe and tried again from time to time"));
        if (recipient->retry_until_ms) {
            buf_add(&line, BYTES(", until "));
            date_print(&line, recipient->retry_until_ms);
        }
        buf_add(&line, BYTES("; you need not send it again. "));
    }
    if (advice.len) {
        buf_add(&line,
                is_delayed ? BYTES("What you can do meanwhile: ") : BYTES("What you can do: "));
        buf_add(&line, advice);
    }
    buf_add(out, BYTES("\r\n"));
    add_paragraph(out, 4, buf_view(&line));
    buf_done(&line);
}

static void add_words(struct buf *out, const struct dsn_recipient *recipient)
{
    if (!recipient->reply.len || recipient->action > DSN_DELAYED)
        return;
    struct bytes host = dsn_host(recipient->remote);
    buf_add(out, BYTES("\r\n    "));
    if (recipient->code == 0) {
        buf_add(out, BYTES("In detail:"));
    } else if (host.len) {
        buf_add(out, BYTES("The server "));
        buf_add(out, host);
        buf_add(out, BYTES(" said:"));
    } else {
        buf_add(out, BYTES("The other server said:"));
    }
    buf_add(out, BYTES("\r\n"));
    add_quoted(out, recipient->reply);
}

/* Says which message this is about. */
static void add_message(struct buf *out, const struct dsn_report *report, struct bytes section)
{
    struct buf line;
    buf_init(&line, LINE_LIMIT);
    buf_add(out, BYTES("Your message:\r\n"));
    buf_add(&line, BYTES("Subject: "));
    /* Encoded-words are for programs: the subject of the notification has them. */
    if (find_subject(&line, section) && bytes_search(buf_view(&line), BYTES("=?")) == line.len)
        add_paragraph(out, 4, buf_view(&line));
    buf_clear(&line);
    buf_add(&line, BYTES("Received here: "));
    date_print(&line, report->envelope->received_ms);
    add_paragraph(out, 4, buf_view(&line));
    buf_clear(&line);
    buf_add(&line, BYTES("This notice is from the mail server "));
    buf_add(&line, report->hostname);
    buf_add(&line, BYTES(", which knows your message as "));
    id_print(&line, report->envelope->id);
    buf_add(&line, BYTES(". Nobody reads answers to it."));
    buf_add(out, BYTES("\r\n"));
    add_paragraph(out, 0, buf_view(&line));
    buf_done(&line);
}

void dsn_text_print(struct buf *out, const struct dsn_report *report, struct bytes section,
                    enum address_charset charset)
{
    /* What went wrong comes first. */
    for (enum dsn_action action = DSN_FAILED; action <= DSN_EXPANDED; action++)
        for (size_t i = 0; i < report->recipient_count; i++) {
            const struct dsn_recipient *recipient = &report->recipients[i];
            if (recipient->action != action)
                continue;
            add_sentence(out, recipient, charset);
            add_advice(out, recipient);
            add_words(out, recipient);
            buf_add(out, BYTES("\r\n"));
        }
    add_message(out, report, section);
}
