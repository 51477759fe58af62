#include "smtp/client_state.h"

void client_session_ask(struct smtp_client *client)
{
    const char *extended = client->settings.dialect == DIALECT_LMTP ? "LHLO" : "EHLO";
    buf_addf(&client->output, "%s %.*s\r\n", client->stage == STAGE_EHLO ? extended : "HELO",
             BYTES_ARGS(client->settings.hostname));
    client->awaited = 1;
}

void client_end(struct smtp_client *client, const struct delivery_result *verdict)
{
    client->failure = *verdict;
    client->failure.was_connection = true;
    client->has_failed = true;
    client->stage = STAGE_CLOSED;
    if (client->transfer)
        client_settle_all(client, verdict);
}

void client_break(struct smtp_client *client, const char *status, struct bytes text)
{
    bool was_ending = client->stage == STAGE_END;
    reply_scan_say(&client->scan, text);
    struct delivery_result verdict = client_verdict(DEFERRED, status, "");
    verdict.reply = reply_scan_text(&client->scan);
    /* A message whose end was sent may have been taken: another host tried at once could deliver
     * it a second time (RFC 1047). */
    verdict.was_connection = !was_ending;
    buf_free(&client->output);
    client->output_at = 0;
    client_end(client, &verdict);
}

void client_breach(struct smtp_client *client, const char *what, struct bytes heard)
{
    enum { QUOTED_LIMIT = 100 };
    struct buf text;
    buf_init(&text, REPLY_LIMIT);
    buf_addf(&text, "the server broke the protocol: %s", what);
    heard = bytes_sub(heard, 0, bytes_find(heard, '\n'));
    heard = bytes_trim(bytes_sub(heard, 0, QUOTED_LIMIT));
    if (heard.len) {
        buf_add(&text, BYTES(": "));
        buf_add(&text, heard);
    }
    client_break(client, "4.5.0", buf_view(&text));
    buf_done(&text);
}

/* The server does not want us; it is told goodbye (RFC 5321, 3.1 and 4.1.1.10). */
static void refused(struct smtp_client *client)
{
    struct delivery_result verdict = client_judge(client, AT_SESSION);
    buf_add(&client->output, BYTES("QUIT\r\n"));
    client_end(client, &verdict);
}

/* Is it how a server says that it does not know EHLO? */
static bool is_unknown_command(int code)
{
    return code >= 500 && code <= 504;
}

void client_session_reply(struct smtp_client *client)
{
    int code = client->scan.code;
    bool is_lmtp = client->settings.dialect == DIALECT_LMTP;
    client->awaited = 0;
    if (client->stage == STAGE_QUIT) {
        client->stage = STAGE_CLOSED;
    } else if (code / 100 == 3) {
        client_breach(client, "code 3xx where it has no meaning", reply_scan_text(&client->scan));
    } else if (code >= 400) {
        if (client->stage == STAGE_EHLO && !is_lmtp && is_unknown_command(code))
            client->stage = STAGE_HELO;
        else
            refused(client);
    } else if (client->stage == STAGE_GREETING) {
        client->stage = STAGE_EHLO;
    } else {
        client->stage = STAGE_READY;
    }
}

const char *client_deed(const struct smtp_client *client)
{
    const struct transfer *transfer = client->transfer;
    switch (client->stage) {
    case STAGE_GREETING: return "waiting for the greeting";
    case STAGE_EHLO:
    case STAGE_HELO: return "waiting for the reply to EHLO";
    case STAGE_ENVELOPE:
        if (transfer->is_data_asked)
            return "waiting for the reply to DATA";
        return transfer->is_mail_answered ? "waiting for the reply to RCPT"
                                          : "waiting for the reply to MAIL";
    case STAGE_TEXT:
    case STAGE_CHUNKS: return "sending the message";
    case STAGE_END:
    case STAGE_EMPTY: return "waiting for the reply to the message";
    case STAGE_READY:
    case STAGE_DOWNGRADE:
    case STAGE_QUIT:
    case STAGE_CLOSED: return "between messages";
    }
    return "";
}
