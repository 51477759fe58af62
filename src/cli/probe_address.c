#include "cli/probe_target.h"

#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "cli/dial.h"
#include "cli/probe_dns.h"
#include "daemon/self.h"
#include "mail/idna.h"
#include "mail/typo.h"

enum { PORT = 25, TEXT_LIMIT = 1024 };

/* Where the recipient's mail goes. */
struct way {
    struct probe *probe;
    struct bytes domain; /* as it was given */
    struct buf ascii;    /* in A-labels; empty: a literal, or no name */
    struct arena *arena;
    const struct endpoint *route; /* NULL: by MX */
    bool is_local;
    struct mx_result mx;
    struct mx_host only; /* of a route */
    const struct mx_host *hosts;
    size_t host_count;
    const struct tls_rule *rule;
    uint16_t port;
    struct candidate candidates[PLAN_LIMIT];
    size_t candidate_count;
    struct buf recipient; /* as RCPT has it */
    struct probe_result result;
    bool has_result, is_all_silent;
};

static int end(struct way *way)
{
    static const enum probe_verdict verdicts[] = {
        [PROBE_TAKEN] = PROBE_YES,
        [PROBE_REFUSED] = PROBE_NO,
        [PROBE_DELAYED] = PROBE_LATER,
        [PROBE_NO_WAY] = PROBE_LATER,
    };
    const struct probe_result *result = &way->result;
    return probe_log_end(way->probe->log, verdicts[result->outcome], result->summary, result->next);
}

/* --- The way there ---------------------------------------------------------------------------- */

/* What it may have been meant to be, when there is no mail for the domain as it is; or with a
 * provider's name, even if it is there. */
static void suggest(struct way *way, bool is_there)
{
    struct buf meant;
    buf_init(&meant, TEXT_LIMIT);
    enum typo_kind kind = typo_find(buf_view(&way->ascii), &meant);
    struct bytes local = way->probe->plan.address.local;
    if (kind != TYPO_NONE && !is_there)
        probe_result_next(&way->result, "is it a slip? Did you mean %.*s@%.*s?", BYTES_ARGS(local),
                          BYTES_ARGS(buf_view(&meant)));
    else if (kind == TYPO_PROVIDER)
        probe_log_add(way->probe->log, PROBE_NOTE, "name", "did you mean %.*s? %.*s exists, too",
                      BYTES_ARGS(buf_view(&meant)), BYTES_ARGS(way->domain));
    buf_done(&meant);
}

/* A route of the configuration's; a local domain's is its mailboxes. */
static void look_for_route(struct way *way)
{
    const struct config *config = way->probe->config;
    static const struct tls_rule opportunistic = {.level = TLS_LEVEL_OPPORTUNISTIC};
    way->rule = &opportunistic;
    if (!config)
        return;
    way->is_local = recipients_is_local_domain(config->recipients, way->domain);
    if (!way->is_local)
        way->route = routes_find(config->routes, way->domain);
    way->rule = routes_tls_rule(config->routes, way->route, way->domain);
    if (way->is_local)
        probe_log_add(way->probe->log, PROBE_NOTE, "route",
                      "%.*s is a domain of this server's own, by %s: its mail stays here; what "
                      "follows is how others find it",
                      BYTES_ARGS(way->domain), config->path);
    else if (way->route)
        probe_log_add(way->probe->log, PROBE_NOTE, "route",
                      "mail for %.*s goes by %.*s, as %s says", BYTES_ARGS(way->domain),
                      BYTES_ARGS(way->route->name), config->path);
}

/* MX hosts that mail cannot go to, as they have no address. */
static void tell_absent(struct way *way)
{
    struct probe *probe = way->probe;
    const struct answer *answer = facts_ask(probe->facts, FACT_MX, buf_view(&way->ascii));
    for (size_t i = 0; answer && i < answer->count; i++) {
        struct host_addresses addresses;
        struct bytes name = answer->records[i].data;
        if (name.len && host_find(probe->facts, name, &addresses) == HOST_ABSENT)
            probe_log_add(probe->log, PROBE_NOTE, "DNS",
                          "%.*s is an MX of %.*s, and has no address: it is passed over",
                          BYTES_ARGS(name), BYTES_ARGS(way->domain));
    }
}

static bool find_by_mx(struct way *way)
{
    struct probe *probe = way->probe;
    struct mx_self self = {.port = way->port};
    bool has_self = probe->config && !way->is_local;
    if (has_self)
        self_init(&self, probe->config);
    self.port = way->port;
    enum mx_outcome outcome;
    while ((outcome = mx_find(probe->facts, way->domain, &self, way->arena, &way->mx)) ==
           MX_NEEDS_FACTS)
        dns_client_answer(probe->dns, probe->facts);
    if (has_self)
        self_done(&self);
    if (way->ascii.len)
        probe_dns_tell(probe, FACT_MX, buf_view(&way->ascii));
    if (outcome == MX_FOUND) {
        if (way->mx.is_implicit)
            probe_log_explain(probe->log, "without an MX record mail goes to the domain's own "
                                          "address (RFC 5321, 5.1)");
        way->hosts = way->mx.hosts;
        way->host_count = way->mx.host_count;
        tell_absent(way);
        return true;
    }
    if (outcome == MX_FAILED && strcmp(way->mx.status, "5.4.4") == 0 && way->mx.is_implicit)
        probe_dns_tell_host(probe, buf_view(&way->ascii));
    probe_result_set(&way->result, outcome == MX_FAILED ? PROBE_REFUSED : PROBE_DELAYED, "%.*s",
                     BYTES_ARGS(way->mx.reason));
    probe_result_next(&way->result, "%s",
                      outcome == MX_FAILED ? "look at the address; who has the domain can publish "
                                             "an MX record"
                                           : "mail waits until the DNS answers; who has the domain "
                                             "has to mend its name servers");
    if (outcome == MX_FAILED && strcmp(way->mx.status, "5.4.6") != 0)
        suggest(way, false);
    return false;
}

static bool find_hosts(struct way *way)
{
    const struct endpoint *route = way->route;
    way->port = route ? route->port : PORT;
    if (way->probe->plan.port)
        way->port = way->probe->plan.port;
    if (!route || route->kind == ENDPOINT_MX)
        return find_by_mx(way);
    way->only = (struct mx_host){.name = route->host};
    way->hosts = &way->only;
    way->host_count = 1;
    return true;
}

/* Tells the addresses of all hosts, and puts them in the order of a delivery. */
static bool find_addresses(struct way *way)
{
    struct probe *probe = way->probe;
    struct host_addresses addresses[MX_HOST_LIMIT];
    struct plan_host list[MX_HOST_LIMIT];
    for (size_t i = 0; i < way->host_count; i++) {
        struct ip ip;
        bool is_unknown = probe_dns_find(probe, way->hosts[i].name, &addresses[i]) == HOST_UNKNOWN;
        list[i] = (struct plan_host){way->hosts[i].preference, &addresses[i]};
        if (!ip_scan(way->hosts[i].name, &ip))
            probe_dns_tell_host(probe, way->hosts[i].name);
        if (is_unknown)
            probe_log_explain(probe->log, "mail for that host waits until the DNS answers");
    }
    struct plan_wish wish = {.port = way->port,
                             .families = probe->plan.families,
                             .random = (uint64_t)instant_steady_us()};
    struct hosts *hosts = hosts_new(wish.random);
    way->candidate_count = hosts_plan(hosts, list, way->host_count, &wish, way->candidates);
    hosts_free(hosts);
    if (way->candidate_count)
        return true;
    probe_result_set(&way->result, PROBE_DELAYED, "no host of %.*s has an address to connect to%s",
                     BYTES_ARGS(way->domain),
                     probe->plan.families == FAMILIES_BOTH ? ""
                                                           : " of the kind that --ip asks for");
    return false;
}

/* --- Each of them ----------------------------------------------------------------------------- */

static struct probe_hop hop_of(struct way *way, const struct candidate *candidate)
{
    const struct endpoint *route = way->route;
    struct probe_hop hop = {
        .name = way->hosts[candidate->host].name,
        .ip = candidate->ip,
        .port = way->port,
        .rule = way->rule,
        .is_lmtp = route && route->kind == ENDPOINT_LMTP,
    };
    bool is_by_mx = !route || route->kind == ENDPOINT_MX;
    const struct tls_hop tls = {
        .host = hop.name,
        .is_by_mx = is_by_mx,
        .domain = buf_view(&way->ascii),
        .is_host_secure = is_by_mx && way->mx.is_secure,
        .is_implicit = route && route->is_implicit_tls,
    };
    tls_level_choose(hop.rule, &tls, &hop.terms);
    return hop;
}

static void converse(struct way *way, const struct probe_hop *hop, struct probe_result *result)
{
    struct probe *probe = way->probe;
    bool is_implicit = way->route && way->route->is_implicit_tls;
    if (is_implicit && !probe_talk_handshake(probe, hop, result))
        return;
    if (!probe_talk_greet(probe, hop, result) || !probe_talk_hello(probe, hop, result))
        return;
    if (!is_implicit && !probe_talk_secure(probe, hop, result))
        return;
    if (probe->plan.user && !probe_talk_login(probe, hop, result))
        return;
    if (way->route && way->route->user.len && !probe->plan.user)
        probe_log_add(probe->log, PROBE_NOTE, "login",
                      "the server logs in here as %.*s, which a probe does with --user %.*s",
                      BYTES_ARGS(way->route->user), BYTES_ARGS(way->route->user));
    probe_talk_recipient(probe, hop, buf_view(&way->recipient), result);
}

/* What the first host says that takes the conversation is what a delivery gets; else the first that
 * said anything has the word. */
static void note_result(struct way *way, const struct probe_result *result)
{
    way->is_all_silent &= result->is_silent;
    if (way->has_result &&
        (way->result.outcome != PROBE_NO_WAY ||
         (result->outcome == PROBE_NO_WAY && (result->is_unreached || !way->result.is_unreached))))
        return;
    way->result = *result;
    way->has_result = true;
}

/* "mx1.example.org [192.0.2.1]:25" */
static void print_place(struct buf *out, const struct probe_hop *hop)
{
    struct ip ip;
    buf_init(out, TEXT_LIMIT);
    if (!ip_scan(hop->name, &ip))
        buf_addf(out, "%.*s ", BYTES_ARGS(hop->name));
    buf_add_byte(out, '[');
    ip_print(out, &hop->ip);
    buf_addf(out, "]:%u", hop->port);
}

static void try_candidate(struct way *way, struct dial *dial, size_t number)
{
    struct probe *probe = way->probe;
    struct probe_hop hop = hop_of(way, &way->candidates[number]);
    struct probe_result result;
    struct error err;
    struct buf place;
    int64_t took_us;
    int fd;
    print_place(&place, &hop);
    if (!dial_take(dial, number, &fd, &took_us, &err)) {
        probe_talk_unreached(probe, &hop, &err, &result);
        probe_log_add(probe->log, PROBE_BAD, "connect", "%.*s: %s", BYTES_ARGS(buf_view(&place)),
                      strerror(err.os));
        probe_log_explain(probe->log, "%s", result.next);
    } else if (dialogue_give(probe->dialogue, fd, &err)) {
        probe_log_add(probe->log, PROBE_GOOD, "connect", "%.*s, %lld.%lld ms away",
                      BYTES_ARGS(buf_view(&place)), (long long)(took_us / 1000),
                      (long long)(took_us % 1000 / 100));
        converse(way, &hop, &result);
        probe_talk_quit(probe);
    } else {
        probe_result_set(&result, PROBE_NO_WAY, "%s", err.text);
    }
    buf_done(&place);
    note_result(way, &result);
}

static void try_all(struct way *way)
{
    struct dial_target targets[PLAN_LIMIT];
    way->is_all_silent = true;
    for (size_t i = 0; i < way->candidate_count; i++)
        targets[i] = (struct dial_target){way->candidates[i].ip, way->port};
    struct dial *dial = dial_new(targets, way->candidate_count, way->probe->plan.timeout_ms);
    for (size_t i = 0; i < way->candidate_count; i++)
        try_candidate(way, dial, i);
    dial_free(dial);
    if (way->is_all_silent && way->port == PORT)
        probe_result_next(&way->result,
                          "if other hosts are silent on port 25 too, this network blocks it on the "
                          "way out: have its provider open it, or send by a smarthost (routes: in "
                          "postrider.yaml(5))");
}

/* A route to a socket of this host's. */
static void try_socket(struct way *way)
{
    struct probe *probe = way->probe;
    struct candidate none = {.host = 0};
    char path[256];
    struct error err;
    way->only.name = way->route->unix_path;
    way->hosts = &way->only;
    struct probe_hop hop = hop_of(way, &none);
    snprintf(path, sizeof path, "%.*s", BYTES_ARGS(way->route->unix_path));
    hop.unix_path = path;
    if (dialogue_connect_unix(probe->dialogue, path, &err)) {
        probe_log_add(probe->log, PROBE_GOOD, "connect", "%s", path);
        converse(way, &hop, &way->result);
        probe_talk_quit(probe);
        return;
    }
    probe_log_add(probe->log, PROBE_BAD, "connect", "%s", err.text);
    probe_result_set(&way->result, PROBE_NO_WAY, "%s cannot be reached", path);
    probe_result_next(&way->result, "start the server behind it, and look who may enter its "
                                    "folder");
}

/* A domain in A-labels, so that what needs SMTPUTF8 is the local part alone. */
static void print_recipient(struct way *way)
{
    const struct address *address = &way->probe->plan.address;
    if (way->ascii.len && bytes_is_ascii(address->local))
        buf_addf(&way->recipient, "%.*s@%.*s", BYTES_ARGS(address->local),
                 BYTES_ARGS(buf_view(&way->ascii)));
    else
        buf_add(&way->recipient, address->whole);
}

int probe_address(struct probe *probe)
{
    struct way way = {.probe = probe, .domain = probe->plan.address.domain};
    way.arena = arena_new(MX_ARENA);
    buf_init(&way.ascii, HOST_NAME_LIMIT);
    buf_init(&way.recipient, PATH_LIMIT);
    if (probe->plan.address.is_literal || !idna_to_ascii(way.domain, &way.ascii))
        buf_clear(&way.ascii);
    print_recipient(&way);
    look_for_route(&way);
    if (way.route && way.route->unix_path.len) {
        try_socket(&way);
    } else if (find_hosts(&way) && find_addresses(&way)) {
        suggest(&way, true);
        try_all(&way);
    }
    int status = end(&way);
    buf_done(&way.recipient);
    buf_done(&way.ascii);
    arena_free(way.arena);
    return status;
}
