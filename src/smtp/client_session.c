#include "smtp/client_state.h"

void client_session_ask(struct smtp_client *client)
{
    struct buf *out = &client->output;
    struct bytes hostname = client->settings.hostname;
    const char *extended = client->settings.dialect == DIALECT_LMTP ? "LHLO" : "EHLO";
    if (client->stage == STAGE_EHLO)
        buf_addf(out, "%s %.*s\r\n", extended, BYTES_ARGS(hostname));
    else if (client->stage == STAGE_HELO)
        buf_addf(out, "HELO %.*s\r\n", BYTES_ARGS(hostname));
    else if (client->stage == STAGE_STARTTLS)
        buf_add(out, BYTES("STARTTLS\r\n"));
    else
        return;
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

/* Without TLS nothing goes. 4.7.4: the other side lacks what our policy asks for (RFC 3463, 3.8);
 * it may learn, so the mail waits, whatever the class of its reply. */
static void tls_missing(struct smtp_client *client, const char *what, struct bytes heard)
{
    struct buf text;
    buf_init(&text, REPLY_LIMIT);
    buf_addf(&text, "TLS is required, and the server %s", what);
    if (heard.len) {
        buf_add(&text, BYTES(": "));
        buf_add(&text, heard);
    }
    client_break(client, "4.7.4", buf_view(&text));
    buf_add(&client->output, BYTES("QUIT\r\n"));
    buf_done(&text);
}

/* EHLO or HELO is accepted, or STARTTLS is not: what comes next. */
static void introduced(struct smtp_client *client)
{
    bool is_settled =
        client->settings.tls == CLIENT_TLS_NONE || client->security != CLIENT_IN_CLEAR;
    bool is_offered = client->extensions.offers & OFFERS_STARTTLS;
    if (is_settled) {
        client_login_begin(client);
    } else if (is_offered) {
        client->stage = STAGE_STARTTLS;
    } else if (client->settings.tls == CLIENT_TLS_FORCED) {
        tls_missing(client, "does not offer STARTTLS", BYTES_NONE);
    } else {
        client->security = CLIENT_NOT_OFFERED;
        client_login_begin(client);
    }
}

/* The reply to STARTTLS. */
static void tls_answered(struct smtp_client *client)
{
    struct bytes heard = reply_scan_text(&client->scan);
    if (client->scan.code == 220) {
        client->stage = STAGE_HANDSHAKE;
    } else if (client->scan.code < 400) {
        client_breach(client, "a code that has no meaning there", heard);
    } else if (client->settings.tls == CLIENT_TLS_FORCED) {
        tls_missing(client, "refuses STARTTLS", heard);
    } else {
        client->security = CLIENT_TLS_REFUSED;
        introduced(client);
    }
}

void client_session_reply(struct smtp_client *client)
{
    int code = client->scan.code;
    bool is_lmtp = client->settings.dialect == DIALECT_LMTP;
    client->awaited = 0;
    if (client->stage == STAGE_QUIT) {
        client->stage = STAGE_CLOSED;
    } else if (client->stage == STAGE_STARTTLS) {
        tls_answered(client);
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
        introduced(client);
    }
}

const char *client_deed(const struct smtp_client *client)
{
    const struct transfer *transfer = client->transfer;
    switch (client->stage) {
    case STAGE_GREETING: return "waiting for the greeting";
    case STAGE_EHLO:
    case STAGE_HELO: return "waiting for the reply to EHLO";
    case STAGE_STARTTLS: return "waiting for the reply to STARTTLS";
    case STAGE_HANDSHAKE: return "in the TLS handshake";
    case STAGE_CREDENTIAL:
    case STAGE_AUTH: return "logging in";
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
