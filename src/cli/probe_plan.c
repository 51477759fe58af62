#include "cli/probe_plan.h"

#include <stddef.h>
#include <string.h>

#include "cli/host_port.h"
#include "daemon/schema.h"

enum { TIMEOUT_MOST_MS = 10 * 60 * 1000 };

/* The words as they are given; NULL: not given. */
struct given {
    const char *port, *mail_from, *helo, *user, *is_password_stdin, *families, *ca, *timeout;
    const char *config, *zone, *is_json;
    struct option_list resolvers;
};

#define GIVEN(member) offsetof(struct given, member)

static const struct option options[] = {
    {"--port", "PORT", OPTION_VALUE, GIVEN(port),
     "this port alone; of an ADDRESS's hosts in place of 25", NULL},
    {"--from", "ADDRESS", OPTION_VALUE, GIVEN(mail_from),
     "the reverse-path (MAIL FROM); without it <>, that of a report", NULL},
    {"--helo", "NAME", OPTION_VALUE, GIVEN(helo),
     "what to say in EHLO (the configuration's hostname, or this host's)", NULL},
    {"--user", "NAME", OPTION_VALUE, GIVEN(user),
     "log in, inside verified TLS only; the password is asked for", NULL},
    {"--password-stdin", NULL, OPTION_FLAG, GIVEN(is_password_stdin),
     "read the password from standard input", NULL},
    {"--ip", "4|6", OPTION_VALUE, GIVEN(families), "addresses of this kind only", NULL},
    {"--ca", "FILE", OPTION_VALUE, GIVEN(ca), "trust these certificates, not the system's", NULL},
    {"--timeout", "DURATION", OPTION_VALUE, GIVEN(timeout), "for each step (10s)", NULL},
    {"--resolver", "ADDRESS:PORT", OPTION_LIST, GIVEN(resolvers),
     "ask this DNS server; may be repeated", NULL},
    {"--zone", "FILE", OPTION_VALUE, GIVEN(zone), "answer from this JSON zone, not from the DNS",
     NULL},
    {"--config", "FILE", OPTION_VALUE, GIVEN(config),
     "the configuration, whose routes, TLS rules and resolver are used", NULL},
    {"--json", NULL, OPTION_FLAG, GIVEN(is_json), "print JSON for programs", NULL},
};

void probe_plan_print_options(FILE *out)
{
    option_print(options, COUNT(options), out);
}

static struct bytes without_brackets(struct bytes path)
{
    bool has_brackets = path.len >= 2 && path.at[0] == '<' && path.at[path.len - 1] == '>';
    return has_brackets ? bytes_sub(path, 1, path.len - 2) : path;
}

static bool read_target(struct bytes text, struct probe_plan *plan, struct error *err)
{
    plan->text = text = without_brackets(text);
    plan->is_address = bytes_find(text, '@') < text.len;
    if (!plan->is_address)
        return host_port_read(text, &plan->host, &plan->port, err);
    if (address_parse(text, ADDRESS_UTF8, &plan->address) != PATH_OK)
        return error_set(err, 0, "%.*s is no address", BYTES_ARGS(bytes_sub(text, 0, 80)));
    return true;
}

static bool read_sender(const char *given, struct probe_plan *plan, struct error *err)
{
    struct address address;
    plan->mail_from = "";
    if (!given || !given[0] || strcmp(given, "<>") == 0)
        return true;
    if (address_parse(bytes_of(given), ADDRESS_UTF8, &address) != PATH_OK)
        return error_set(err, 0, "%.80s is no address; --from takes ann@example.org, or <>", given);
    plan->mail_from = given;
    return true;
}

static bool fill(const struct given *given, struct probe_plan *plan, struct error *err)
{
    const char *families = given->families;
    if (given->port && !port_read(bytes_of(given->port), &plan->port, err))
        return false;
    if (!read_sender(given->mail_from, plan, err))
        return false;
    if (given->helo && !domain_is_valid(bytes_of(given->helo), ADDRESS_ASCII) &&
        !address_literal_is_valid(bytes_of(given->helo)))
        return error_set(err, 0, "%.80s is no name for EHLO", given->helo);
    if (families && strcmp(families, "4") != 0 && strcmp(families, "6") != 0)
        return error_set(err, 0, "--ip takes 4 or 6, not %.80s", families);
    if (families)
        plan->families = families[0] == '4' ? FAMILIES_IPV4 : FAMILIES_IPV6;
    plan->timeout_ms = PROBE_TIMEOUT_MS;
    if (given->timeout && (!schema_scan_duration(bytes_of(given->timeout), &plan->timeout_ms) ||
                           plan->timeout_ms == 0 || plan->timeout_ms > TIMEOUT_MOST_MS))
        return error_set(err, 0, "%.80s is no time to wait, as 500ms, 10s or 1m are",
                         given->timeout);
    if (given->is_password_stdin && !given->user)
        return error_set(err, 0, "--password-stdin needs --user, whose password it is");
    plan->helo = given->helo;
    plan->user = given->user;
    plan->config = given->config;
    plan->zone = given->zone;
    plan->ca = given->ca;
    plan->resolvers = given->resolvers;
    plan->is_password_stdin = given->is_password_stdin != NULL;
    plan->is_json = given->is_json != NULL;
    return true;
}

bool probe_plan_read(char **words, size_t count, struct probe_plan *out, struct error *err)
{
    struct given given = {.port = NULL};
    struct probe_plan plan = {.port = 0};
    struct option_list targets = {.count = 0};
    if (!option_read(options, COUNT(options), words, count, &given, &targets, err))
        return false;
    if (targets.count == 0)
        return error_set(err, 0, "what is there to probe? ann@example.org, or a HOST[:PORT]");
    if (targets.count > 1)
        return error_set(err, 0, "one HOST or ADDRESS at a time, not %.80s too", targets.at[1]);
    if (!read_target(bytes_of(targets.at[0]), &plan, err) || !fill(&given, &plan, err))
        return false;
    if (plan.resolvers.count > RESOLVER_SERVER_LIMIT)
        return error_set(err, 0, "--resolver more than %d times", RESOLVER_SERVER_LIMIT);
    *out = plan;
    return true;
}
