/* What the network does for a mail server: the DNS, DNSSEC, and port 25 on the way out. */
#include <errno.h>
#include <string.h>

#include "cli/dialogue.h"
#include "cli/dns_client.h"
#include "cli/init_look.h"
#include "cli/paint.h"
#include "facts/facts.h"

#define NETWORK "network"

enum { PROBE_WAIT_MS = 5000 };

/* A domain that exists, is signed, and stays so. */
static const struct bytes signed_domain = BYTES_INIT("ietf.org");

struct probe {
    const struct init_plan *plan;
    struct findings *findings;
    struct facts *facts;
};

/* --- The DNS -----------------------------------------------------------------------------------
 */

static void find_dns_silent(const struct probe *probe, const struct answer *answer)
{
    struct finding *finding = findings_add(probe->findings, SEVERITY_PROBLEM, NETWORK,
                                           answer->is_bogus ? "dnssec-bogus" : "resolver-silent");
    buf_addf(&finding->how, "%s for MX of %.*s", answer_status_name(answer->status),
             BYTES_ARGS(signed_domain));
    if (answer->reason.len) {
        buf_addf(&finding->how, ": ");
        paint_add(&finding->how, answer->reason);
    }
    if (answer->is_bogus) {
        buf_addf(&finding->what, "the DNS answers with signatures that do not hold");
        buf_addf(&finding->meaning, "domains that are signed do not exist for this server");
        buf_addf(&finding->remedy, "set the clock; else the servers in /etc/resolv.conf spoil "
                                   "DNSSEC: name others by --resolver, or write resolver: {dnssec: "
                                   "off}");
        return;
    }
    buf_addf(&finding->what, "the DNS does not answer for %.*s", BYTES_ARGS(signed_domain));
    buf_addf(&finding->meaning, "without it no mail leaves, and none that comes can be checked");
    buf_addf(&finding->remedy, "look at /etc/resolv.conf; or name a server by --resolver, such as "
                               "an unbound of your own at 127.0.0.1:53");
}

static void look_at_dns(const struct probe *probe)
{
    const struct answer *answer = facts_ask(probe->facts, FACT_MX, signed_domain);
    if (!answer)
        return;
    if (answer->status == ANSWER_SERVFAIL || answer->status == ANSWER_TIMEOUT) {
        find_dns_silent(probe, answer);
        return;
    }
    bool is_good = answer->status == ANSWER_FOUND && answer->is_secure;
    struct finding *finding = findings_add(
        probe->findings, is_good ? SEVERITY_GOOD : SEVERITY_WARNING, NETWORK, "dnssec");
    if (is_good) {
        buf_addf(&finding->what, "the DNS answers, and DNSSEC is validated");
        return;
    }
    buf_addf(&finding->what, "the DNS answers, and nothing is validated by DNSSEC");
    buf_addf(&finding->meaning, "who can forge answers can lead mail elsewhere unnoticed");
    buf_addf(&finding->how, "%s for MX of %.*s, which is signed, came without proof",
             answer_status_name(answer->status), BYTES_ARGS(signed_domain));
    buf_addf(&finding->remedy,
             "install the root's keys (Debian: dns-root-data); if they are there, "
             "the servers in /etc/resolv.conf drop signatures: use others");
}

static void take_addresses(struct facts *facts, struct bytes name, struct own_addresses *out)
{
    const struct answer *a = facts_ask(facts, FACT_A, name);
    const struct answer *aaaa = facts_ask(facts, FACT_AAAA, name);
    struct ip ip;
    if (ip_scan(name, &ip)) {
        own_addresses_add(out, &ip);
        return;
    }
    for (size_t i = 0; a && i < a->count; i++) {
        ip = ip_from_ipv4(a->records[i].data.at);
        own_addresses_add(out, &ip);
    }
    for (size_t i = 0; aaaa && i < aaaa->count; i++) {
        ip = ip_from_ipv6(aaaa->records[i].data.at);
        own_addresses_add(out, &ip);
    }
}

/* All questions at once, so that silence is waited for once. */
static bool ask(const struct probe *probe, struct error *err)
{
    struct own_addresses ignored = {.count = 0};
    struct resolver_settings settings = {.servers = probe->plan->resolvers.at,
                                         .server_count = probe->plan->resolvers.count,
                                         .is_validating = true,
                                         /* There the own name often has a loopback address. */
                                         .hosts = "/dev/null"};
    struct dns_client *dns = dns_client_open(NULL, &settings, err);
    if (!dns)
        return false;
    (void)facts_ask(probe->facts, FACT_MX, signed_domain);
    take_addresses(probe->facts, bytes_of(probe->plan->hostname), &ignored);
    take_addresses(probe->facts, bytes_of(probe->plan->probe_host), &ignored);
    dns_client_answer(dns, probe->facts);
    dns_client_close(dns);
    return true;
}

/* --- Port 25 -----------------------------------------------------------------------------------
 */

/* A server that greets; false: err says what came instead. */
static bool is_greeted(const struct probe *probe, const struct ip *ip, struct buf *greeting,
                       struct error *err)
{
    struct dialogue_settings settings = {.connect_ms = PROBE_WAIT_MS, .reply_ms = PROBE_WAIT_MS};
    const struct reply_scan *reply = NULL;
    struct dialogue *dialogue = dialogue_new(&settings, err);
    if (dialogue && dialogue_connect(dialogue, ip, probe->plan->probe_port, NULL, err))
        reply = dialogue_hear(dialogue, err);
    if (reply) {
        paint_add(greeting, (struct bytes){reply->text, reply->text_len});
        (void)dialogue_say(dialogue, err, "QUIT");
    }
    dialogue_free(dialogue);
    return reply != NULL;
}

static void try_port25(const struct probe *probe, struct init_look *look)
{
    const struct init_plan *plan = probe->plan;
    struct own_addresses hosts = {.count = 0};
    struct buf tried;
    struct error err;
    bool is_open = false, has[2] = {false, false};
    buf_init(&tried, sizeof look->port25_tried - 1);
    take_addresses(probe->facts, bytes_of(plan->probe_host), &hosts);
    /* One of each family tells enough. */
    for (size_t i = 0; i < hosts.count && !is_open; i++) {
        const struct ip *ip = &hosts.list[i];
        if (has[ip_is_ipv4(ip)] || (!ip_is_ipv4(ip) && !look->has_ipv6))
            continue;
        has[ip_is_ipv4(ip)] = true;
        buf_addf(&tried, "%sport %u of %s (", tried.len ? "; " : "", plan->probe_port,
                 plan->probe_host);
        ip_print(&tried, ip);
        buf_addf(&tried, "): ");
        is_open = is_greeted(probe, ip, &tried, &err);
        if (!is_open)
            buf_addf(&tried, "%s", err.text);
    }
    look->port25 = is_open ? PORT25_OPEN : tried.len ? PORT25_BLOCKED : PORT25_UNKNOWN;
    snprintf(look->port25_tried, sizeof look->port25_tried, "%.*s", BYTES_ARGS(buf_view(&tried)));
    buf_done(&tried);
}

static void find_blocked(const struct init_look *look, const struct init_plan *plan,
                         struct findings *findings)
{
    bool has_relayhost = plan->relayhost[0];
    struct finding *finding = findings_add(
        findings, has_relayhost ? SEVERITY_NOTE : SEVERITY_PROBLEM, NETWORK, "port25-blocked");
    buf_addf(&finding->what, "port %u is blocked on the way out", plan->probe_port);
    buf_addf(&finding->meaning, "%s",
             has_relayhost ? "no matter: the smarthost takes all mail"
                           : "mail for other servers stays in the queue; many providers block it "
                             "until they are asked");
    buf_addf(&finding->how, "%s", look->port25_tried);
    if (!has_relayhost)
        buf_addf(&finding->remedy,
                 "ask the provider to open it, or have a smarthost: routes: [{to: "
                 "\"*\", via: \"smtps://HOST\"}] (init: --relayhost)");
}

void init_look_tell_port25(const struct init_look *look, const struct init_plan *plan,
                           struct findings *findings)
{
    struct finding *finding;
    switch (look->port25) {
    case PORT25_UNTRIED: return;
    case PORT25_BLOCKED: find_blocked(look, plan, findings); return;
    case PORT25_OPEN:
        finding = findings_add(findings, SEVERITY_GOOD, NETWORK, "port25-open");
        buf_addf(&finding->what, "mail can leave: port %u is open on the way out",
                 plan->probe_port);
        buf_addf(&finding->how, "%s", look->port25_tried);
        return;
    case PORT25_UNKNOWN:
        finding = findings_add(findings, SEVERITY_UNKNOWN, NETWORK, "port25-unknown");
        buf_addf(&finding->what, "whether port 25 is open on the way out could not be tried");
        buf_addf(&finding->how, "the DNS has no address of %s that this host can reach",
                 plan->probe_host);
        buf_addf(&finding->remedy, "try it once the DNS answers: postrider probe %s",
                 plan->probe_host);
        return;
    }
}

void init_look_at_network(struct init_look *look, const struct init_plan *plan,
                          struct findings *findings)
{
    struct probe probe = {.plan = plan, .findings = findings};
    struct error err;
    if (plan->is_offline) {
        struct finding *finding = findings_add(findings, SEVERITY_UNKNOWN, NETWORK, "offline");
        buf_addf(&finding->what, "neither the DNS nor port 25 was looked at, by --offline");
        buf_addf(&finding->remedy,
                 "postrider dns check and postrider check, when the network is there");
        return;
    }
    probe.facts = facts_new();
    if (ask(&probe, &err)) {
        look_at_dns(&probe);
        take_addresses(probe.facts, bytes_of(plan->hostname), &look->named);
        try_port25(&probe, look);
    } else {
        struct finding *finding =
            findings_add(findings, SEVERITY_PROBLEM, NETWORK, "resolver-broken");
        buf_addf(&finding->what, "no resolver can be begun: %s", err.text);
        buf_addf(&finding->meaning, "the server would not start either");
        buf_addf(&finding->remedy, "correct --resolver: an address with its port, 127.0.0.1:53");
    }
    facts_free(probe.facts);
}
