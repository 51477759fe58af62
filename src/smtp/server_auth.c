/* AUTH (RFC 4954): the exchange of a mechanism in lines of base64. */
#include "smtp/server_state.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#include "base/memory.h"
#include "mail/base64.h"
#include "smtp/command.h"
#include "smtp/reply.h"

enum { AUTH_LINE_LIMIT = 12288 + 2 /* RFC 4954, 4; and CRLF */ };

static void refuse(struct smtp_server *server, int code, struct bytes status, struct bytes text)
{
    server_refuse(server, BYTES("AUTH"), (struct smtp_answer){code, status, text});
}

/* Ends the exchange; what it led to is told by the next step. */
static void end(struct smtp_server *server)
{
    server->has_login_ended = true;
    server->line.limit = server->settings->line_limit;
}

void server_login_drop(struct smtp_server *server)
{
    if (server->sasl)
        server->line.limit = server->settings->line_limit;
    sasl_free(server->sasl);
    server->sasl = NULL;
    server->has_login_ended = false;
}

void server_login_forget(struct smtp_server *server)
{
    server_login_drop(server);
    free((void *)(uintptr_t)server->user_owned.at);
    server->user_owned = BYTES_NONE;
}

static void succeed(struct smtp_server *server)
{
    struct bytes account = sasl_account(server->sasl);
    uint8_t *copy = memory_new(account.len, 1);
    memcpy(copy, account.at, account.len);
    server->user_owned = (struct bytes){copy, account.len};
    server->login = (struct smtp_login){.has_succeeded = true};
    server_reply(server, 235, "2.7.0", "Logged in");
    end(server);
}

/* Who was refused hears the same, whatever the reason. */
static void fail(struct smtp_server *server, struct sasl_failure failure)
{
    server->login = (struct smtp_login){.failure = failure};
    end(server);
    switch (failure.kind) {
    case SASL_MALFORMED:
        refuse(server, 501, BYTES("5.5.2"),
               BYTES("Not what this mechanism sends; check the mail program"));
        return;
    case SASL_REFUSED:
        refuse(server, 535, BYTES("5.7.8"),
               BYTES("Not logged in; check the name and the password"));
        return;
    case SASL_CANNOT_BE_ANSWERED:
        refuse(server, 454, BYTES("4.7.0"), BYTES("Logins cannot be checked now; try again later"));
        return;
    }
}

static void proceed(struct smtp_server *server, enum sasl_step step)
{
    switch (step) {
    case SASL_CHALLENGE:
        buf_add(&server->output, BYTES("334 "));
        base64_print(&server->output, sasl_challenge(server->sasl));
        buf_add(&server->output, BYTES("\r\n"));
        return;
    case SASL_ASK: server->asked = SERVER_LOGIN; return;
    case SASL_SUCCESS: succeed(server); return;
    case SASL_FAILURE: fail(server, sasl_failure(server->sasl)); return;
    }
}

static void respond(struct smtp_server *server, struct bytes text)
{
    struct buf message;
    buf_init(&message, SASL_MESSAGE_LIMIT + 3);
    (void)buf_reserve(&message, message.limit);
    if (base64_scan(&message, text, BASE64_PLAIN))
        proceed(server, sasl_respond(server->sasl, buf_view(&message)));
    else
        fail(server, (struct sasl_failure){SASL_MALFORMED, "not base64"});
    OPENSSL_cleanse(message.at, message.cap);
    buf_done(&message);
}

/* Why a mechanism is not to be had; code 0: it is. */
static struct smtp_answer judge(const struct smtp_server *server, struct bytes name,
                                enum sasl_mechanism *out)
{
    if (!server->settings->logins)
        return (struct smtp_answer){502, BYTES("5.5.1"),
                                    BYTES("Not offered here; use what the EHLO reply lists")};
    if (server_phase(server) == PHASE_START || !server->is_extended)
        return (struct smtp_answer){503, BYTES("5.5.1"), BYTES("Say EHLO first")};
    if (server->transaction)
        return (struct smtp_answer){503, BYTES("5.5.1"),
                                    BYTES("A message is open; finish it, or say RSET")};
    if (server->user_owned.len)
        return (struct smtp_answer){503, BYTES("5.5.1"),
                                    BYTES("Logged in already; connect anew for another account")};
    if (!server->logins)
        return (struct smtp_answer){538, BYTES("5.7.11"),
                                    BYTES("Passwords go through TLS only; say STARTTLS first")};
    bool is_known = sasl_mechanism_find(name, out);
    if (is_known && server->logins & 1U << *out)
        return (struct smtp_answer){.code = 0};
    if (is_known && (*out == SASL_PLAIN || *out == SASL_LOGIN))
        return (struct smtp_answer){534, BYTES("5.7.9"),
                                    BYTES("Too weak for this server; use a mechanism that the EHLO "
                                          "reply lists")};
    return (struct smtp_answer){504, BYTES("5.5.4"),
                                BYTES("Mechanism not offered; use one that the EHLO reply lists")};
}

void server_auth(struct smtp_server *server, struct bytes argument)
{
    struct command_line parts = command_cut(argument);
    enum sasl_mechanism mechanism = SASL_PLAIN;
    struct smtp_answer refusal = judge(server, parts.verb, &mechanism);
    if (refusal.code) {
        server_refuse(server, BYTES("AUTH"), refusal);
        return;
    }
    server->sasl = sasl_new(mechanism, server->logins);
    server->line.limit = AUTH_LINE_LIMIT;
    if (!parts.argument.len)
        proceed(server, sasl_begin(server->sasl));
    else if (bytes_equal(parts.argument, BYTES("=")))
        respond(server, BYTES_NONE); /* RFC 4954, 4: an initial response that is empty */
    else
        respond(server, parts.argument);
}

void server_auth_line(struct smtp_server *server, struct bytes line)
{
    if (bytes_equal(line, BYTES("*"))) {
        server->login = (struct smtp_login){.failure = {SASL_MALFORMED, "cancelled by the client"}};
        end(server);
        refuse(server, 501, BYTES("5.0.0"), BYTES("Cancelled, as you said"));
        return;
    }
    respond(server, line);
}

void server_auth_break(struct smtp_server *server, struct bytes text)
{
    server->login = (struct smtp_login){.failure = {SASL_MALFORMED, "not a line"}};
    end(server);
    refuse(server, 500, BYTES("5.5.6"), text);
}

void smtp_server_login_answer(struct smtp_server *server, const struct sasl_answer *answer)
{
    if (server->is_closing)
        return;
    ASSERT(server->asked == SERVER_LOGIN);
    server->asked = SERVER_WANT_INPUT;
    server->clock_stood = true;
    proceed(server, sasl_answer(server->sasl, answer));
}

const struct sasl_question *smtp_server_question(const struct smtp_server *server)
{
    return sasl_question(server->sasl);
}

struct smtp_login smtp_server_login(const struct smtp_server *server)
{
    struct smtp_login login = server->login;
    login.mechanism = sasl_mechanism(server->sasl);
    login.name = sasl_user(server->sasl);
    return login;
}

void smtp_server_allow_login(struct smtp_server *server, unsigned mechanisms)
{
    server->logins = mechanisms & server->settings->logins;
}

struct bytes smtp_server_user(const struct smtp_server *server)
{
    return server->user_owned;
}
