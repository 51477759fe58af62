/* What is wrong with a configuration, and whom it trusts. */
#include "cli/check.h"
#include "daemon/trust.h"

#define AREA "config"

/* "FILE:LINE: what is wrong; what to write instead". */
static void add_problem(struct check *check, struct bytes line)
{
    struct finding *finding =
        findings_add(check->findings, SEVERITY_PROBLEM, AREA, "configuration");
    size_t cut = bytes_search(line, BYTES("; "));
    buf_add(&finding->what, bytes_sub(line, 0, cut));
    buf_add(&finding->remedy, bytes_from(line, cut + 2));
    buf_add(&finding->how, BYTES("the configuration and the files that it names were read"));
}

static const char *right_words(enum trust_right right)
{
    switch (right) {
    case TRUST_RELAY: return "may send to anybody without logging in";
    case TRUST_UNCHECKED: return "sends mail that is not checked for whom it is from";
    case TRUST_SPEAK_FOR: return "may say that it speaks for any other client";
    }
    return "";
}

static void name_trust(struct buf *out, const struct check *check, const struct trust *trust)
{
    buf_addf(out, "%s: %s", check->config_path, trust->key);
    if (trust->listener)
        buf_addf(out, " of %s", trust->listener);
}

static size_t look_for_worlds(struct check *check, const struct trust *trust)
{
    struct ip ip;
    unsigned bits;
    size_t count = 0;
    for (size_t place = 0; networks_next(trust->networks, &place, &ip, &bits);) {
        if (!network_is_world(&ip, bits))
            continue;
        bool is_open = trust->right != TRUST_UNCHECKED;
        struct finding *finding = findings_add(
            check->findings, is_open ? SEVERITY_PROBLEM : SEVERITY_WARNING, AREA, "trusted-world");
        name_trust(&finding->what, check, trust);
        buf_addf(&finding->what, " has ");
        network_print(&finding->what, &ip, bits);
        buf_addf(&finding->what, ", which no one network is");
        buf_addf(&finding->meaning, "whoever has an address in it %s: strangers, too",
                 right_words(trust->right));
        buf_addf(&finding->how, "the network's length was looked at");
        buf_addf(&finding->remedy,
                 "name your own networks alone, and let all others log in; then: postrider reload");
        count++;
    }
    return count;
}

static void explain_gateway(struct finding *finding, const struct trust *trust,
                            const struct gateway *gateway, bool hides)
{
    if (gateway->kind == GATEWAY_BRIDGE)
        buf_addf(&finding->meaning,
                 "every container on that network %s; and where a proxy of the container engine "
                 "passes on what comes from outside, so does everybody",
                 right_words(trust->right));
    else if (hides)
        buf_addf(&finding->meaning,
                 "this server runs in a container, and container engines give what comes from "
                 "outside the gateway's address (always by IPv6 to an IPv4 container, and with a "
                 "userland proxy): then everybody %s. This is the commonest way to an open relay",
                 right_words(trust->right));
    else
        buf_addf(&finding->meaning,
                 "if that router masquerades what it passes on to here, everybody outside %s",
                 right_words(trust->right));
}

static size_t look_for_gateways(struct check *check, const struct trust *trust,
                                const struct gateways *gateways)
{
    size_t count = 0;
    for (size_t i = 0; i < gateways->count; i++) {
        const struct gateway *gateway = &gateways->list[i];
        enum gateway_danger danger = gateway_judge(gateways, gateway, trust->networks);
        bool hides = danger == GATEWAY_HIDES;
        if (danger == GATEWAY_HARMLESS || (trust->right == TRUST_UNCHECKED && !hides))
            continue;
        bool is_open = hides && trust->right == TRUST_RELAY;
        struct finding *finding =
            findings_add(check->findings, is_open ? SEVERITY_PROBLEM : SEVERITY_WARNING, AREA,
                         "trusted-gateway");
        name_trust(&finding->what, check, trust);
        buf_addf(&finding->what, " takes in ");
        ip_print(&finding->what, &gateway->ip);
        buf_addf(&finding->what, ", %s %s",
                 gateway->kind == GATEWAY_BRIDGE ? "this host's own address on"
                                                 : "this host's gateway on",
                 gateway->interface);
        explain_gateway(finding, trust, gateway, hides);
        buf_addf(&finding->how, "read in %s%s",
                 gateway->kind == GATEWAY_BRIDGE ? "the list of interfaces"
                                                 : "/proc/net/route and /proc/net/ipv6_route",
                 hides ? "; /.dockerenv, /run/.containerenv or /proc/1/cgroup show a container"
                       : "");
        buf_addf(&finding->remedy,
                 "name single addresses that are not the gateway's in %s, or none, and let "
                 "programs log in; then: postrider reload",
                 trust->key);
        count++;
    }
    return count;
}

static size_t look_at_trust(struct check *check)
{
    struct trust list[TRUST_LIMIT];
    struct gateways gateways;
    size_t found = 0, count = trust_list(check->config, list);
    trust_gateways(&gateways);
    for (size_t i = 0; i < count; i++) {
        size_t worlds = look_for_worlds(check, &list[i]);
        /* In the whole world each gateway lies, too. */
        found += worlds ? worlds : look_for_gateways(check, &list[i], &gateways);
    }
    return found;
}

void check_config(struct check *check, struct bytes problems)
{
    struct bytes line;
    bool is_good = problems.len == 0;
    while (problems.len) {
        bytes_cut(problems, '\n', &line, &problems);
        add_problem(check, line);
    }
    if (check->config && look_at_trust(check) == 0 && is_good) {
        struct finding *finding =
            findings_add(check->findings, SEVERITY_GOOD, AREA, "configuration");
        buf_addf(&finding->what, "%s says nothing wrong, and trusts no network too much",
                 check->config_path);
    }
}
