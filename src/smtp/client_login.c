/* AUTH on the client's side (RFC 4954): between the hello and the first message. */
#include "smtp/client_state.h"

#include <openssl/crypto.h>

#include "mail/base64.h"

enum {
    /* With an initial response the command is to stay within a line's 512 bytes (RFC 4954, 4). */
    INITIAL_LIMIT = 256,
};

/* Without the login nothing goes. Whatever the class of the server's reply, the mail waits: it is
 * for an operator to mend, here or there. */
static void login_failed(struct smtp_client *client, const char *status, const char *what,
                         struct bytes heard)
{
    struct buf text;
    buf_init(&text, REPLY_LIMIT);
    buf_addf(&text, "not logged in: %s", what);
    if (heard.len) {
        buf_add(&text, BYTES(": "));
        buf_add(&text, heard);
    }
    client_login_end(client);
    client_break(client, status, buf_view(&text));
    buf_add(&client->output, BYTES("QUIT\r\n"));
    buf_done(&text);
}

void client_login_end(struct smtp_client *client)
{
    sasl_client_free(client->sasl);
    client->sasl = NULL;
    buf_done(&client->challenge);
}

void client_login_begin(struct smtp_client *client)
{
    switch (client->settings.login) {
    case CLIENT_LOGIN_NONE: client->stage = STAGE_READY; return;
    case CLIENT_LOGIN_IN_TLS:
        if (client->security != CLIENT_IN_TLS) {
            login_failed(client, "4.7.11", "a password goes through TLS alone, and there is none",
                         BYTES_NONE);
            return;
        }
        break;
    case CLIENT_LOGIN_ANYWHERE: break;
    }
    enum sasl_mechanism mechanism;
    /* Whether the channel can be bound is known with the credential. */
    if (!sasl_client_choose(client->extensions.logins, SASL_UNBOUND, &mechanism) &&
        !sasl_client_choose(client->extensions.logins, SASL_TLS_EXPORTER, &mechanism))
        login_failed(client, "4.7.0", "the server offers none of SCRAM-SHA-256, PLAIN and LOGIN",
                     BYTES_NONE);
    else
        client->stage = STAGE_CREDENTIAL;
}

/* Says a message of the exchange; the line may hold the password. */
static void say(struct smtp_client *client, struct bytes message)
{
    base64_print(&client->output, message);
    buf_add(&client->output, BYTES("\r\n"));
    client->awaited = 1;
}

void smtp_client_credential(struct smtp_client *client, const struct sasl_credential *credential)
{
    enum sasl_mechanism mechanism;
    struct bytes first;
    ASSERT(client->stage == STAGE_CREDENTIAL);
    if (!sasl_client_choose(client->extensions.logins, credential->binding, &mechanism)) {
        login_failed(client, "4.7.0", "the server wants a channel binding, and there is none",
                     BYTES_NONE);
        return;
    }
    client->sasl = sasl_client_new(mechanism, credential);
    buf_init(&client->challenge, REPLY_LINE_LIMIT);
    client->stage = STAGE_AUTH;
    client->clock_stands = true;
    buf_addf(&client->output, "AUTH %.*s", BYTES_ARGS(sasl_mechanism_name(mechanism)));
    bool is_short = credential->user.len + credential->password.len <= INITIAL_LIMIT;
    if (is_short && sasl_client_first(client->sasl, &first))
        buf_add_byte(&client->output, ' ');
    else
        first = BYTES_NONE;
    say(client, first);
}

void smtp_client_no_credential(struct smtp_client *client, struct bytes reason)
{
    ASSERT(client->stage == STAGE_CREDENTIAL);
    login_failed(client, "4.7.0", "the password is not to be had", reason);
}

/* A line 334 with a challenge. */
static void challenged(struct smtp_client *client)
{
    struct buf challenge;
    struct bytes message;
    const char *why = "its challenge is not base64";
    buf_init(&challenge, REPLY_LINE_LIMIT);
    bool is_good =
        base64_scan(&challenge, bytes_trim(buf_view(&client->challenge)), BASE64_PLAIN) &&
        sasl_client_respond(client->sasl, buf_view(&challenge), &message, &why);
    if (is_good)
        say(client, message);
    else
        login_failed(client, "4.7.0", why, BYTES_NONE);
    buf_done(&challenge);
}

void client_login_reply(struct smtp_client *client)
{
    struct bytes heard = reply_scan_text(&client->scan);
    int code = client->scan.code;
    client->awaited = 0;
    if (code == 334)
        challenged(client);
    else if (code >= 400)
        login_failed(client, code >= 500 ? "4.7.8" : "4.7.0", "the server refuses", heard);
    else if (code != 235)
        client_breach(client, "a code that has no meaning there", heard);
    else if (!sasl_client_may_end(client->sasl))
        login_failed(client, "4.7.0", "the server says yes before it has proved who it is",
                     BYTES_NONE);
    else
        client->stage = STAGE_READY;
    if (client->stage != STAGE_AUTH)
        client_login_end(client);
}
