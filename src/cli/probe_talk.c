#include "cli/probe_talk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SHOWN = 300 }; /* of a reply in the last line */

/* --- What it comes to ------------------------------------------------------------------------- */

void probe_result_set(struct probe_result *result, enum probe_outcome outcome, const char *format,
                      ...)
{
    va_list values;
    *result = (struct probe_result){.outcome = outcome};
    va_start(values, format);
    vsnprintf(result->summary, sizeof result->summary, format, values);
    va_end(values);
}

void probe_result_next(struct probe_result *result, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(result->next, sizeof result->next, format, values);
    va_end(values);
}

/* What a refusal asks for, by its enhanced status code (RFC 3463; the IANA registry of codes), or
 * by the reply's alone. The first that begins it counts. */
static const struct {
    const char *code;
    const char *next;
} hints[] = {
    {"5.1.1", "ask the recipient for the address that is right; the server is well"},
    {"5.1.10", "the recipient's domain takes no mail; ask for another address"},
    {"5.1.3", "look at the address: the server finds a fault in its syntax"},
    {"5.1.8", "name a sender whose domain exists: --from"},
    {"5.1.7", "name another sender: --from"},
    {"5.2.1", "the mailbox is closed; reach the recipient in another way"},
    {"5.2.2", "the mailbox is full; tell the recipient in another way"},
    {"4.2.2", "the mailbox is full; mail waits, and comes back after some days"},
    {"5.7.25", "give this host's address a name that leads back to it: postrider dns check DOMAIN"},
    {"5.7.26", "the sender's domain does not vouch for this host: postrider dns check DOMAIN"},
    {"5.7.27", "the sender's domain takes no mail (null MX); name another sender: --from"},
    {"4.7.25", "give this host's address a name that leads back to it: postrider dns check DOMAIN"},
    {"5.7.0", "it wants a login; if this is your provider: --user NAME"},
    {"5.7.1", "a rule of theirs is against this host, the sender or the recipient; their words say "
              "which, and --from tries another sender"},
    {"4.", "a server tries again by itself, often enough for greylisting; ask again in ten "
           "minutes"},
    {"450", "a server tries again by itself, often enough for greylisting; ask again in ten "
            "minutes"},
    {"451", "a server tries again by itself; ask again in ten minutes"},
    {"421", "the server is busy or limits this host; ask again in ten minutes"},
    {"530", "it wants a login or TLS first; if this is your provider: --user NAME"},
};

static void set_hint(struct probe_result *result, const struct reply_scan *reply)
{
    char code[8];
    snprintf(code, sizeof code, "%d", reply->code);
    for (size_t i = 0; i < COUNT(hints); i++) {
        size_t len = strlen(hints[i].code);
        bool is_class = hints[i].code[len - 1] == '.';
        bool is_status = is_class ? strncmp(reply->status, hints[i].code, len) == 0
                                  : strcmp(reply->status, hints[i].code) == 0;
        if (is_status || strcmp(code, hints[i].code) == 0) {
            probe_result_next(result, "%s", hints[i].next);
            return;
        }
    }
}

/* The server said no to a command. */
static void refuse(struct probe_result *result, const struct probe_hop *hop, const char *what,
                   const struct reply_scan *reply)
{
    struct bytes text = bytes_sub(reply_scan_text(reply), 0, TEXT_SHOWN);
    bool is_final = reply->code / 100 == 5;
    probe_result_set(result, is_final ? PROBE_REFUSED : PROBE_DELAYED, "%.*s %s %s: %.*s",
                     BYTES_ARGS(hop->name), is_final ? "refuses" : "puts off", what,
                     BYTES_ARGS(text));
    set_hint(result, reply);
}

/* The connection ended in the middle. */
static void break_off(struct probe *probe, const struct probe_hop *hop, const char *what,
                      const struct error *err, struct probe_result *result)
{
    probe_log_add(probe->log, PROBE_BAD, what, "%s", err->text);
    probe_result_set(result, PROBE_NO_WAY, "the conversation with %.*s ended at %s: %s",
                     BYTES_ARGS(hop->name), what, err->text);
    probe_result_next(result,
                      "look at that server; if it is slow, give it more time: --timeout 1m");
}

static enum probe_mark mark_of(const struct reply_scan *reply)
{
    switch (reply->code / 100) {
    case 2:
    case 3: return PROBE_GOOD;
    case 4: return PROBE_NOTE;
    default: return PROBE_BAD;
    }
}

static void tell(struct probe *probe, const char *what, const struct reply_scan *reply)
{
    probe_log_add(probe->log, mark_of(reply), what, "%.*s", BYTES_ARGS(reply_scan_text(reply)));
}

/* --- The steps -------------------------------------------------------------------------------- */

void probe_talk_unreached(struct probe *probe, const struct probe_hop *hop, const struct error *err,
                          struct probe_result *result)
{
    const char *state = "no connection";
    const char *next = "";
    if (err->os == ECONNREFUSED) {
        state = "refused";
        next = "nothing listens on that port there: start the mail server, or ask for its port";
    } else if (err->os == ETIMEDOUT) {
        state = "filtered";
        next =
            "somebody drops what is sent to that port: a firewall there, or this network, as many "
            "do with port 25 on the way out";
    } else if (err->os == ENETUNREACH || err->os == EHOSTUNREACH || err->os == EADDRNOTAVAIL) {
        state = "unreachable";
        next = ip_is_ipv4(&hop->ip)
                   ? "this host has no way there by IPv4"
                   : "this host has no way there by IPv6; mail goes by IPv4 if the "
                     "server has such an address";
    }
    probe_result_set(result, PROBE_NO_WAY, "%.*s cannot be reached on port %u (%s)",
                     BYTES_ARGS(hop->name), hop->port, state);
    probe_result_next(result, "%s", next[0] ? next : err->text);
    result->is_unreached = true;
    result->is_silent = err->os == ETIMEDOUT;
}

bool probe_talk_greet(struct probe *probe, const struct probe_hop *hop, struct probe_result *result)
{
    struct error err;
    const struct reply_scan *reply = dialogue_hear(probe->dialogue, &err);
    if (!reply) {
        break_off(probe, hop, "banner", &err, result);
        return false;
    }
    tell(probe, "banner", reply);
    if (reply->code == 220)
        return true;
    probe_result_set(result, PROBE_NO_WAY, "%.*s turns this host away: %.*s", BYTES_ARGS(hop->name),
                     BYTES_ARGS(bytes_sub(reply_scan_text(reply), 0, TEXT_SHOWN)));
    probe_result_next(result, "their words say why; mail is tried at the next host, or waits");
    return false;
}

/* "SIZE 1000, PIPELINING, …" */
static void tell_offers(struct probe *probe, const char *what)
{
    struct bytes rest = dialogue_offers(probe->dialogue), line;
    struct buf text;
    buf_init(&text, 4096);
    while (rest.len) {
        bytes_cut(rest, '\n', &line, &rest);
        buf_addf(&text, "%s%.*s", text.len ? ", " : "", BYTES_ARGS(line));
    }
    if (text.len)
        probe_log_add(probe->log, PROBE_GOOD, what, "%.*s", BYTES_ARGS(buf_view(&text)));
    else
        probe_log_add(probe->log, PROBE_NOTE, what, "offers nothing");
    buf_done(&text);
}

/* LHLO has no reply that we read features from; MAIL and RCPT are the same (RFC 2033). */
static const struct reply_scan *say_hello(struct probe *probe, const struct probe_hop *hop,
                                          struct error *err)
{
    return hop->is_lmtp ? dialogue_say(probe->dialogue, err, "LHLO %s", probe->helo)
                        : dialogue_ehlo(probe->dialogue, probe->helo, err);
}

bool probe_talk_hello(struct probe *probe, const struct probe_hop *hop, struct probe_result *result)
{
    struct error err;
    const char *what = hop->is_lmtp ? "LHLO" : "EHLO";
    const struct reply_scan *reply = say_hello(probe, hop, &err);
    if (!reply) {
        break_off(probe, hop, what, &err, result);
        return false;
    }
    if (reply->code == 250 && !hop->is_lmtp) {
        tell_offers(probe, what);
        return true;
    }
    tell(probe, what, reply);
    if (reply->code == 250)
        return true;
    refuse(result, hop, "EHLO", reply);
    result->outcome = PROBE_NO_WAY;
    probe_result_next(result, "this host called itself %s; give another name: --helo NAME",
                      probe->helo);
    return false;
}

/* --- TLS -------------------------------------------------------------------------------------- */

static struct tls *new_tls(struct probe *probe, const struct probe_hop *hop, struct error *err)
{
    bool is_forced = hop->terms.level == TLS_LEVEL_FORCED;
    struct tls_client_settings settings = {.peers = is_forced ? TLS_PEERS_MODERN : TLS_PEERS_OLD,
                                           .ca_pem = buf_view(&probe->ca)};
    if (probe->ca.len == 0 && probe->config)
        settings.ca_pem = config_file(probe->config, hop->rule->ca_file);
    struct tls_context *context = tls_client_context_new(&settings, err);
    if (!context)
        return NULL;
    struct ip ip;
    bool is_named = !ip_scan(hop->name, &ip);
    struct tls_target target = {
        .server_name = is_named ? hop->name : BYTES_NONE,
        .names = hop->terms.names,
        .name_count = hop->terms.name_count,
        .pins = hop->rule->pins,
        .pin_count = hop->rule->pin_count,
    };
    /* Of a host that may be anybody, whether it is who it is called. */
    if (target.name_count == 0 && target.pin_count == 0 && is_named) {
        target.names = &hop->name;
        target.name_count = 1;
    }
    struct tls *tls = tls_client_new(context, &target);
    tls_context_free(context);
    return tls;
}

static void tell_certificate(struct probe *probe, const struct probe_hop *hop,
                             const struct tls_facts *facts)
{
    struct ip ip;
    bool is_forced = hop->terms.level == TLS_LEVEL_FORCED;
    enum probe_mark mark = facts->is_verified ? PROBE_GOOD : is_forced ? PROBE_BAD : PROBE_NOTE;
    bool is_nameless = ip_scan(hop->name, &ip) && hop->terms.name_count == 0;
    probe_log_add(probe->log, mark, "TLS", "certificate %s: %s%s%.*s",
                  facts->peer_name[0] ? facts->peer_name : "without a name", facts->verification,
                  facts->is_verified ? " for " : "",
                  BYTES_ARGS(!facts->is_verified ? BYTES_NONE
                             : is_nameless       ? BYTES("whatever its name: only an address was "
                                                               "given")
                                                 : hop->name));
    if (!facts->is_verified && !is_forced)
        probe_log_explain(probe->log,
                          "mail goes there all the same, encrypted, to whoever answers there; a "
                          "sender who insists on verified TLS keeps it back");
}

bool probe_talk_handshake(struct probe *probe, const struct probe_hop *hop,
                          struct probe_result *result)
{
    struct error err;
    struct tls *tls = new_tls(probe, hop, &err);
    if (!tls || !dialogue_start_tls(probe->dialogue, tls, &err)) {
        probe_log_add(probe->log, PROBE_BAD, "TLS", "no handshake: %s", err.text);
        probe_result_set(result, PROBE_NO_WAY, "TLS with %.*s fails: %s", BYTES_ARGS(hop->name),
                         err.text);
        probe_result_next(result, "look at that server's certificate, key and TLS versions");
        return false;
    }
    const struct tls_facts *facts = dialogue_tls(probe->dialogue);
    probe_log_add(probe->log, PROBE_GOOD, "TLS", "%s, %s, %d bits", facts->version, facts->cipher,
                  facts->bits);
    tell_certificate(probe, hop, facts);
    if (facts->is_verified || hop->terms.level != TLS_LEVEL_FORCED)
        return true;
    probe_result_set(result, PROBE_NO_WAY,
                     "mail to %.*s would wait: TLS with a verified certificate is required (%s), "
                     "and %s",
                     BYTES_ARGS(hop->name), hop->terms.reason, facts->verification);
    probe_result_next(result, "have the certificate mended, or trust its authority (--ca FILE), or "
                              "require less in outbound.tls_domains");
    return false;
}

/* Without TLS it goes on where that may be. */
static bool go_in_clear(struct probe *probe, const struct probe_hop *hop, const char *why,
                        struct probe_result *result)
{
    bool is_forced = hop->terms.level == TLS_LEVEL_FORCED;
    probe_log_add(probe->log, is_forced ? PROBE_BAD : PROBE_NOTE, "TLS", "%s", why);
    if (!is_forced) {
        probe_log_explain(probe->log, "mail goes in clear text, for everybody on the way to read");
        return true;
    }
    probe_result_set(result, PROBE_NO_WAY,
                     "mail to %.*s would wait: TLS is required (%s), and it "
                     "%s",
                     BYTES_ARGS(hop->name), hop->terms.reason, why);
    probe_result_next(result, "switch TLS on at that server, or require less in "
                              "outbound.tls_domains");
    return false;
}

/* As a delivery does: a new connection, without TLS this time. */
static bool connect_again(struct probe *probe, const struct probe_hop *hop,
                          struct probe_result *result)
{
    struct error err;
    if (!dialogue_connect(probe->dialogue, &hop->ip, hop->port, NULL, &err)) {
        probe_talk_unreached(probe, hop, &err, result);
        return false;
    }
    return probe_talk_greet(probe, hop, result) && probe_talk_hello(probe, hop, result) &&
           go_in_clear(probe, hop, "its handshake fails", result);
}

bool probe_talk_secure(struct probe *probe, const struct probe_hop *hop,
                       struct probe_result *result)
{
    struct error err;
    if (hop->is_lmtp || hop->unix_path)
        return true;
    if (hop->terms.level == TLS_LEVEL_NONE) {
        probe_log_add(probe->log, PROBE_NOTE, "TLS", "not used, by %s", hop->terms.reason);
        return true;
    }
    if (!(dialogue_extensions(probe->dialogue)->offers & OFFERS_STARTTLS))
        return go_in_clear(probe, hop, "offers no STARTTLS", result);
    const struct reply_scan *reply = dialogue_say(probe->dialogue, &err, "STARTTLS");
    if (!reply) {
        break_off(probe, hop, "STARTTLS", &err, result);
        return false;
    }
    if (reply->code != 220) {
        tell(probe, "STARTTLS", reply);
        return go_in_clear(probe, hop, "refuses STARTTLS", result);
    }
    if (probe_talk_handshake(probe, hop, result))
        return probe_talk_hello(probe, hop, result);
    if (dialogue_is_connected(probe->dialogue) || hop->terms.level == TLS_LEVEL_FORCED)
        return false;
    return connect_again(probe, hop, result);
}

/* --- Logging in ------------------------------------------------------------------------------- */

static const char *login_meaning(int code)
{
    switch (code) {
    case 235: return "the name and the password are good";
    case 432: return "the password has to be changed first";
    case 454: return "the server cannot verify passwords just now; try later";
    case 534: return "the server wants a stronger mechanism, or an app password";
    case 535: return "wrong name or password; is it the whole address, or an app password?";
    case 538: return "the server wants encryption for that";
    default: return "the server does not take it";
    }
}

/* Why the password stays here; NULL: it may go. */
static const char *reason_to_keep(struct probe *probe, const struct probe_hop *hop)
{
    struct ip ip;
    const struct tls_facts *tls = dialogue_tls(probe->dialogue);
    if (!tls)
        return "there is no TLS, so everybody on the way could read it";
    if (ip_is_loopback(&hop->ip))
        return NULL;
    if (!tls->is_verified)
        return "the certificate is not verified, so anybody may be there; trust its authority by "
               "--ca FILE";
    if (ip_scan(hop->name, &ip))
        return "an address has no name to verify; give the server's name";
    return NULL;
}

bool probe_talk_login(struct probe *probe, const struct probe_hop *hop, struct probe_result *result)
{
    struct error err;
    const char *why = reason_to_keep(probe, hop);
    if (why) {
        probe_log_add(probe->log, PROBE_BAD, "login", "the password was not sent: %s", why);
        probe_result_set(result, PROBE_REFUSED, "the password was not tried at %.*s: %s",
                         BYTES_ARGS(hop->name), why);
        return false;
    }
    const struct reply_scan *reply = dialogue_login(probe->dialogue, bytes_of(probe->plan.user),
                                                    buf_view(&probe->password), &err);
    if (!reply) {
        probe_log_add(probe->log, PROBE_BAD, "login", "%s", err.text);
        probe_result_set(result, PROBE_REFUSED, "no login at %.*s: %s", BYTES_ARGS(hop->name),
                         err.text);
        probe_result_next(result, "try another port: 587 or 465");
        return false;
    }
    tell(probe, "login", reply);
    probe_log_explain(probe->log, "%s", login_meaning(reply->code));
    if (reply->code == 235)
        return true;
    probe_result_set(result, reply->code / 100 == 4 ? PROBE_DELAYED : PROBE_REFUSED,
                     "%.*s does not let %s in: %.*s", BYTES_ARGS(hop->name), probe->plan.user,
                     BYTES_ARGS(bytes_sub(reply_scan_text(reply), 0, TEXT_SHOWN)));
    probe_result_next(result, "%s", login_meaning(reply->code));
    return false;
}

/* --- The envelope ----------------------------------------------------------------------------- */

/* The reply is good; else the result is filled. */
static bool take(struct probe *probe, const struct probe_hop *hop, const char *what,
                 const struct reply_scan *reply, const struct error *err,
                 struct probe_result *result)
{
    if (!reply) {
        break_off(probe, hop, what, err, result);
        return false;
    }
    tell(probe, what, reply);
    return reply->code / 100 == 2;
}

void probe_talk_recipient(struct probe *probe, const struct probe_hop *hop, struct bytes recipient,
                          struct probe_result *result)
{
    struct error err;
    const char *from = probe->plan.mail_from;
    bool is_utf8 = !bytes_is_ascii(recipient) || !bytes_is_ascii(bytes_of(from));
    if (is_utf8 && !(dialogue_extensions(probe->dialogue)->offers & OFFERS_SMTPUTF8)) {
        probe_log_add(probe->log, PROBE_BAD, "MAIL", "not said: it offers no SMTPUTF8 (RFC 6531)");
        probe_result_set(result, PROBE_REFUSED,
                         "%.*s does not take addresses beyond ASCII (no SMTPUTF8)",
                         BYTES_ARGS(hop->name));
        probe_result_next(result, "ask for another address of the recipient's");
        return;
    }
    const struct reply_scan *reply =
        dialogue_say(probe->dialogue, &err, "MAIL FROM:<%s>%s", from, is_utf8 ? " SMTPUTF8" : "");
    if (!take(probe, hop, "MAIL", reply, &err, result)) {
        if (reply)
            refuse(result, hop, from[0] ? "the sender" : "the null sender <>", reply);
        return;
    }
    reply = dialogue_say(probe->dialogue, &err, "RCPT TO:<%.*s>", BYTES_ARGS(recipient));
    bool is_taken = take(probe, hop, "RCPT", reply, &err, result);
    if (!reply)
        return;
    const struct tls_facts *tls = dialogue_tls(probe->dialogue);
    if (is_taken)
        probe_result_set(result, PROBE_TAKEN, "%.*s would take mail for %.*s, %s; nothing was sent",
                         BYTES_ARGS(hop->name), BYTES_ARGS(recipient),
                         !tls               ? "in clear text"
                         : tls->is_verified ? "in verified TLS"
                                            : "in TLS that is not verified");
    else
        refuse(result, hop, "the recipient", reply);
    (void)dialogue_say(probe->dialogue, &err, "RSET");
}

void probe_talk_quit(struct probe *probe)
{
    struct error err;
    if (dialogue_is_connected(probe->dialogue))
        (void)dialogue_say(probe->dialogue, &err, "QUIT");
    dialogue_disconnect(probe->dialogue);
}
