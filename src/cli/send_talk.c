#include "cli/send_talk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "cli/progress.h"

enum { PIECE = 64 * 1024 };

struct talk {
    const struct send_way *way;
    const struct send_plan *plan;
    struct dialogue *dialogue;
    struct send_result *result;
    bool is_local; /* the other end is on this host */
    struct error err;
};

/* --- What went wrong -------------------------------------------------------------------------- */

PRINTF_LIKE(3, 4)
static bool fail(struct talk *talk, bool is_temporary, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(talk->result->problem, sizeof talk->result->problem, format, values);
    va_end(values);
    talk->result->is_temporary = is_temporary;
    return false;
}

static void advise(struct talk *talk, const char *next)
{
    snprintf(talk->result->next, sizeof talk->result->next, "%s", next);
}

static bool broke(struct talk *talk, const char *when)
{
    return fail(talk, true, "%s: %s", when, talk->err.text);
}

static void keep(struct talk *talk, const struct reply_scan *reply)
{
    talk->result->code = reply->code;
    snprintf(talk->result->reply, sizeof talk->result->reply, "%.*s",
             BYTES_ARGS(reply_scan_text(reply)));
}

/* A reply that says no, to what was said. */
static bool refused(struct talk *talk, const char *what, const struct reply_scan *reply)
{
    keep(talk, reply);
    return fail(talk, reply->code / 100 == 4, "the server %s %s: %.*s",
                reply->code / 100 == 4 ? "puts off" : "refuses", what,
                BYTES_ARGS(bytes_sub(reply_scan_text(reply), 0, 400)));
}

/* --- The connection --------------------------------------------------------------------------- */

static void print_place(struct talk *talk, const struct ip *ip)
{
    struct buf address;
    struct ip same;
    buf_init(&address, 64);
    ip_print(&address, ip);
    struct bytes name = ip_scan(talk->plan->host, &same) ? BYTES_NONE : talk->plan->host;
    snprintf(talk->result->place, sizeof talk->result->place, "%.*s%s[%.*s]:%u", BYTES_ARGS(name),
             name.len ? " " : "", BYTES_ARGS(buf_view(&address)), talk->plan->port);
    buf_done(&address);
}

static bool connect_unix(struct talk *talk)
{
    talk->is_local = true;
    snprintf(talk->result->place, sizeof talk->result->place, "%.300s", talk->plan->unix_path);
    if (dialogue_connect_unix(talk->dialogue, talk->plan->unix_path, &talk->err))
        return true;
    advise(talk, "is the server running? postrider serve; and may you enter the socket's folder?");
    return broke(talk, "no connection");
}

static void advise_unreached(struct talk *talk)
{
    if (talk->err.os == ECONNREFUSED)
        advise(talk, "nothing listens there: is the server running, and the port right?");
    else if (talk->err.os == ETIMEDOUT)
        advise(talk, "a firewall drops it, here or there; many networks do so with port 25: try "
                     "587 or 465 with --user");
}

static bool connect_to_host(struct talk *talk)
{
    struct ip addresses[DIALOGUE_ADDRESS_LIMIT];
    size_t count;
    char host[300];
    snprintf(host, sizeof host, "%.*s", BYTES_ARGS(talk->plan->host));
    if (!dialogue_lookup(talk->dialogue, host, addresses, &count, &talk->err)) {
        advise(talk, "look at the server's name");
        return broke(talk, "no address");
    }
    for (size_t i = 0; i < count; i++) {
        print_place(talk, &addresses[i]);
        talk->is_local = ip_is_loopback(&addresses[i]);
        if (dialogue_connect(talk->dialogue, &addresses[i], talk->plan->port, NULL, &talk->err))
            return true;
    }
    advise_unreached(talk);
    return fail(talk, true, "%s: %s", talk->result->place, talk->err.text);
}

/* --- TLS -------------------------------------------------------------------------------------- */

/* A password, or a word of the user's: then it has to be the right server. On this host there is
 * nobody between, and certificates of other names. */
static bool has_to_be_verified(const struct talk *talk)
{
    return talk->way->ca.len || (talk->plan->user && !talk->is_local);
}

static bool handshake(struct talk *talk)
{
    struct tls_client_settings settings = {.peers = has_to_be_verified(talk) ? TLS_PEERS_MODERN
                                                                             : TLS_PEERS_OLD,
                                           .ca_pem = talk->way->ca};
    struct tls_context *context = tls_client_context_new(&settings, &talk->err);
    if (!context)
        return broke(talk, "TLS");
    struct ip ip;
    struct bytes host = talk->plan->tls_name.len ? talk->plan->tls_name : talk->plan->host;
    bool is_named = host.len && !ip_scan(host, &ip);
    struct tls_target target = {.server_name = is_named ? host : BYTES_NONE,
                                .names = &host,
                                .name_count = host.len ? 1 : 0};
    struct tls *tls = tls_client_new(context, &target);
    tls_context_free(context);
    if (!dialogue_start_tls(talk->dialogue, tls, &talk->err)) {
        advise(talk, "look whether that port speaks TLS so: postrider probe HOST:PORT");
        return broke(talk, "TLS fails");
    }
    const struct tls_facts *facts = dialogue_tls(talk->dialogue);
    snprintf(talk->result->tls, sizeof talk->result->tls, "%s, %s", facts->version,
             facts->is_verified ? facts->verification : "not verified");
    if (facts->is_verified || !has_to_be_verified(talk))
        return true;
    advise(talk, "give the server's own name, or trust its authority by --ca FILE");
    return fail(talk, false, "%s, so nothing was sent", facts->verification);
}

static bool say_hello(struct talk *talk)
{
    const struct reply_scan *reply = dialogue_ehlo(talk->dialogue, talk->way->helo, &talk->err);
    if (!reply)
        return broke(talk, "EHLO");
    return reply->code == 250 || refused(talk, "EHLO", reply);
}

static bool greet(struct talk *talk)
{
    if (talk->plan->tls == SEND_TLS_IMPLICIT && !handshake(talk))
        return false;
    const struct reply_scan *reply = dialogue_hear(talk->dialogue, &talk->err);
    if (!reply) {
        advise(talk, "look what is behind that port: postrider probe HOST:PORT");
        return broke(talk, "no greeting");
    }
    return (reply->code == 220 || refused(talk, "the connection", reply)) && say_hello(talk);
}

static bool secure(struct talk *talk)
{
    bool is_offered = dialogue_extensions(talk->dialogue)->offers & OFFERS_STARTTLS;
    bool is_must = talk->plan->tls == SEND_TLS_STARTTLS || talk->plan->user || talk->way->ca.len;
    if (talk->plan->tls == SEND_TLS_IMPLICIT || talk->plan->tls == SEND_TLS_NONE ||
        talk->plan->unix_path || (!is_offered && !is_must))
        return true;
    if (!is_offered) {
        advise(talk, "try another port: 587, or 465 (smtps://HOST)");
        return fail(talk, false, "the server offers no STARTTLS, so nothing was sent");
    }
    const struct reply_scan *reply = dialogue_say(talk->dialogue, &talk->err, "STARTTLS");
    if (!reply)
        return broke(talk, "STARTTLS");
    if (reply->code != 220)
        return is_must ? refused(talk, "STARTTLS", reply) : true;
    return handshake(talk) && say_hello(talk);
}

static bool log_in(struct talk *talk)
{
    if (!talk->plan->user)
        return true;
    const struct reply_scan *reply =
        dialogue_login(talk->dialogue, bytes_of(talk->plan->user), talk->way->password, &talk->err);
    if (!reply)
        return fail(talk, false, "not logged in: %s", talk->err.text);
    if (reply->code == 235)
        return true;
    advise(talk, "look at the name (often the whole address) and the password; some servers want "
                 "an app password");
    return refused(talk, "the login", reply);
}

/* --- The envelope and the text ---------------------------------------------------------------- */

static bool needs_utf8(const struct talk *talk)
{
    bool is_needed = talk->way->file->has_8bit_header || !bytes_is_ascii(talk->plan->mail_from);
    for (size_t i = 0; i < talk->plan->recipient_count; i++)
        is_needed |= !bytes_is_ascii(talk->plan->recipients[i]);
    return is_needed;
}

/* What the message needs, the server has to have (RFC 1870, 6152, 6531). */
static bool fits(struct talk *talk, bool is_utf8)
{
    const struct extensions *extensions = dialogue_extensions(talk->dialogue);
    unsigned long long size = talk->way->file->size_bytes;
    if (is_utf8 && !(extensions->offers & OFFERS_SMTPUTF8)) {
        advise(talk, "use addresses and fields in ASCII, or another server");
        return fail(talk, false,
                    "the server takes no addresses and fields beyond ASCII (SMTPUTF8)");
    }
    if (talk->way->file->has_8bit_body && !(extensions->offers & OFFERS_8BITMIME)) {
        advise(talk, "encode the message (quoted-printable, base64)");
        return fail(talk, false,
                    "the message has bytes beyond ASCII, and the server takes none "
                    "(8BITMIME)");
    }
    if (extensions->size_limit && size > extensions->size_limit) {
        advise(talk, "send less at once, or a link");
        return fail(talk, false, "the message has %llu bytes, and the server takes %llu at most",
                    size, (unsigned long long)extensions->size_limit);
    }
    return true;
}

static bool say_sender(struct talk *talk, bool is_utf8)
{
    unsigned offers = dialogue_extensions(talk->dialogue)->offers;
    char size[32] = "";
    if (offers & OFFERS_SIZE)
        snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)talk->way->file->size_bytes);
    const struct reply_scan *reply = dialogue_say(
        talk->dialogue, &talk->err, "MAIL FROM:<%.*s>%s%s%s", BYTES_ARGS(talk->plan->mail_from),
        size, talk->way->file->has_8bit_body || is_utf8 ? " BODY=8BITMIME" : "",
        is_utf8 ? " SMTPUTF8" : "");
    if (!reply)
        return broke(talk, "MAIL");
    if (reply->code == 530 && !talk->plan->user)
        advise(talk, "log in: --user NAME");
    return reply->code / 100 == 2 || refused(talk, "the sender", reply);
}

/* One that is refused does not keep the others from their mail. */
static bool say_recipients(struct talk *talk)
{
    size_t taken = 0;
    struct send_result *result = talk->result;
    for (size_t i = 0; i < talk->plan->recipient_count; i++) {
        const struct reply_scan *reply = dialogue_say(talk->dialogue, &talk->err, "RCPT TO:<%.*s>",
                                                      BYTES_ARGS(talk->plan->recipients[i]));
        if (!reply)
            return broke(talk, "RCPT");
        result->recipients[i].code = reply->code;
        snprintf(result->recipients[i].text, sizeof result->recipients[i].text, "%.*s",
                 BYTES_ARGS(reply_scan_text(reply)));
        taken += reply->code / 100 == 2;
        result->is_temporary |= reply->code / 100 == 4;
        if (reply->code / 100 != 2)
            keep(talk, reply);
    }
    return taken || fail(talk, result->is_temporary, "the server takes none of the recipients");
}

static bool say_text(struct talk *talk)
{
    uint8_t piece[PIECE];
    struct progress progress;
    uint64_t done = 0;
    ssize_t got;
    progress_init(&progress, talk->way->file->size_bytes);
    while ((got = message_file_read(talk->way->file, done, piece, sizeof piece, &talk->err)) > 0) {
        if (!dialogue_text(talk->dialogue, (struct bytes){piece, (size_t)got}, &talk->err))
            break;
        done += (uint64_t)got;
        progress_tell(&progress, done);
    }
    progress_end(&progress);
    /* Half a message must not end as a whole one: the connection breaks off instead. */
    if (got != 0) {
        dialogue_disconnect(talk->dialogue);
        return broke(talk, "the text");
    }
    return true;
}

static bool send_message(struct talk *talk)
{
    bool is_utf8 = needs_utf8(talk);
    if (!fits(talk, is_utf8) || !say_sender(talk, is_utf8) || !say_recipients(talk))
        return false;
    const struct reply_scan *reply = dialogue_say(talk->dialogue, &talk->err, "DATA");
    if (!reply)
        return broke(talk, "DATA");
    if (reply->code != 354)
        return refused(talk, "the message", reply);
    if (!say_text(talk))
        return false;
    reply = dialogue_text_end(talk->dialogue, &talk->err);
    if (!reply) {
        advise(talk, "perhaps the server has it all the same: look before you send it again");
        return broke(talk, "no answer to the end of the message");
    }
    if (reply->code / 100 != 2)
        return refused(talk, "the message", reply);
    keep(talk, reply);
    talk->result->is_taken = true;
    return true;
}

void send_talk(const struct send_way *way, struct dialogue *dialogue, struct send_result *result)
{
    struct talk talk = {.way = way, .plan = way->plan, .dialogue = dialogue, .result = result};
    int64_t begun_ms = instant_steady_ms();
    bool is_there = way->plan->unix_path ? connect_unix(&talk) : connect_to_host(&talk);
    if (is_there && greet(&talk) && secure(&talk) && log_in(&talk))
        (void)send_message(&talk);
    if (dialogue_is_connected(dialogue))
        (void)dialogue_say(dialogue, &talk.err, "QUIT");
    dialogue_disconnect(dialogue);
    result->took_ms = instant_steady_ms() - begun_ms;
}
