/* The table of commands, and those that need no module of their own. */
#include "smtp/server_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/memory.h"
#include "smtp/command.h"
#include "smtp/extensions.h"
#include "smtp/reply.h"
#include "smtp/xclient.h"

enum { HELO_LIMIT = 255, LIMIT_VALUE_MAX = 999999 /* RFC 9422, 4.1 */ };

void server_greet(struct smtp_server *server)
{
    const struct smtp_server_settings *settings = server->settings;
    buf_add(&server->output, BYTES("220 "));
    buf_add(&server->output, settings->hostname);
    buf_add(&server->output, settings->role == ROLE_LMTP ? BYTES(" LMTP Postrider\r\n")
                                                         : BYTES(" ESMTP Postrider\r\n"));
    server->has_greeted = true;
    server->greeting_left = server->output.len;
}

/* A name or an address literal. What it may hold is wider than the grammar, since clients at
 * desks say what their machine is called; narrow enough to stand in a trace header as it is. */
static bool helo_is_usable(struct bytes name)
{
    const struct bytes specials = BYTES("()<>\"\\;,@");
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] >= 127 ||
            bytes_find(specials, name.at[i]) < specials.len)
            return false;
    return name.len > 0 && name.len <= HELO_LIMIT;
}

static bool hello(struct smtp_server *server, struct bytes verb, struct bytes argument)
{
    struct bytes name = bytes_sub(argument, 0, bytes_find(argument, ' '));
    if (!helo_is_usable(name)) {
        server_refuse(server, verb,
                      (struct smtp_answer){501, BYTES("5.5.4"),
                                           BYTES("Give your host's name, or its address like "
                                                 "[192.0.2.1]")});
        return false;
    }
    server_reset(server); /* RFC 5321, 4.1.4 */
    uint8_t *copy = memory_new(name.len, 1);
    memcpy(copy, name.at, name.len);
    free((void *)(uintptr_t)server->helo_owned.at);
    server->helo_owned = (struct bytes){copy, name.len};
    return true;
}

static void add_hostname_line(struct smtp_server *server, const char *mark)
{
    struct buf *out = &server->output;
    buf_add(out, bytes_of(mark));
    buf_add(out, server->settings->hostname);
    buf_add(out, BYTES(" greets ["));
    buf_add(out, (struct bytes){server->peer, server->peer_len});
    buf_add(out, BYTES("]\r\n"));
}

static void add_limits(struct smtp_server *server)
{
    size_t rcpt = server->settings->recipient_limit, mail = server->settings->transaction_limit;
    struct buf *out = &server->output;
    buf_add(out, BYTES("250-LIMITS RCPTMAX="));
    buf_add_u64(out, rcpt < LIMIT_VALUE_MAX ? rcpt : LIMIT_VALUE_MAX);
    if (mail) {
        buf_add(out, BYTES(" MAILMAX="));
        buf_add_u64(out, mail < LIMIT_VALUE_MAX ? mail : LIMIT_VALUE_MAX);
    }
    buf_add(out, BYTES("\r\n"));
}

static void add_future_release(struct smtp_server *server)
{
    int64_t limit_ms = server->settings->hold_limit_ms;
    struct calendar last = instant_calendar(server->wall_ms + limit_ms);
    buf_addf(&server->output, "250-FUTURERELEASE %lld %04d-%02d-%02dT%02d:%02d:%02dZ\r\n",
             (long long)(limit_ms / 1000), last.year, last.month, last.day, last.hour, last.minute,
             last.second);
}

static void add_offer(struct smtp_server *server, unsigned offer, const char *line)
{
    if (!(server->settings->hidden & offer))
        buf_add(&server->output, bytes_of(line));
}

static void add_logins(struct smtp_server *server)
{
    bool needs_tls = server->settings->tls == SERVER_TLS_REQUIRED && !server->is_secure;
    if (!server->logins || server->user_owned.len || needs_tls)
        return;
    buf_add(&server->output, BYTES("250-AUTH"));
    for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
        if (server->logins & 1U << i) {
            buf_add_byte(&server->output, ' ');
            buf_add(&server->output, sasl_mechanism_name((enum sasl_mechanism)i));
        }
    buf_add(&server->output, BYTES("\r\n"));
}

static bool is_offering_tls(const struct smtp_server *server)
{
    enum smtp_server_tls tls = server->settings->tls;
    return (tls == SERVER_TLS_OFFERED || tls == SERVER_TLS_REQUIRED) && !server->is_secure &&
           server->settings->role != ROLE_LMTP;
}

static void cmd_ehlo(struct smtp_server *server, struct bytes argument)
{
    const struct smtp_server_settings *settings = server->settings;
    bool is_lmtp = settings->role == ROLE_LMTP;
    if (!hello(server, is_lmtp ? BYTES("LHLO") : BYTES("EHLO"), argument))
        return;
    server->is_extended = true;
    struct buf *out = &server->output;
    add_hostname_line(server, "250-");
    add_offer(server, OFFERS_PIPELINING, "250-PIPELINING\r\n");
    if (!(settings->hidden & OFFERS_SIZE)) {
        buf_add(out, BYTES("250-SIZE "));
        buf_add_u64(out, settings->size_limit);
        buf_add(out, BYTES("\r\n"));
    }
    add_offer(server, OFFERS_8BITMIME, "250-8BITMIME\r\n");
    add_offer(server, OFFERS_BINARYMIME, "250-BINARYMIME\r\n");
    add_offer(server, OFFERS_CHUNKING, "250-CHUNKING\r\n");
    add_offer(server, OFFERS_SMTPUTF8, "250-SMTPUTF8\r\n");
    /* Who stores mail for good sends no notifications: with DSN not offered, the client does
     * (RFC 3461, 5.2.3). */
    if (!is_lmtp)
        add_offer(server, OFFERS_DSN, "250-DSN\r\n");
    if (is_offering_tls(server))
        add_offer(server, OFFERS_STARTTLS, "250-STARTTLS\r\n");
    add_logins(server);
    if (server->has_xclient)
        buf_add(out, BYTES("250-XCLIENT " XCLIENT_ATTRIBUTES "\r\n"));
    if (settings->domain.len) {
        buf_add(out, BYTES("250-XDOMAIN "));
        buf_add(out, settings->domain);
        buf_add(out, BYTES("\r\n"));
    }
    add_limits(server);
    if (settings->role == ROLE_SUBMISSION) {
        buf_add(out, BYTES("250-DELIVERBY\r\n"));
        if (settings->hold_limit_ms > 0)
            add_future_release(server);
    }
    buf_add(out, BYTES("250 ENHANCEDSTATUSCODES\r\n"));
}

static void cmd_helo(struct smtp_server *server, struct bytes argument)
{
    if (!hello(server, BYTES("HELO"), argument))
        return;
    server->is_extended = false;
    add_hostname_line(server, "250 ");
}

static void cmd_rset(struct smtp_server *server, struct bytes argument)
{
    server_reset(server);
    server_reply(server, 250, "2.0.0", "Forgotten; begin anew");
}

static void cmd_noop(struct smtp_server *server, struct bytes argument)
{
    server_reply(server, 250, "2.0.0", "Still here");
}

static void cmd_vrfy(struct smtp_server *server, struct bytes argument)
{
    if (argument.len)
        server_reply(server, 252, "2.5.2", "Not verified here; send the message and see");
    else
        server_refuse(server, BYTES("VRFY"),
                      (struct smtp_answer){501, BYTES("5.5.4"), BYTES("Name an address")});
}

static void cmd_expn(struct smtp_server *server, struct bytes argument)
{
    server_refuse(server, BYTES("EXPN"),
                  (struct smtp_answer){502, BYTES("5.7.0"),
                                       BYTES("Lists are not expanded here; ask the postmaster")});
}

static void cmd_help(struct smtp_server *server, struct bytes argument)
{
    server_reply(
        server, 214, "2.0.0",
        server->settings->role == ROLE_LMTP
            ? "LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT; see RFC 2033"
            : "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT, and STARTTLS and AUTH "
              "where the EHLO reply has them; see RFC 5321");
}

static void cmd_quit(struct smtp_server *server, struct bytes argument)
{
    server_reply(server, 221, "2.0.0", "Good bye");
    server_end(server);
}

static const struct smtp_answer not_offered = {
    502, BYTES_INIT("5.5.1"), BYTES_INIT("Not offered here; use what the EHLO reply lists")};

/* What stands behind STARTTLS in clear text would be taken for the peer's own words inside TLS,
 * where a man in the middle could have put it (CVE-2011-0411). RFC 3207, 4: STARTTLS is the last
 * of a group; so honest clients send none. */
void server_refuse_injection(struct smtp_server *server)
{
    static const struct bytes text = BYTES_INIT("Bytes in clear text behind STARTTLS; wait for the "
                                                "reply to it, then begin with TLS");
    server->peer_flags |= PEER_PIPELINED_UNASKED;
    /* The peer may have had the 220 already, and no reply has a place behind that. */
    bool has_reply = server->asked != SERVER_START_TLS;
    if (has_reply)
        server_reply(server, 554, "5.5.1", (const char *)text.at);
    server->refused_verb = BYTES("STARTTLS");
    server->refused_code = 554;
    server->refused_text = text;
    server_end(server);
}

static void cmd_starttls(struct smtp_server *server, struct bytes argument)
{
    if (server->is_secure) {
        server_refuse(
            server, BYTES("STARTTLS"),
            (struct smtp_answer){503, BYTES("5.5.1"), BYTES("All is inside TLS already; go on")});
        return;
    }
    if (!is_offering_tls(server)) {
        server_refuse(server, BYTES("STARTTLS"), not_offered);
        return;
    }
    if (server->input.len) {
        server_refuse_injection(server);
        return;
    }
    server_reset(server);
    server_reply(server, 220, "2.0.0", "Ready to start TLS");
    server->asked = SERVER_START_TLS;
}

static void cmd_xclient(struct smtp_server *server, struct bytes argument)
{
    struct xclient xclient;
    const char *why;
    if (!server->has_xclient) {
        server_refuse(server, BYTES("XCLIENT"),
                      (struct smtp_answer){550, BYTES("5.7.0"), BYTES("You may not say that")});
        return;
    }
    if (!xclient_scan(argument, &xclient, &why)) {
        server_refuse(server, BYTES("XCLIENT"),
                      (struct smtp_answer){501, BYTES("5.5.4"), bytes_of(why)});
        return;
    }
    struct buf text = {
        .at = server->new_peer, .cap = sizeof server->new_peer, .limit = sizeof server->new_peer};
    if (xclient.has_ip)
        ip_print(&text, &xclient.ip);
    server->new_peer_len = text.len;
    server->asked = SERVER_NEW_PEER;
}

void server_new_peer_answered(struct smtp_server *server, const struct smtp_answer *answer)
{
    if (answer->code / 100 != 2) {
        reply_add(&server->output, answer->code, answer->status, answer->text);
        return;
    }
    server_forget(server);
    if (server->new_peer_len) {
        memcpy(server->peer, server->new_peer, server->new_peer_len);
        server->peer_len = server->new_peer_len;
    }
    server_greet(server);
}

void smtp_server_allow_xclient(struct smtp_server *server)
{
    server->has_xclient = true;
}

struct bytes smtp_server_new_peer(const struct smtp_server *server)
{
    return (struct bytes){server->new_peer, server->new_peer_len};
}

/* A page that makes a browser talk to a mail server: nothing further is mail (and the request's
 * body might hold commands). */
static void cmd_http(struct smtp_server *server, struct bytes argument)
{
    server_refuse(server, BYTES("HTTP"),
                  (struct smtp_answer){500, BYTES("5.5.1"), BYTES("This is not a web server")});
    server_end(server);
}

enum role_mask { FOR_SMTP = 1 << ROLE_MX | 1 << ROLE_SUBMISSION, FOR_LMTP = 1 << ROLE_LMTP };
enum {
    FOR_ALL = FOR_SMTP | FOR_LMTP,
    PHASE_ANY = PHASE_START | PHASE_GREETED | PHASE_MAIL | PHASE_RCPT | PHASE_CHUNKS
};
enum command_rules {
    LAST_OF_GROUP = 1, /* RFC 2920, 3.1: nothing may be pipelined behind it */
    NO_ARGUMENT = 2,
    FINE_IN_CLEAR = 4, /* also where TLS is required (RFC 3207, 4) */
};

/* verb, handler, phases it is legal in, roles it exists in, rules. BDAT judges its phase itself:
 * its chunk has to be swallowed even where it is refused. So does AUTH, which is mostly not offered
 * at all. */
static const struct command {
    struct bytes verb;
    void (*run)(struct smtp_server *server, struct bytes argument);
    unsigned phases, roles, rules;
} commands[] = {
    {BYTES_INIT("MAIL"), server_mail, PHASE_GREETED, FOR_ALL, 0},
    {BYTES_INIT("RCPT"), server_rcpt, PHASE_MAIL | PHASE_RCPT, FOR_ALL, 0},
    {BYTES_INIT("DATA"), server_data, PHASE_RCPT, FOR_ALL, LAST_OF_GROUP | NO_ARGUMENT},
    {BYTES_INIT("BDAT"), server_bdat, PHASE_ANY, FOR_ALL, 0},
    {BYTES_INIT("EHLO"), cmd_ehlo, PHASE_ANY, FOR_SMTP, LAST_OF_GROUP | FINE_IN_CLEAR},
    {BYTES_INIT("HELO"), cmd_helo, PHASE_ANY, FOR_SMTP, LAST_OF_GROUP | FINE_IN_CLEAR},
    {BYTES_INIT("LHLO"), cmd_ehlo, PHASE_ANY, FOR_LMTP, LAST_OF_GROUP},
    {BYTES_INIT("QUIT"), cmd_quit, PHASE_ANY, FOR_ALL, LAST_OF_GROUP | NO_ARGUMENT | FINE_IN_CLEAR},
    {BYTES_INIT("RSET"), cmd_rset, PHASE_ANY, FOR_ALL, NO_ARGUMENT},
    {BYTES_INIT("NOOP"), cmd_noop, PHASE_ANY, FOR_ALL, LAST_OF_GROUP | FINE_IN_CLEAR},
    {BYTES_INIT("VRFY"), cmd_vrfy, PHASE_ANY, FOR_ALL, LAST_OF_GROUP},
    {BYTES_INIT("EXPN"), cmd_expn, PHASE_ANY, FOR_ALL, LAST_OF_GROUP},
    {BYTES_INIT("HELP"), cmd_help, PHASE_ANY, FOR_ALL, 0},
    {BYTES_INIT("STARTTLS"), cmd_starttls, PHASE_ANY, FOR_ALL,
     LAST_OF_GROUP | NO_ARGUMENT | FINE_IN_CLEAR},
    {BYTES_INIT("AUTH"), server_auth, PHASE_ANY, FOR_ALL, LAST_OF_GROUP},
    {BYTES_INIT("XCLIENT"), cmd_xclient, PHASE_START | PHASE_GREETED, FOR_SMTP,
     LAST_OF_GROUP | FINE_IN_CLEAR},
    {BYTES_INIT("GET"), cmd_http, PHASE_ANY, FOR_ALL, FINE_IN_CLEAR},
    {BYTES_INIT("POST"), cmd_http, PHASE_ANY, FOR_ALL, FINE_IN_CLEAR},
    {BYTES_INIT("CONNECT"), cmd_http, PHASE_ANY, FOR_ALL, FINE_IN_CLEAR},
};

static const struct command *find_command(struct bytes verb)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (bytes_equal_nocase(verb, commands[i].verb))
            return &commands[i];
    return NULL;
}

/* What to do instead, for a command in a phase where it is not legal. */
static struct smtp_answer out_of_order(const struct smtp_server *server,
                                       const struct command *command)
{
    const char *text = NULL;
    switch (server_phase(server)) {
    case PHASE_START:
        text = server->settings->role == ROLE_LMTP ? "Say LHLO first" : "Say EHLO or HELO first";
        break;
    case PHASE_GREETED: text = "Begin a message with MAIL first"; break;
    case PHASE_MAIL:
        if (command->run == server_data) {
            /* RFC 5321, 3.3 has 503 or 554; LMTP wants 503 (RFC 2033, 4.2). */
            if (server->rcpts_tried && server->settings->role != ROLE_LMTP)
                return (struct smtp_answer){554, BYTES("5.5.1"),
                                            BYTES("No recipient was accepted; nobody to send to")};
            text = "No recipient was accepted; name one with RCPT first";
            break;
        }
        text = "A message is open; finish it, or say RSET";
        break;
    case PHASE_RCPT: text = "A message is open; finish it, or say RSET"; break;
    case PHASE_CHUNKS:
        text = "A message in chunks is open; finish it with BDAT, or say RSET";
        break;
    }
    return (struct smtp_answer){503, BYTES("5.5.1"), bytes_of(text)};
}

/* A chunk would follow its BDAT unasked, and is no commands: better end here. */
static void require_tls(struct smtp_server *server, struct bytes verb)
{
    server_refuse(
        server, verb,
        (struct smtp_answer){530, BYTES("5.7.0"), BYTES("Must issue a STARTTLS command first")});
    if (bytes_equal(verb, BYTES("BDAT")))
        server_end(server);
}

void server_command(struct smtp_server *server, struct bytes line)
{
    struct command_line parts = command_cut(line);
    const struct command *command = find_command(parts.verb);
    if (!command) {
        server_refuse(server, BYTES("unknown"),
                      (struct smtp_answer){500, BYTES("5.5.1"),
                                           BYTES("Command not known; HELP lists those that are")});
        return;
    }
    if (command->rules & LAST_OF_GROUP) {
        server->owes_silence = true;
        if (server->input.len)
            server->peer_flags |= PEER_PIPELINED_UNASKED;
    }
    if (!(command->roles & 1U << server->settings->role))
        server_refuse(server, command->verb,
                      (struct smtp_answer){500, BYTES("5.5.1"),
                                           server->settings->role == ROLE_LMTP
                                               ? BYTES("This is LMTP; say LHLO (RFC 2033)")
                                               : BYTES("This is SMTP; say EHLO")});
    else if (server->settings->tls == SERVER_TLS_REQUIRED && !server->is_secure &&
             !(command->rules & FINE_IN_CLEAR))
        require_tls(server, command->verb);
    else if (command->rules & NO_ARGUMENT && parts.argument.len)
        server_refuse(
            server, command->verb,
            (struct smtp_answer){501, BYTES("5.5.4"), BYTES("This command takes no argument")});
    else if (!(command->phases & server_phase(server)))
        server_refuse(server, command->verb, out_of_order(server, command));
    else
        command->run(server, parts.argument);
}
