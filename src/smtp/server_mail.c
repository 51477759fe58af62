/* MAIL and RCPT: the envelope. */
#include "smtp/server_state.h"

#include <string.h>

#include "mail/address.h"
#include "smtp/command.h"
#include "smtp/parameter.h"
#include "smtp/reply.h"

enum { FIRST_RECIPIENTS = 4 };

static const struct smtp_answer no_memory = {
    452, BYTES_INIT("4.3.1"),
    BYTES_INIT("This transaction takes too much memory; send the message to fewer recipients")};

/* Why a path is no good; code 0 when it is. */
static struct smtp_answer judge_path(enum path_status status, const char *enhanced)
{
    static const char *const texts[] = {
        [PATH_BAD] = "Not an address; write it as <local-part@domain>",
        [PATH_TOO_LONG] = "Address too long; a local part has at most 64 bytes, a domain 255",
    };
    switch (status) {
    case PATH_OK:
    case PATH_NULL: return (struct smtp_answer){.code = 0};
    case PATH_BAD:
    case PATH_TOO_LONG:
        return (struct smtp_answer){501, bytes_of(enhanced), bytes_of(texts[status])};
    case PATH_NEEDS_UTF8:
        return (struct smtp_answer){
            553, BYTES("5.6.7"),
            BYTES("Address outside ASCII; say SMTPUTF8 in MAIL to use one (RFC 6531)")};
    }
    return (struct smtp_answer){.code = 0};
}

/* Reads keyword and path; *rest is what follows the path. */
static struct smtp_answer read_path(struct bytes argument, struct bytes keyword,
                                    const char *enhanced, struct address *out, struct bytes *rest)
{
    if (!command_path_keyword(&argument, keyword))
        return (struct smtp_answer){501, BYTES("5.5.4"),
                                    keyword.len == 3 ? BYTES("Write RCPT TO:<address>")
                                                     : BYTES("Write MAIL FROM:<address>")};
    *out = (struct address){.has_utf8 = false};
    enum path_status status = path_parse(&argument, ADDRESS_UTF8, out);
    *rest = argument;
    /* Read leniently first: whether UTF-8 may be here stands in a parameter behind the path. */
    return judge_path(status, enhanced);
}

static bool transaction_open(struct smtp_server *server, struct bytes reverse_path,
                             const struct mail_parameters *parameters)
{
    struct envelope *envelope = arena_alloc(server->arena, sizeof *envelope);
    if (!envelope || !arena_copy(server->arena, reverse_path, &envelope->reverse_path) ||
        !arena_copy(server->arena, parameters->envid, &envelope->envid))
        return false;
    envelope->ret = parameters->ret;
    envelope->body = parameters->body;
    envelope->is_smtputf8 = parameters->is_smtputf8;
    envelope->by_mode = parameters->by_mode;
    envelope->by_trace = parameters->by_trace;
    envelope->by_ms = parameters->by_ms;
    envelope->hold_until_ms = parameters->hold_until_ms;
    envelope->helo = server->helo_owned;
    server->transaction = envelope;
    server->declared_size = parameters->declared_size;
    return true;
}

void server_mail(struct smtp_server *server, struct bytes argument)
{
    const struct smtp_server_settings *settings = server->settings;
    /* RFC 9422, 4.1: every MAIL counts, whatever becomes of it. */
    if (settings->transaction_limit && server->mails >= settings->transaction_limit) {
        server_close(server, "transactions", "4.7.0",
                     "Enough messages for one connection; connect anew");
        return;
    }
    server->mails++;
    struct address address;
    struct bytes rest;
    struct smtp_answer refusal = read_path(argument, BYTES("FROM:"), "5.1.7", &address, &rest);
    struct parameter_terms terms = {.settings = settings, .wall_ms = server->wall_ms};
    struct mail_parameters parameters;
    if (!refusal.code && address.whole.len && !address.domain.len)
        refusal = judge_path(PATH_BAD, "5.1.7"); /* only RCPT takes <postmaster> */
    if (!refusal.code)
        refusal = parameters_mail(rest, &terms, &parameters);
    if (!refusal.code && address.has_utf8 && !parameters.is_smtputf8)
        refusal = judge_path(PATH_NEEDS_UTF8, NULL);
    if (!refusal.code && !transaction_open(server, address.whole, &parameters)) {
        server_reset(server);
        refusal = no_memory;
    }
    if (refusal.code)
        server_refuse(server, BYTES("MAIL"), refusal);
    else
        server->asked = SERVER_CHECK_MAIL;
}

void server_mail_answered(struct smtp_server *server, const struct smtp_answer *answer)
{
    reply_add(&server->output, answer->code, answer->status, answer->text);
    if (answer->code / 100 != 2)
        server_reset(server);
}

/* Room for one recipient more, so that nothing can fail after the driver said yes. */
static bool recipients_reserve(struct smtp_server *server)
{
    struct envelope *envelope = server->transaction;
    if (envelope->recipient_count < server->recipient_room)
        return true;
    size_t room = server->recipient_room ? server->recipient_room * 2 : FIRST_RECIPIENTS;
    struct envelope_recipient *more = arena_alloc(server->arena, room * sizeof *more);
    if (!more)
        return false;
    if (envelope->recipient_count)
        memcpy(more, envelope->recipients, envelope->recipient_count * sizeof *more);
    envelope->recipients = more;
    server->recipient_room = room;
    return true;
}

static bool candidate_copy(struct smtp_server *server, struct bytes address,
                           const struct rcpt_parameters *parameters)
{
    server->candidate = (struct envelope_recipient){.notify = parameters->notify};
    return recipients_reserve(server) &&
           arena_copy(server->arena, address, &server->candidate.address) &&
           arena_copy(server->arena, parameters->orcpt, &server->candidate.orcpt);
}

void server_rcpt(struct smtp_server *server, struct bytes argument)
{
    server->rcpts_tried++;
    if (server->transaction->recipient_count >= server->settings->recipient_limit) {
        server_refuse(server, BYTES("RCPT"),
                      (struct smtp_answer){452, BYTES("4.5.3"),
                                           BYTES("Enough recipients for one transaction; send to "
                                                 "these, and to the others in a next one")});
        return;
    }
    struct address address;
    struct bytes rest;
    struct smtp_answer refusal = read_path(argument, BYTES("TO:"), "5.1.3", &address, &rest);
    bool is_smtputf8 = server->transaction->is_smtputf8;
    struct parameter_terms terms = {server->settings, server->wall_ms, is_smtputf8};
    struct rcpt_parameters parameters;
    if (!refusal.code && !address.whole.len)
        refusal = (struct smtp_answer){501, BYTES("5.1.3"),
                                       BYTES("<> is for MAIL only; name a recipient")};
    if (!refusal.code && address.has_utf8 && !is_smtputf8)
        refusal = judge_path(PATH_NEEDS_UTF8, NULL);
    if (!refusal.code)
        refusal = parameters_rcpt(rest, &terms, &parameters);
    if (!refusal.code && !candidate_copy(server, address.whole, &parameters))
        refusal = no_memory;
    if (refusal.code)
        server_refuse(server, BYTES("RCPT"), refusal);
    else
        server->asked = SERVER_CHECK_RCPT;
}

void server_rcpt_answered(struct smtp_server *server, const struct smtp_answer *answer)
{
    struct envelope *envelope = server->transaction;
    reply_add(&server->output, answer->code, answer->status, answer->text);
    if (answer->code / 100 == 2)
        envelope->recipients[envelope->recipient_count++] = server->candidate;
    /* Else one session could try any number of names, to see who is there. */
    else if (answer->code >= 500)
        server_count_error(server);
}
