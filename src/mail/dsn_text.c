#include "mail/dsn_text.h"

#include "mail/date.h"
#include "mail/fold.h"
#include "mail/header.h"
#include "mail/xtext.h"

enum { WORDS_LIMIT = 512, LINE_LIMIT = 2048 };

/* What happened, by enum dsn_action. */
static const struct bytes happened[] = {
    [DSN_FAILED] = BYTES_INIT("could not be reached: your message was not delivered, and it will "
                              "not be tried again."),
    [DSN_DELAYED] = BYTES_INIT("has not been reached yet. Your message is safe and is tried again "
                               "from time to time; you need not send it again."),
    [DSN_DELIVERED] = BYTES_INIT("has your message: it was delivered."),
    [DSN_RELAYED] = BYTES_INIT("should get your message soon: it was passed on to a server that "
                               "does not confirm deliveries. You will hear no more unless "
                               "something goes wrong there."),
    [DSN_EXPANDED] = BYTES_INIT("stands for several addresses: your message was passed on to them. "
                                "You will hear no more unless something goes wrong there."),
};

/* What the sender can do, by the front of the status code (RFC 3463, RFC 5248), the first row
 * that fits. The class is left out: the advice is for what failed for good. */
static const struct {
    struct bytes status, advice;
} advice[] = {
    {BYTES_INIT("1.8"), BYTES_INIT("your own address seems to be wrong in the eyes of the other "
                                   "server. Check the sender's address in your mail program.")},
    {BYTES_INIT("1.7"), BYTES_INIT("your own address seems to be wrong in the eyes of the other "
                                   "server. Check the sender's address in your mail program.")},
    {BYTES_INIT("1."), BYTES_INIT("look for a typing error in the address, or ask the person for "
                                  "the right one, and send the message again.")},
    {BYTES_INIT("2.2"), BYTES_INIT("the mailbox is full. Let the person know in another way, and "
                                   "send the message again when there is room.")},
    {BYTES_INIT("2.3"), BYTES_INIT("the message is too large for them. Send it with smaller "
                                   "attachments, or share large files in another way.")},
    {BYTES_INIT("3.4"), BYTES_INIT("the message is too large for them. Send it with smaller "
                                   "attachments, or share large files in another way.")},
    {BYTES_INIT("2."), BYTES_INIT("the mailbox takes no mail at present. Reach the person in "
                                  "another way, or send the message again later.")},
    {BYTES_INIT("4."), BYTES_INIT("check the part of the address behind the @ sign. If it is "
                                  "right, their server is out of reach: send the message again "
                                  "later.")},
    {BYTES_INIT("6."), BYTES_INIT("their server does not understand the form of the message. Send "
                                  "it again as plain text, or share attachments in another way.")},
    {BYTES_INIT("7."), BYTES_INIT("their server does not want the message, by its rules. Its words "
                                  "above may say why; your postmaster, or theirs, can help.")},
    {BYTES_INIT(""), BYTES_INIT("send the message again later. If that does not help, show this "
                                "one to your postmaster.")},
};

struct bytes dsn_subject(const struct dsn_report *report)
{
    static const struct bytes subjects[] = {
        [DSN_FAILED] = BYTES_INIT("Your message was not delivered"),
        [DSN_DELAYED] = BYTES_INIT("Your message is delayed"),
        [DSN_DELIVERED] = BYTES_INIT("Your message was delivered"),
        [DSN_RELAYED] = BYTES_INIT("Your message was passed on"),
        [DSN_EXPANDED] = BYTES_INIT("Your message was passed on"),
    };
    enum dsn_action worst = DSN_EXPANDED;
    for (size_t i = 0; i < report->recipient_count; i++)
        if (report->recipients[i].action < worst)
            worst = report->recipients[i].action;
    return subjects[worst];
}

void dsn_words_print(struct buf *out, struct bytes words)
{
    words = bytes_sub(words, 0, WORDS_LIMIT);
    for (size_t i = 0; i < words.len; i++) {
        uint8_t byte = words.at[i];
        buf_add_byte(out, byte > 0x7F ? '?' : byte < ' ' || byte == 0x7F ? ' ' : byte);
    }
}

static void add_paragraph(struct buf *out, size_t indent, struct bytes text)
{
    struct fold fold = fold_text(out, indent);
    fold_words(&fold, text);
    buf_add(out, BYTES("\r\n"));
}

/* "start words end" as a paragraph, the words being others'. */
static void add_quoting(struct buf *out, size_t indent, const char *start, struct bytes words,
                        const char *end)
{
    struct buf line;
    buf_init(&line, LINE_LIMIT);
    buf_add(&line, bytes_of(start));
    dsn_words_print(&line, words);
    buf_add(&line, bytes_of(end));
    add_paragraph(out, indent, buf_view(&line));
    buf_done(&line);
}

static void add_dated(struct buf *out, size_t indent, const char *start, int64_t instant_ms)
{
    struct buf line;
    buf_init(&line, LINE_LIMIT);
    buf_add(&line, bytes_of(start));
    date_print(&line, instant_ms);
    add_paragraph(out, indent, buf_view(&line));
    buf_done(&line);
}

/* Says which message this is about. */
static void add_message(struct buf *out, const struct dsn_report *report, struct bytes section)
{
    struct header_field field;
    while (header_next(&section, &field)) {
        if (!bytes_equal_nocase(field.name, BYTES("Subject")))
            continue;
        struct buf subject;
        buf_init(&subject, LINE_LIMIT);
        header_unfold(&subject, bytes_sub(field.value, 0, WORDS_LIMIT));
        add_quoting(out, 4, "Subject: ", buf_view(&subject), "");
        buf_done(&subject);
        break;
    }
    add_dated(out, 4, "Received here: ", report->envelope->received_ms);
}

static void add_advice(struct buf *out, const struct dsn_recipient *recipient)
{
    struct bytes detail = bytes_from(recipient->status, 2);
    size_t i = 0;
    while (!bytes_starts(detail, advice[i].status))
        i++;
    struct fold fold = fold_text(out, 4);
    fold_words(&fold, BYTES("What you can do:"));
    fold_words(&fold, advice[i].advice);
    buf_add(out, BYTES("\r\n"));
}

static void add_recipient(struct buf *out, const struct dsn_recipient *recipient,
                          enum address_charset charset)
{
    buf_add(out, BYTES("\r\n"));
    unitext_print(out, recipient->address, charset);
    buf_add(out, BYTES("\r\n"));
    add_paragraph(out, 4, happened[recipient->action]);
    if (recipient->reply.len && recipient->code == 0) {
        add_paragraph(out, 4, BYTES("The reason:"));
        add_quoting(out, 8, "", recipient->reply, "");
    } else if (recipient->reply.len) {
        if (recipient->remote.len)
            add_quoting(out, 4, "The server ", recipient->remote, " said:");
        else
            add_paragraph(out, 4, BYTES("The other server said:"));
        add_quoting(out, 8, "", recipient->reply, "");
    }
    if (recipient->action == DSN_FAILED)
        add_advice(out, recipient);
    if (recipient->action == DSN_DELAYED && recipient->retry_until_ms)
        add_dated(out, 4, "It is tried until ", recipient->retry_until_ms);
}

void dsn_text_print(struct buf *out, const struct dsn_report *report, struct bytes section,
                    enum address_charset charset)
{
    add_quoting(out, 0, "This is the mail server ", report->hostname,
                ". It tells you what became of a message from your address:");
    buf_add(out, BYTES("\r\n"));
    add_message(out, report, section);
    for (size_t i = 0; i < report->recipient_count; i++)
        add_recipient(out, &report->recipients[i], charset);
}
