#include "smtp/client_state.h"

#include <stdlib.h>

#include "base/memory.h"

enum {
    /* Commands unanswered and bytes unsent, beyond which no more are pipelined: neither side's
     * buffers run full while both only write (RFC 2920, 3.1). */
    PIPELINE_LIMIT = 100,
    PIPELINE_BYTES = 64 * 1024,
    /* From this size on a message goes as BDAT where that is offered: it costs one round trip
     * more and spares both sides the search for dots. */
    CHUNKS_FROM = 1024 * 1024,
    BY_SECONDS_MAX = 999999999, /* nine digits (RFC 2852, 4) */
};

/* May the address stand in a command? Others are not to come out of an envelope, but what could
 * end the line would be a command of its own here. */
static bool is_sendable(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < ' ' || text.at[i] == 0x7F)
            return false;
    return true;
}

static bool offers(const struct smtp_client *client, unsigned extensions)
{
    return (client->extensions.offers & extensions) == extensions;
}

/* Can BY= go to the server? In mode R its time is never less than a second, nor than the server's
 * least. */
static bool by_can_pass(const struct smtp_client *client, const struct smtp_client_message *message)
{
    if (message->envelope->by_mode == BY_NONE || !offers(client, OFFERS_DELIVERBY))
        return false;
    return message->envelope->by_mode == BY_NOTIFY ||
           (message->by_s > 0 && (uint64_t)message->by_s >= client->extensions.by_min_s);
}

/* A message that is to come in time or not at all goes to no server that does not promise that
 * (RFC 2852, 4.1.4.1); other MX hosts are not tried for it (7). At an LMTP server it has come. */
static bool by_is_kept(const struct smtp_client *client, struct delivery_result *out)
{
    const struct transfer *transfer = client->transfer;
    if (transfer->message.envelope->by_mode != BY_RETURN || transfer->passes_by ||
        client->settings.dialect == DIALECT_LMTP)
        return true;
    if (!offers(client, OFFERS_DELIVERBY))
        *out = client_verdict(FAILED, "5.3.3",
                              "the message is to come in time or not at all (DELIVERBY), which the "
                              "server does not offer");
    else if (transfer->message.by_s <= 0)
        *out = client_verdict(FAILED, "5.4.7", "not delivered by the time the sender set");
    else
        *out = client_verdict(FAILED, "5.4.7",
                              "the server may need more time than the sender left (DELIVERBY)");
    return false;
}

/* Can the envelope go to the server? If not, the result says what is missing. */
static bool envelope_fits(const struct smtp_client *client, struct delivery_result *out)
{
    const struct transfer *transfer = client->transfer;
    if (!is_sendable(transfer->message.envelope->reverse_path))
        *out = client_verdict(FAILED, "5.1.7", "the sender's address has control characters");
    else if (transfer->has_utf8_address && !offers(client, OFFERS_SMTPUTF8))
        *out = client_verdict(FAILED, "5.6.7",
                              "an address of the message needs SMTPUTF8, which the server does not "
                              "offer");
    else
        return true;
    return false;
}

/* Can it take a text of this size, and in time? */
static bool text_fits(const struct smtp_client *client, struct delivery_result *out)
{
    const struct extensions *extensions = &client->extensions;
    if (extensions->size_limit && client->transfer->message.size > extensions->size_limit) {
        *out =
            client_verdict(FAILED, "5.3.4", "the message is larger than the server says it takes");
        return false;
    }
    return by_is_kept(client, out);
}

/* In which form the text is to go, by what it is and what the server offers. A message for
 * SMTPUTF8 that has ASCII addresses only may be sent with its header fields in ASCII (RFC 6531, 3.2
 * forbids to send it as it is, and wants it returned unless there is a better way). */
static void form_choose(const struct smtp_client *client, struct transfer *transfer)
{
    const struct smtp_client_message *message = &transfer->message;
    bool is_binary = message->envelope->body == BODY_BINARYMIME;
    bool has_8bit = message->has_8bit || is_binary;
    bool is_utf8 = message->envelope->is_smtputf8 && has_8bit;
    bool lacks_utf8 = is_utf8 && !offers(client, OFFERS_SMTPUTF8);
    bool lacks_binary = is_binary && !offers(client, OFFERS_BINARYMIME | OFFERS_CHUNKING);
    bool lacks_8bit = has_8bit && !offers(client, OFFERS_8BITMIME);
    transfer->body =
        message->envelope->body == BODY_7BIT && has_8bit ? BODY_8BITMIME : message->envelope->body;
    transfer->needs_utf8 = transfer->has_utf8_address || is_utf8;
    transfer->is_downgraded = lacks_utf8 || lacks_binary || (lacks_8bit && !is_binary);
    if (!transfer->is_downgraded)
        return;
    transfer->body = lacks_8bit ? BODY_7BIT : BODY_8BITMIME;
    transfer->needs_utf8 = transfer->has_utf8_address || (is_utf8 && !lacks_utf8 && !lacks_8bit);
    transfer->goal = (struct downgrade_goal){.body = transfer->body,
                                             .has_8bit_fields = !lacks_8bit && !lacks_utf8};
}

/* The envelope can go out, with a text of a size that is known. */
static void envelope_begin(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    struct delivery_result missing;
    client->stage = STAGE_ENVELOPE;
    transfer->uses_chunks =
        offers(client, OFFERS_CHUNKING) &&
        (transfer->body == BODY_BINARYMIME || transfer->message.size >= CHUNKS_FROM);
    if (!text_fits(client, &missing))
        client_settle_all(client, &missing);
}

void smtp_client_message(struct smtp_client *client, const struct smtp_client_message *message)
{
    ASSERT(client->stage == STAGE_READY && !client->transfer);
    const struct envelope *envelope = message->envelope;
    struct transfer *transfer =
        memory_new(1, sizeof *transfer + message->recipient_count * sizeof *transfer->marks);
    transfer->message = *message;
    transfer->open = message->recipient_count;
    transfer->has_utf8_address = !bytes_is_ascii(envelope->reverse_path);
    for (size_t i = 0; i < message->recipient_count; i++)
        transfer->has_utf8_address |=
            !bytes_is_ascii(envelope->recipients[message->recipients[i]].address);
    form_choose(client, transfer);
    transfer->passes_by = by_can_pass(client, message);
    transfer->is_reset_due = client->is_reset_due;
    stuff_init(&transfer->stuff);
    client->transfer = transfer;
    client->clock_stands = true;
    struct delivery_result missing;
    if (!envelope_fits(client, &missing)) {
        client->stage = STAGE_ENVELOPE;
        client_settle_all(client, &missing);
    } else if (transfer->is_downgraded) {
        client->stage = STAGE_DOWNGRADE;
    } else {
        envelope_begin(client);
    }
}

const struct downgrade_goal *smtp_client_goal(const struct smtp_client *client)
{
    const struct transfer *transfer = client->transfer;
    return transfer && transfer->is_downgraded ? &transfer->goal : NULL;
}

void smtp_client_downgraded(struct smtp_client *client, uint64_t size)
{
    ASSERT(client->stage == STAGE_DOWNGRADE);
    client->transfer->message.size = size;
    client->clock_stands = true;
    envelope_begin(client);
}

void smtp_client_unfit(struct smtp_client *client, struct bytes reason)
{
    ASSERT(client->stage == STAGE_DOWNGRADE);
    const struct envelope *envelope = client->transfer->message.envelope;
    bool lacks_utf8 = envelope->is_smtputf8 && !offers(client, OFFERS_SMTPUTF8);
    struct buf text;
    buf_init(&text, REPLY_LIMIT);
    buf_addf(&text, "the server does not offer %s, and ",
             lacks_utf8                         ? "SMTPUTF8"
             : !offers(client, OFFERS_8BITMIME) ? "8BITMIME"
                                                : "BINARYMIME");
    buf_add(&text, reason);
    reply_scan_say(&client->scan, buf_view(&text));
    buf_done(&text);
    struct delivery_result verdict = client_verdict(FAILED, lacks_utf8 ? "5.6.9" : "5.6.3", "");
    verdict.reply = reply_scan_text(&client->scan);
    client->stage = STAGE_ENVELOPE;
    client_settle_all(client, &verdict);
}

static void add_parameter(struct buf *out, const char *keyword, struct bytes value)
{
    if (!value.len || !is_sendable(value) || bytes_find(value, ' ') < value.len)
        return;
    buf_addf(out, " %s=", keyword);
    buf_add(out, value);
}

static void add_by(struct buf *out, const struct smtp_client_message *message)
{
    int64_t seconds = message->by_s;
    if (seconds > BY_SECONDS_MAX)
        seconds = BY_SECONDS_MAX;
    if (seconds < -BY_SECONDS_MAX)
        seconds = -BY_SECONDS_MAX;
    buf_addf(out, " BY=%lld;%s%s", (long long)seconds,
             message->envelope->by_mode == BY_RETURN ? "R" : "N",
             message->envelope->by_trace ? "T" : "");
}

static void ask_mail(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    const struct envelope *envelope = transfer->message.envelope;
    struct buf *out = &client->output;
    buf_add(out, BYTES("MAIL FROM:<"));
    buf_add(out, envelope->reverse_path);
    buf_add(out, BYTES(">"));
    if (offers(client, OFFERS_SIZE))
        buf_addf(out, " SIZE=%llu", (unsigned long long)transfer->message.size);
    if (transfer->body == BODY_BINARYMIME)
        buf_add(out, BYTES(" BODY=BINARYMIME"));
    else if (transfer->body == BODY_8BITMIME && offers(client, OFFERS_8BITMIME))
        buf_add(out, BYTES(" BODY=8BITMIME"));
    if (transfer->needs_utf8)
        buf_add(out, BYTES(" SMTPUTF8"));
    if (offers(client, OFFERS_DSN)) {
        if (envelope->ret != RET_UNSET)
            add_parameter(out, "RET", envelope->ret == RET_FULL ? BYTES("FULL") : BYTES("HDRS"));
        add_parameter(out, "ENVID", envelope->envid);
    }
    if (transfer->passes_by)
        add_by(out, &transfer->message);
    buf_add(out, BYTES("\r\n"));
    transfer->is_mail_asked = true;
    client->messages++;
    client->awaited++;
}

static void add_notify(struct buf *out, unsigned notify)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {{NOTIFY_SUCCESS, "SUCCESS"}, {NOTIFY_FAILURE, "FAILURE"}, {NOTIFY_DELAY, "DELAY"}};
    const char *before = " NOTIFY=";
    if (notify & NOTIFY_NEVER) {
        buf_add(out, BYTES(" NOTIFY=NEVER"));
        return;
    }
    for (size_t i = 0; i < COUNT(words); i++) {
        if (!(notify & words[i].bit))
            continue;
        buf_addf(out, "%s%s", before, words[i].word);
        before = ",";
    }
}

/* A server that does not know when a message is late is to tell of any delay (RFC 2852,
 * 4.1.4.2). */
static unsigned notify_of(const struct transfer *transfer,
                          const struct envelope_recipient *recipient)
{
    bool is_by_lost = transfer->message.envelope->by_mode == BY_NOTIFY && !transfer->passes_by &&
                      transfer->message.by_s > 0;
    if (!is_by_lost || recipient->notify & NOTIFY_NEVER)
        return recipient->notify;
    return (recipient->notify ? recipient->notify : (unsigned)NOTIFY_FAILURE) | NOTIFY_DELAY;
}

/* Asks for the next recipient, or settles it without asking. */
static void ask_rcpt(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    size_t place = transfer->next_ask++;
    const struct smtp_client_message *message = &transfer->message;
    const struct envelope_recipient *recipient =
        &message->envelope->recipients[message->recipients[place]];
    struct delivery_result verdict;
    if (!is_sendable(recipient->address)) {
        verdict = client_verdict(FAILED, "5.1.3", "the address has control characters");
        client_settle(client, place, &verdict);
        return;
    }
    if (transfer->asked >= client->extensions.rcpt_max) {
        verdict = client_verdict(DEFERRED, "4.5.3",
                                 "the server takes no more recipients a message: next time");
        client_settle(client, place, &verdict);
        return;
    }
    struct buf *out = &client->output;
    buf_add(out, BYTES("RCPT TO:<"));
    buf_add(out, recipient->address);
    buf_add(out, BYTES(">"));
    if (offers(client, OFFERS_DSN)) {
        add_notify(out, notify_of(transfer, recipient));
        add_parameter(out, "ORCPT", recipient->orcpt);
    }
    buf_add(out, BYTES("\r\n"));
    transfer->marks[place] |= RCPT_ASKED;
    transfer->asked++;
    client->awaited++;
}

/* May another command go out? Without PIPELINING only when all are answered. */
static bool may_ask(const struct smtp_client *client)
{
    if (!client->awaited)
        return true;
    return offers(client, OFFERS_PIPELINING) && client->awaited < PIPELINE_LIMIT &&
           client->output.len - client->output_at < PIPELINE_BYTES;
}

void client_mail_ask(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    while (client->stage == STAGE_ENVELOPE && transfer->open && !client->has_result &&
           may_ask(client)) {
        if (transfer->is_reset_due && !transfer->is_reset_asked) {
            buf_add(&client->output, BYTES("RSET\r\n"));
            transfer->is_reset_asked = true;
            client->awaited++;
        } else if (!transfer->is_mail_asked) {
            ask_mail(client);
        } else if (transfer->next_ask < transfer->message.recipient_count) {
            ask_rcpt(client);
        } else if (transfer->uses_chunks) {
            /* BDAT begins when the recipients are known: its first chunk cannot be taken back. */
            if (!client->awaited)
                client->stage = STAGE_CHUNKS;
            return;
        } else if (!transfer->is_data_asked) {
            buf_add(&client->output, BYTES("DATA\r\n"));
            transfer->is_data_asked = true;
            client->awaited++;
        } else {
            return;
        }
    }
}

static void mail_answered(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    transfer->is_mail_answered = true;
    struct delivery_result verdict = client_judge(client, AT_MAIL);
    if (verdict.outcome == DELIVERED)
        transfer->is_kept = true;
    else if (transfer->open)
        client_settle_all(client, &verdict);
}

static void rcpt_answered(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    while (!(transfer->marks[transfer->next_answer] & RCPT_ASKED))
        transfer->next_answer++;
    size_t place = transfer->next_answer++;
    if (transfer->marks[place] & RCPT_DONE)
        return; /* MAIL was refused, and that was the recipient's result */
    struct delivery_result verdict = client_judge(client, AT_RCPT);
    if (verdict.outcome != DELIVERED) {
        client_settle(client, place, &verdict);
        return;
    }
    transfer->marks[place] |= RCPT_ACCEPTED;
    transfer->accepted++;
}

static void data_answered(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    struct delivery_result verdict = client_judge(client, AT_DATA);
    if (client->scan.code != 354) {
        if (transfer->open)
            client_settle_all(client, &verdict);
    } else if (transfer->accepted) {
        client->stage = STAGE_TEXT;
    } else if (client->settings.dialect == DIALECT_LMTP) {
        /* How many replies an empty text gets then, nobody knows (RFC 2033, 4.2). */
        client_breach(client, "ready for a message that it takes for nobody",
                      reply_scan_text(&client->scan));
    } else {
        /* The server waits for a text although nobody is to have it (RFC 2920, 3.1). */
        buf_add(&client->output, BYTES(".\r\n"));
        client->awaited++;
        client->stage = STAGE_EMPTY;
    }
}

void client_mail_reply(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    int code = client->scan.code;
    bool is_reset = transfer->is_reset_asked && transfer->is_reset_due;
    bool is_mail = !is_reset && !transfer->is_mail_answered;
    bool is_rcpt = !is_reset && !is_mail && client->awaited > (transfer->is_data_asked ? 1 : 0);
    bool is_data = !is_reset && !is_mail && !is_rcpt;
    client->awaited--;
    if (is_data ? code < 300 || (code < 400 && code != 354) : code / 100 == 3) {
        client_breach(client, "a code that has no meaning there", reply_scan_text(&client->scan));
    } else if (is_data) {
        data_answered(client);
    } else if (is_rcpt) {
        rcpt_answered(client);
    } else if (is_mail) {
        mail_answered(client);
    } else if (code >= 400) {
        client_breach(client, "it refuses RSET", reply_scan_text(&client->scan));
    } else {
        transfer->is_reset_due = client->is_reset_due = false;
    }
}
