/* The relay audit of all listeners, and of other servers. */
#include <stdio.h>
#include <string.h>

#include "cli/check.h"
#include "cli/dialogue.h"
#include "cli/relay_audit.h"

#define AREA "relay"

static void tell_own_alone(struct check *check, const struct config_listener *listener)
{
    struct finding *finding = findings_add(check->findings, SEVERITY_GOOD, AREA, "relay-own");
    buf_addf(&finding->what, "%s: only this host reaches it, whose programs may relay there",
             listener->address);
}

static void tell_trusted(struct check *check, const struct config_listener *listener,
                         enum origin_result result)
{
    struct finding *finding = findings_add(check->findings, SEVERITY_NOTE, AREA, "relay-untried");
    bool may_help = !check->has_namespace;
    buf_addf(&finding->what, "%s: whether it relays for strangers was not tried",
             listener->address);
    buf_addf(&finding->meaning,
             result == ORIGIN_TRUSTED
                 ? "every address that this host can come from is trusted by the configuration"
                 : "this host has no address to come from");
    if (may_help)
        buf_addf(&finding->remedy,
                 "as root: postrider check relay --namespace; or from another "
                 "machine: postrider check --server HOST:%u --domain DOMAIN",
                 listener->port);
}

static void audit_listener(struct check *check, const struct config_listener *listener,
                           struct origin_space *space, const struct ip *from)
{
    struct origin origin;
    struct relay_target target = {.name = listener->address,
                                  .port = listener->port,
                                  .config = check->config,
                                  .listener = listener,
                                  .has_logins = check->is_named,
                                  .stranger = check->to};
    enum origin_result result = origin_find(check->config, listener, space, from, &origin);
    switch (result) {
    case ORIGIN_FOUND:
        target.to = origin.to;
        target.from = &origin.from;
        target.space = origin.space;
        relay_audit(&target, check->findings);
        return;
    case ORIGIN_OWN_ALONE: tell_own_alone(check, listener); return;
    case ORIGIN_NONE:
        /* The other family's listeners are not what was asked for. */
        if (!from)
            tell_trusted(check, listener, result);
        return;
    case ORIGIN_TRUSTED: tell_trusted(check, listener, result); return;
    }
}

static void tell_down(struct check *check)
{
    struct finding *finding = findings_add(check->findings, SEVERITY_PROBLEM, AREA, "server-down");
    buf_addf(&finding->what, "the server is not running, so that nothing can be tried");
    buf_addf(&finding->how, "nobody answers at %s", check->config->control_socket);
    buf_addf(&finding->remedy, "postrider serve --config %s", check->config_path);
}

static bool read_from(struct check *check, struct ip *from)
{
    if (!check->from || ip_scan(bytes_of(check->from), from))
        return true;
    struct finding *finding = findings_add(check->findings, SEVERITY_PROBLEM, AREA, "no-address");
    buf_addf(&finding->what, "--from: %.80s is no address", check->from);
    return false;
}

void check_relay(struct check *check)
{
    struct origin_space *space = NULL;
    struct error err;
    struct ip from;
    if (!check->is_running) {
        tell_down(check);
        return;
    }
    if (!read_from(check, &from))
        return;
    if (check->has_namespace && !(space = origin_space_open(&err))) {
        struct finding *finding =
            findings_add(check->findings, SEVERITY_UNKNOWN, AREA, "no-namespace");
        buf_addf(&finding->what, "%s", err.text);
        buf_addf(&finding->remedy, "be root, in a place where namespaces can be made");
    }
    for (size_t i = 0; i < check->config->listener_count; i++)
        audit_listener(check, &check->config->listeners[i], space, check->from ? &from : NULL);
    origin_space_close(space);
}

/* "192.0.2.1:25", "[2001:db8::1]:25", "mx.example.org:25". */
static bool split_server(const char *server, char host[256], uint16_t *port, struct error *err)
{
    struct bytes text = bytes_of(server);
    size_t colon = bytes_find_last(text, ':');
    struct bytes name = bytes_sub(text, 0, colon);
    uint64_t number = 0;
    if (name.len >= 2 && name.at[0] == '[' && name.at[name.len - 1] == ']')
        name = bytes_sub(name, 1, name.len - 2);
    else if (bytes_find(name, ':') < name.len)
        name = BYTES_NONE;
    if (!name.len || name.len >= 256 || !scan_u64(bytes_from(text, colon + 1), 65535, &number) ||
        !number)
        return error_set(err, 0,
                         "--server takes HOST:PORT, such as 192.0.2.1:25 or "
                         "[2001:db8::1]:25, not %.80s",
                         server);
    snprintf(host, 256, "%.*s", BYTES_ARGS(name));
    *port = (uint16_t)number;
    return true;
}

bool check_relay_server(struct check *check, const char *server, const char *domain,
                        struct error *err)
{
    char host[256];
    struct ip from, addresses[DIALOGUE_ADDRESS_LIMIT];
    size_t count = 0;
    struct relay_target target = {
        .name = server, .domain = domain, .has_logins = true, .stranger = check->to};
    if (check->from && !ip_scan(bytes_of(check->from), &from))
        return error_set(err, 0, "--from: %.80s is no address", check->from);
    if (!split_server(server, host, &target.port, err))
        return false;
    struct dialogue *dialogue = dialogue_new(&(struct dialogue_settings){.connect_ms = 0}, err);
    bool is_found = dialogue && dialogue_lookup(dialogue, host, addresses, &count, err);
    dialogue_free(dialogue);
    if (!is_found)
        return false;
    target.to = addresses[0];
    for (size_t i = 0; check->from && i < count; i++)
        if (ip_is_ipv4(&addresses[i]) == ip_is_ipv4(&from))
            target.to = addresses[i];
    target.from = check->from ? &from : NULL;
    relay_audit(&target, check->findings);
    return true;
}
