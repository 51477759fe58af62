#include "cli/probe_target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/dial.h"
#include "cli/probe_dns.h"
#include "mail/idna.h"

enum { ADDRESS_LIMIT = 8, PORT_COUNT = 4, SPOT_LIMIT = ADDRESS_LIMIT * PORT_COUNT };
_Static_assert((int)SPOT_LIMIT <= (int)DIAL_LIMIT, "all are tried at once");

static const uint16_t usual_ports[PORT_COUNT] = {25, 465, 587, 2525};
enum { PORT_MX = 25, PORT_IMPLICIT = 465 };
/* Servers speak first, most at once; those that keep clients waiting are waited for after that. */
enum { HURRY_MS = 3000 };

enum spot_state {
    SPOT_UNREACHED,   /* result says how */
    SPOT_SMTP,        /* in clear text first, with STARTTLS perhaps */
    SPOT_TLS,         /* TLS at once, as port 465 has it */
    SPOT_CLEAR,       /* SMTP in clear text where TLS is expected at once */
    SPOT_TLS_AT_ONCE, /* TLS at once where clear text is expected */
    SPOT_AWAY,        /* SMTP, but this host is turned away, or it goes wrong later */
    SPOT_FOREIGN,     /* another protocol */
    SPOT_SILENT,      /* it is open, and says nothing */
};

/* One port at one address. */
struct spot {
    struct probe_hop hop;
    enum spot_state state;
    const char *protocol; /* of SPOT_FOREIGN */
    bool is_logged_in, has_failed_login;
    bool has_starttls, has_logins;
    struct probe_result result;
};

struct survey {
    struct probe *probe;
    struct buf name; /* in A-labels, or the address */
    struct spot spots[SPOT_LIMIT];
    size_t count;
};

/* --- What is behind a port -------------------------------------------------------------------- */

/* By the first line that a server says. */
static const char *protocol_of(struct bytes line)
{
    static const struct {
        const char *start, *protocol;
    } protocols[] = {
        {"* OK", "IMAP"},      {"* PREAUTH", "IMAP"}, {"* BYE", "IMAP"},   {"+OK", "POP3"},
        {"HTTP/", "HTTP"},     {"SSH-", "SSH"},       {"\x16\x03", "TLS"}, {"\x15\x03", "TLS"},
        {"<!DOCTYPE", "HTTP"}, {"<html", "HTTP"},     {"RFB ", "VNC"},
    };
    for (size_t i = 0; i < COUNT(protocols); i++)
        if (bytes_starts_nocase(line, bytes_of(protocols[i].start)))
            return protocols[i].protocol;
    return NULL;
}

static void tell_foreign(struct probe *probe, struct spot *spot)
{
    struct bytes line = bytes_sub(buf_view(&probe->heard), 0, 100);
    const char *protocol = protocol_of(line);
    spot->state = SPOT_FOREIGN;
    spot->protocol = protocol ? protocol : "something";
    probe_log_add(probe->log, PROBE_BAD, "banner", "%s, not SMTP: %.*s", spot->protocol,
                  BYTES_ARGS(line));
}

static bool connect_again(struct probe *probe, struct spot *spot)
{
    struct error err;
    if (dialogue_connect(probe->dialogue, &spot->hop.ip, spot->hop.port, NULL, &err))
        return true;
    spot->state = SPOT_UNREACHED;
    probe_log_add(probe->log, PROBE_BAD, "connect", "not a second time: %s", err.text);
    probe_talk_unreached(probe, &spot->hop, &err, &spot->result);
    return false;
}

/* Some wait for the client to speak first, as HTTP does. */
static void knock(struct probe *probe, struct spot *spot)
{
    struct error err;
    if (!connect_again(probe, spot))
        return;
    buf_clear(&probe->heard);
    if (dialogue_say(probe->dialogue, &err, "EHLO %s", probe->helo) || !probe->heard.len) {
        spot->state = SPOT_SILENT;
        probe_log_add(probe->log, PROBE_BAD, "banner", "it says nothing");
        probe_log_explain(probe->log, "a server may keep clients waiting: --timeout 1m");
        return;
    }
    tell_foreign(probe, spot);
}

/* The handshake without a word: is it TLS at all? Tells nothing. */
static bool is_tls(struct probe *probe)
{
    struct error err;
    struct tls_context *context =
        tls_client_context_new(&(struct tls_client_settings){.peers = TLS_PEERS_OLD}, &err);
    if (!context)
        return false;
    struct tls *tls = tls_client_new(context, &(struct tls_target){.name_count = 0});
    tls_context_free(context);
    return dialogue_start_tls(probe->dialogue, tls, &err);
}

/* --- The conversation ------------------------------------------------------------------------- */

/* Behind the greeting and EHLO; where people log in, that is tried. */
static void look_at_offers(struct survey *survey, struct spot *spot)
{
    struct probe *probe = survey->probe;
    const struct extensions *extensions = dialogue_extensions(probe->dialogue);
    bool is_clear = !dialogue_tls(probe->dialogue);
    spot->has_logins = extensions->logins != 0;
    if (is_clear && extensions->logins)
        probe_log_add(probe->log, PROBE_NOTE, "AUTH",
                      "offered in clear text: whoever listens on the way reads passwords");
    if (is_clear || !probe->plan.user || (spot->hop.port == PORT_MX && !spot->has_logins))
        return;
    spot->is_logged_in = probe_talk_login(probe, &spot->hop, &spot->result);
    spot->has_failed_login = !spot->is_logged_in;
}

static bool wants_starttls(const struct survey *survey)
{
    return dialogue_extensions(survey->probe->dialogue)->offers & OFFERS_STARTTLS;
}

static void converse(struct survey *survey, struct spot *spot)
{
    struct probe *probe = survey->probe;
    spot->has_starttls = wants_starttls(survey);
    if (!dialogue_tls(probe->dialogue)) {
        if (dialogue_extensions(probe->dialogue)->logins)
            look_at_offers(survey, spot);
        if (!probe_talk_secure(probe, &spot->hop, &spot->result)) {
            spot->state = SPOT_AWAY;
            return;
        }
    }
    if (dialogue_tls(probe->dialogue))
        look_at_offers(survey, spot);
    else if (probe->plan.user && spot->hop.port != PORT_MX)
        spot->has_failed_login = !probe_talk_login(probe, &spot->hop, &spot->result);
}

/* SMTP was greeted with: goes on from there. */
static void go_on(struct survey *survey, struct spot *spot, enum spot_state state)
{
    spot->state = state;
    if (probe_talk_hello(survey->probe, &spot->hop, &spot->result))
        converse(survey, spot);
    else
        spot->state = SPOT_AWAY;
}

static bool is_usual(uint16_t port)
{
    for (size_t i = 0; i < PORT_COUNT; i++)
        if (usual_ports[i] == port)
            return true;
    return false;
}

static void take_greeting(struct survey *survey, struct spot *spot, const struct reply_scan *reply)
{
    struct probe *probe = survey->probe;
    bool is_expected = spot->hop.port != PORT_IMPLICIT;
    probe_log_add(probe->log, reply->code == 220 ? PROBE_GOOD : PROBE_BAD, "banner", "%.*s",
                  BYTES_ARGS(reply_scan_text(reply)));
    if (!is_expected)
        probe_log_explain(probe->log, "in clear text, where clients expect TLS at once (RFC 8314)");
    if (reply->code == 220) {
        go_on(survey, spot, is_expected ? SPOT_SMTP : SPOT_CLEAR);
        return;
    }
    spot->state = SPOT_AWAY;
    probe_result_set(&spot->result, reply->code / 100 == 4 ? PROBE_DELAYED : PROBE_REFUSED,
                     "it turns this host away: %.*s",
                     BYTES_ARGS(bytes_sub(reply_scan_text(reply), 0, 200)));
    probe_result_next(&spot->result, "its words say why: %.*s",
                      BYTES_ARGS(bytes_sub(reply_scan_text(reply), 0, 200)));
}

static void look_in_clear(struct survey *survey, struct spot *spot)
{
    struct probe *probe = survey->probe;
    struct error err;
    buf_clear(&probe->heard);
    const struct reply_scan *reply = dialogue_hear(probe->dialogue, &err);
    if (reply)
        take_greeting(survey, spot, reply);
    else if (probe->heard.len)
        tell_foreign(probe, spot);
    else
        knock(probe, spot);
}

/* TLS from the first byte; what is inside is looked at like the rest. */
static void look_in_tls(struct survey *survey, struct spot *spot, enum spot_state state)
{
    struct probe *probe = survey->probe;
    if (!probe_talk_handshake(probe, &spot->hop, &spot->result) ||
        !probe_talk_greet(probe, &spot->hop, &spot->result)) {
        spot->state = SPOT_AWAY;
        return;
    }
    go_on(survey, spot, state);
}

/* Where clear text is expected, TLS is tried when nothing has been said for a while. */
static void look_at(struct survey *survey, struct spot *spot)
{
    struct probe *probe = survey->probe;
    uint16_t port = spot->hop.port;
    bool is_right = port == PORT_IMPLICIT || !is_usual(port), is_so = false;
    int64_t wait_ms = probe->plan.timeout_ms < HURRY_MS ? probe->plan.timeout_ms : HURRY_MS;
    if (port == PORT_IMPLICIT || !dialogue_has_input(probe->dialogue, wait_ms)) {
        is_so = is_tls(probe);
        if (!connect_again(probe, spot))
            return;
    }
    if (is_so && !is_right)
        probe_log_add(probe->log, PROBE_BAD, "banner",
                      "nothing in clear text: it speaks TLS at once, as port 465 should");
    if (is_so)
        look_in_tls(survey, spot, is_right ? SPOT_TLS : SPOT_TLS_AT_ONCE);
    else
        look_in_clear(survey, spot);
    probe_talk_quit(probe);
}

static void try_spot(struct survey *survey, struct dial *dial, size_t number)
{
    struct probe *probe = survey->probe;
    struct spot *spot = &survey->spots[number];
    struct error err;
    struct buf place;
    int64_t took_us;
    int fd;
    buf_init(&place, 512);
    buf_addf(&place, "port %u at ", spot->hop.port);
    ip_print(&place, &spot->hop.ip);
    if (!dial_take(dial, number, &fd, &took_us, &err)) {
        probe_talk_unreached(probe, &spot->hop, &err, &spot->result);
        spot->state = SPOT_UNREACHED;
        probe_log_add(probe->log, survey->probe->plan.port ? PROBE_BAD : PROBE_PLAIN, "connect",
                      "%.*s: %s", BYTES_ARGS(buf_view(&place)),
                      err.os == ECONNREFUSED ? "refused: nothing listens there"
                      : err.os == ETIMEDOUT  ? "filtered: no answer at all"
                                             : strerror(err.os));
    } else if (dialogue_give(probe->dialogue, fd, &err)) {
        probe_log_add(probe->log, PROBE_GOOD, "connect", "%.*s, %lld.%lld ms away",
                      BYTES_ARGS(buf_view(&place)), (long long)(took_us / 1000),
                      (long long)(took_us % 1000 / 100));
        look_at(survey, spot);
    }
    buf_done(&place);
}

/* --- What it comes to ------------------------------------------------------------------------- */

static bool is_good(const struct spot *spot)
{
    return (spot->state == SPOT_SMTP || spot->state == SPOT_TLS) && !spot->has_failed_login;
}

static const char *words_of(const struct spot *spot)
{
    switch (spot->state) {
    case SPOT_UNREACHED: return spot->result.is_silent ? "is filtered" : "is closed";
    case SPOT_SMTP:
        return spot->has_starttls ? "speaks SMTP with STARTTLS" : "speaks SMTP in clear text";
    case SPOT_TLS: return "speaks SMTP in TLS at once";
    case SPOT_CLEAR: return "speaks clear text where TLS belongs";
    case SPOT_TLS_AT_ONCE: return "speaks TLS at once where clear text belongs";
    case SPOT_AWAY: return "speaks SMTP, and does not go on with this host";
    case SPOT_FOREIGN: return "is another protocol's";
    case SPOT_SILENT: return "is open and silent";
    }
    return "";
}

static const char *advice_of(const struct spot *spot)
{
    switch (spot->state) {
    case SPOT_UNREACHED: return spot->result.next;
    case SPOT_SMTP:
    case SPOT_TLS: return spot->has_failed_login ? spot->result.next : "";
    case SPOT_CLEAR:
        return "let the server speak TLS at once on port 465 (Postrider: listen.tls: implicit), or "
               "have clients use 587 with STARTTLS";
    case SPOT_TLS_AT_ONCE:
        return "have clients say \"SSL/TLS\", not STARTTLS, for that port; other mail servers need "
               "clear text with STARTTLS on port 25";
    case SPOT_AWAY: return spot->result.next;
    case SPOT_FOREIGN: return "look at the port's number, and at what listens there";
    case SPOT_SILENT: return "give it more time: --timeout 1m";
    }
    return "";
}

/* "port 25 speaks SMTP with STARTTLS, 465 is closed" */
static void sum_up(const struct survey *survey, struct buf *out)
{
    buf_addf(out, "%.*s: ", BYTES_ARGS(buf_view(&survey->name)));
    for (size_t i = 0; i < survey->count; i++) {
        const struct spot *spot = &survey->spots[i];
        bool is_new_address =
            i == 0 || memcmp(&spot->hop.ip, &survey->spots[i - 1].hop.ip, sizeof spot->hop.ip) != 0;
        buf_addf(out, "%s", i == 0 ? "" : is_new_address ? "; " : ", ");
        if (is_new_address && survey->spots[0].hop.port &&
            memcmp(&survey->spots[0].hop.ip, &survey->spots[survey->count - 1].hop.ip,
                   sizeof spot->hop.ip) != 0) {
            buf_add(out, BYTES("at "));
            ip_print(out, &spot->hop.ip);
            buf_add_byte(out, ' ');
        }
        buf_addf(out, "%s%u %s", is_new_address ? "port " : "", spot->hop.port, words_of(spot));
        if (spot->is_logged_in)
            buf_add(out, BYTES(" and lets you in"));
        else if (spot->has_failed_login)
            buf_add(out, BYTES(" and does not let you in"));
    }
}

/* The spot that says what to do first: a login that failed, what is wrong, what is closed. NULL:
 * all is well. */
static const struct spot *worst_of(const struct survey *survey)
{
    const struct spot *found = NULL;
    int found_rank = 0;
    for (size_t i = 0; i < survey->count; i++) {
        const struct spot *spot = &survey->spots[i];
        int rank = spot->has_failed_login                                    ? 4
                   : is_good(spot)                                           ? 0
                   : spot->state != SPOT_UNREACHED                           ? 3
                   : spot->result.is_silent || survey->probe->plan.port != 0 ? 2
                                                                             : 1;
        if (rank > found_rank) {
            found = spot;
            found_rank = rank;
        }
    }
    return found;
}

static enum probe_verdict judge(const struct survey *survey)
{
    bool has_good = false, has_login = false, has_lasting = false;
    for (size_t i = 0; i < survey->count; i++) {
        const struct spot *spot = &survey->spots[i];
        has_good |= is_good(spot);
        has_login |= spot->is_logged_in;
        has_lasting |= spot->state != SPOT_UNREACHED &&
                       !(spot->state == SPOT_AWAY && spot->result.outcome == PROBE_DELAYED);
        if (spot->has_failed_login && spot->result.outcome == PROBE_DELAYED)
            return PROBE_LATER;
    }
    if (survey->probe->plan.user)
        return has_login ? PROBE_YES : has_lasting ? PROBE_NO : PROBE_LATER;
    return has_good ? PROBE_YES : has_lasting ? PROBE_NO : PROBE_LATER;
}

static int end(const struct survey *survey)
{
    struct buf summary;
    const struct spot *worst = worst_of(survey);
    enum probe_verdict verdict = judge(survey);
    bool is_minor = verdict == PROBE_YES && worst && worst->state == SPOT_UNREACHED &&
                    !(worst->result.is_silent && worst->hop.port == PORT_MX);
    buf_init(&summary, 4096);
    sum_up(survey, &summary);
    buf_add_byte(&summary, 0);
    int status = probe_log_end(survey->probe->log, verdict, (const char *)summary.at,
                               worst && !is_minor ? advice_of(worst) : NULL);
    buf_done(&summary);
    return status;
}

/* --- The host --------------------------------------------------------------------------------- */

static void add_address(struct survey *survey, const struct ip *ip)
{
    static const struct tls_rule opportunistic = {.level = TLS_LEVEL_OPPORTUNISTIC};
    const struct probe_plan *plan = &survey->probe->plan;
    for (size_t i = 0; i < (plan->port ? 1 : PORT_COUNT); i++) {
        struct spot *spot = &survey->spots[survey->count++];
        spot->hop = (struct probe_hop){
            .name = buf_view(&survey->name),
            .ip = *ip,
            .port = plan->port ? plan->port : usual_ports[i],
            .rule = &opportunistic,
            .terms = {.level = TLS_LEVEL_OPPORTUNISTIC, .reason = "outbound.tls"},
        };
    }
}

static void add_addresses(struct survey *survey, const struct host_addresses *addresses)
{
    enum address_families families = survey->probe->plan.families;
    for (size_t i = 0; i < addresses->count && survey->count + PORT_COUNT <= SPOT_LIMIT; i++) {
        bool is_ipv4 = ip_is_ipv4(&addresses->list[i]);
        if (families != (is_ipv4 ? FAMILIES_IPV6 : FAMILIES_IPV4))
            add_address(survey, &addresses->list[i]);
    }
}

/* The name has no address; perhaps it is a domain with mail servers of its own. */
static int end_without_address(struct survey *survey, enum host_outcome outcome)
{
    struct probe *probe = survey->probe;
    struct bytes name = buf_view(&survey->name);
    char summary[512], next[512];
    if (outcome == HOST_UNKNOWN) {
        snprintf(summary, sizeof summary, "the DNS does not tell the address of %.*s",
                 BYTES_ARGS(name));
        return probe_log_end(probe->log, PROBE_LATER, summary,
                             "look at the name servers of that domain");
    }
    const struct answer *answer;
    while (!(answer = facts_ask(probe->facts, FACT_MX, name)))
        dns_client_answer(probe->dns, probe->facts);
    snprintf(summary, sizeof summary, "%.*s has no address%s", BYTES_ARGS(name),
             outcome == HOST_FOUND ? " of the kind that --ip asks for" : "");
    next[0] = 0;
    if (answer->count) {
        probe_dns_tell(probe, FACT_MX, name);
        snprintf(next, sizeof next,
                 "it is a domain with mail servers; try: postrider probe "
                 "postmaster@%.*s",
                 BYTES_ARGS(name));
    }
    return probe_log_end(probe->log, PROBE_NO, summary, next[0] ? next : "look at the name");
}

int probe_host(struct probe *probe)
{
    struct survey *survey = NEW(struct survey);
    survey->probe = probe;
    struct host_addresses addresses;
    struct ip ip;
    buf_init(&survey->name, HOST_NAME_LIMIT);
    if (ip_scan(probe->plan.host, &ip))
        buf_add(&survey->name, probe->plan.host);
    else if (!idna_to_ascii(probe->plan.host, &survey->name))
        buf_add(&survey->name, bytes_sub(probe->plan.host, 0, HOST_NAME_LIMIT));
    enum host_outcome outcome = probe_dns_find(probe, buf_view(&survey->name), &addresses);
    if (!ip_scan(buf_view(&survey->name), &ip))
        probe_dns_tell_host(probe, buf_view(&survey->name));
    add_addresses(survey, &addresses);
    int status;
    if (survey->count) {
        struct dial_target targets[SPOT_LIMIT];
        for (size_t i = 0; i < survey->count; i++)
            targets[i] = (struct dial_target){survey->spots[i].hop.ip, survey->spots[i].hop.port};
        struct dial *dial = dial_new(targets, survey->count, probe->plan.timeout_ms);
        for (size_t i = 0; i < survey->count; i++)
            try_spot(survey, dial, i);
        dial_free(dial);
        status = end(survey);
    } else {
        status = end_without_address(survey, outcome);
    }
    buf_done(&survey->name);
    free(survey);
    return status;
}
