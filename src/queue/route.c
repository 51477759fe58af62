#include "queue/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "base/map.h"
#include "base/memory.h"
#include "policy/pattern.h"

enum { SMTP_PORT = 25, SMTPS_PORT = 465, UNIX_PATH_LIMIT = 107 };

static const char wanted[] =
    "write smtp://HOST[:PORT], smtps://HOST[:PORT], lmtp://HOST:PORT, lmtp:unix:/PATH or mx";

/* --- Endpoints ---------------------------------------------------------------------------------
 */

static bool scan_unix(struct bytes text, struct bytes path, struct endpoint *out, struct error *err)
{
    if (path.len == 0 || path.at[0] != '/')
        return error_set(err, 0, "the path of the socket must begin with a slash: %s", wanted);
    if (path.len > UNIX_PATH_LIMIT || bytes_find(path, 0) < path.len)
        return error_set(err, 0, "the path of a socket has at most %d bytes", UNIX_PATH_LIMIT);
    *out = (struct endpoint){.kind = ENDPOINT_LMTP, .unix_path = path, .name = text};
    return true;
}

static bool host_is_valid(struct bytes host, bool is_bracketed)
{
    for (size_t i = 0; i < host.len; i++) {
        uint8_t byte = host.at[i];
        if (!ascii_is_alpha(byte) && !ascii_is_digit(byte) && byte != '.' && byte != '-' &&
            byte != '_' && !(is_bracketed && byte == ':'))
            return false;
    }
    return host.len > 0 && host.len <= 255;
}

/* Splits "host", "host:port" and "[address]:port"; a port not given is *port as it was. */
static bool scan_host(struct bytes rest, struct bytes *host, uint16_t *port, struct error *err)
{
    struct bytes port_text = BYTES_NONE;
    bool has_port, is_bracketed = rest.len > 0 && rest.at[0] == '[';
    if (is_bracketed) {
        struct bytes behind;
        if (!bytes_cut(bytes_from(rest, 1), ']', host, &behind))
            return error_set(err, 0, "an opening bracket without its end: %s", wanted);
        has_port = behind.len > 0;
        if (has_port && behind.at[0] != ':')
            return error_set(err, 0, "only a colon and a port may follow the bracket: %s", wanted);
        port_text = bytes_from(behind, 1);
    } else {
        has_port = bytes_cut(rest, ':', host, &port_text);
    }
    if (!host_is_valid(*host, is_bracketed))
        return error_set(err, 0, "\"%.*s\" is no host (IPv6 addresses need brackets): %s",
                         BYTES_ARGS(bytes_sub(*host, 0, 64)), wanted);
    uint64_t number = *port;
    if ((has_port && !scan_u64(port_text, UINT16_MAX, &number)) || (has_port && number == 0))
        return error_set(err, 0, "\"%.*s\" is no port: %s", BYTES_ARGS(bytes_sub(port_text, 0, 64)),
                         wanted);
    if (number == 0)
        return error_set(err, 0, "LMTP has no port of its own: %s", wanted);
    *port = (uint16_t)number;
    return true;
}

/* "mx" or "mx:PORT". */
static bool scan_mx(struct bytes text, struct endpoint *out, struct error *err)
{
    struct bytes word, port_text;
    uint64_t port = SMTP_PORT;
    if (bytes_cut(text, ':', &word, &port_text) &&
        (!scan_u64(port_text, UINT16_MAX, &port) || port == 0))
        return error_set(err, 0, "\"%.*s\" is no port: %s", BYTES_ARGS(bytes_sub(port_text, 0, 64)),
                         wanted);
    *out = (struct endpoint){.kind = ENDPOINT_MX, .port = (uint16_t)port, .name = text};
    return true;
}

bool endpoint_scan(struct bytes text, struct endpoint *out, struct error *err)
{
    static const struct bytes smtp = BYTES_INIT("smtp://"), smtps = BYTES_INIT("smtps://"),
                              lmtp = BYTES_INIT("lmtp://");
    static const struct bytes lmtp_unix = BYTES_INIT("lmtp:unix:"),
                              plain_unix = BYTES_INIT("unix:");
    if (bytes_starts_nocase(text, lmtp_unix))
        return scan_unix(text, bytes_from(text, lmtp_unix.len), out, err);
    if (bytes_starts_nocase(text, plain_unix))
        return scan_unix(text, bytes_from(text, plain_unix.len), out, err);
    if (bytes_equal_nocase(text, BYTES("mx")) || bytes_starts_nocase(text, BYTES("mx:")))
        return scan_mx(text, out, err);
    struct endpoint found = {.name = text};
    size_t before = smtp.len;
    if (bytes_starts_nocase(text, smtp)) {
        found.kind = ENDPOINT_SMTP;
        found.port = SMTP_PORT;
    } else if (bytes_starts_nocase(text, smtps)) {
        found.kind = ENDPOINT_SMTP;
        found.port = SMTPS_PORT;
        found.is_implicit_tls = true;
        before = smtps.len;
    } else if (bytes_starts_nocase(text, lmtp)) {
        found.kind = ENDPOINT_LMTP;
    } else {
        return error_set(err, 0, "\"%.*s\" is no place to deliver to: %s",
                         BYTES_ARGS(bytes_sub(text, 0, 64)), wanted);
    }
    if (!scan_host(bytes_from(text, before), &found.host, &found.port, err))
        return false;
    *out = found;
    return true;
}

/* --- Routes ------------------------------------------------------------------------------------
 */

struct route {
    struct endpoint endpoint; /* views into text, and tls_owned */
    struct tls_rule *tls_owned;
    uint8_t text[];
};

struct routes {
    struct map *by_pattern; /* lower case: struct route */
    struct tls_rules *tls;
};

struct routes *routes_new(uint64_t seed)
{
    struct routes *routes = NEW(struct routes);
    routes->by_pattern = map_new(seed);
    routes->tls = tls_rules_new(seed);
    return routes;
}

void routes_free(struct routes *routes)
{
    if (!routes)
        return;
    size_t place = 0;
    for (void *value; map_next(routes->by_pattern, &place, &value);) {
        struct route *route = value;
        free(route->tls_owned);
        free(route);
    }
    map_free(routes->by_pattern);
    tls_rules_free(routes->tls);
    free(routes);
}

static struct bytes put(uint8_t **at, struct bytes bytes)
{
    struct bytes copy = {*at, bytes.len};
    if (bytes.len)
        memcpy(*at, bytes.at, bytes.len);
    *at += bytes.len;
    return copy;
}

/* Places with other limits, or another rule for TLS, are other lanes, with other names. */
static void print_limits(struct buf *out, const struct endpoint_limits *limits)
{
    if (limits->connections)
        buf_addf(out, ";connections=%u", limits->connections);
    if (limits->connection_messages)
        buf_addf(out, ";messages_per_connection=%u", limits->connection_messages);
    if (limits->rate.messages) {
        buf_add(out, BYTES(";rate="));
        rate_print(out, &limits->rate);
    }
}

static struct route *route_new(const struct endpoint *endpoint)
{
    struct buf name;
    buf_init(&name, SIZE_MAX);
    buf_add(&name, endpoint->name);
    print_limits(&name, &endpoint->limits);
    if (endpoint->user.len) {
        buf_add(&name, BYTES(";user="));
        buf_add(&name, endpoint->user);
    }
    if (endpoint->tls)
        tls_rule_print(&name, endpoint->tls);
    size_t len = endpoint->host.len + endpoint->unix_path.len + name.len + endpoint->user.len +
                 endpoint->password_file.len;
    struct route *route = memory_new(1, sizeof *route + len);
    uint8_t *at = route->text;
    route->endpoint = *endpoint;
    route->endpoint.host = put(&at, endpoint->host);
    route->endpoint.unix_path = put(&at, endpoint->unix_path);
    route->endpoint.name = put(&at, buf_view(&name));
    route->endpoint.user = put(&at, endpoint->user);
    route->endpoint.password_file = put(&at, endpoint->password_file);
    if (endpoint->tls)
        route->endpoint.tls = route->tls_owned = tls_rule_copy(endpoint->tls);
    buf_done(&name);
    return route;
}

bool routes_add(struct routes *routes, struct bytes pattern, const struct endpoint *endpoint)
{
    uint8_t room[PATTERN_LIMIT];
    if (!pattern_is_valid(pattern))
        return false;
    struct bytes lower = pattern_lower(pattern, room);
    if (map_find(routes->by_pattern, lower))
        return false;
    map_add(routes->by_pattern, lower, route_new(endpoint));
    return true;
}

const struct endpoint *routes_find(const struct routes *routes, struct bytes domain)
{
    const struct route *route = pattern_find(routes->by_pattern, domain);
    return route ? &route->endpoint : NULL;
}

/* --- TLS ---------------------------------------------------------------------------------------
 */

static bool is_on_this_host(const struct endpoint *endpoint)
{
    struct ip ip;
    return ip_scan(endpoint->host, &ip) && ip_is_loopback(&ip);
}

struct tls_rules *routes_tls(struct routes *routes)
{
    return routes->tls;
}

const struct tls_rule *routes_tls_rule(const struct routes *routes, const struct endpoint *route,
                                       struct bytes domain)
{
    const struct tls_rule *own = route ? endpoint_tls_rule(route) : NULL;
    return own ? own : tls_rules_find(routes->tls, domain);
}

const struct tls_rule *endpoint_tls_rule(const struct endpoint *endpoint)
{
    if (endpoint->unix_path.len)
        return tls_rule_local();
    if (endpoint->tls)
        return endpoint->tls;
    if (endpoint->is_implicit_tls)
        return tls_rule_smtps();
    return endpoint->user.len && !is_on_this_host(endpoint) ? tls_rule_login() : NULL;
}
