#include "queue/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"

enum { SMTP_PORT = 25, PATTERN_LIMIT = 256, UNIX_PATH_LIMIT = 107 };

static const char wanted[] = "write smtp://HOST[:PORT], lmtp://HOST:PORT, lmtp:unix:/PATH or mx";

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
    static const struct bytes smtp = BYTES_INIT("smtp://"), lmtp = BYTES_INIT("lmtp://");
    static const struct bytes lmtp_unix = BYTES_INIT("lmtp:unix:"),
                              plain_unix = BYTES_INIT("unix:");
    if (bytes_starts_nocase(text, lmtp_unix))
        return scan_unix(text, bytes_from(text, lmtp_unix.len), out, err);
    if (bytes_starts_nocase(text, plain_unix))
        return scan_unix(text, bytes_from(text, plain_unix.len), out, err);
    if (bytes_equal_nocase(text, BYTES("mx")) || bytes_starts_nocase(text, BYTES("mx:")))
        return scan_mx(text, out, err);
    struct endpoint found = {.name = text};
    if (bytes_starts_nocase(text, smtp)) {
        found.kind = ENDPOINT_SMTP;
        found.port = SMTP_PORT;
    } else if (bytes_starts_nocase(text, lmtp)) {
        found.kind = ENDPOINT_LMTP;
    } else {
        return error_set(err, 0, "\"%.*s\" is no place to deliver to: %s",
                         BYTES_ARGS(bytes_sub(text, 0, 64)), wanted);
    }
    if (!scan_host(bytes_from(text, smtp.len), &found.host, &found.port, err))
        return false;
    *out = found;
    return true;
}

/* --- Routes ------------------------------------------------------------------------------------
 */

struct route {
    struct endpoint endpoint; /* views into text */
    uint8_t text[];
};

struct routes {
    struct map *by_pattern; /* lower case: struct route */
};

struct routes *routes_new(uint64_t seed)
{
    struct routes *routes = NEW(struct routes);
    routes->by_pattern = map_new(seed);
    return routes;
}

void routes_free(struct routes *routes)
{
    if (!routes)
        return;
    size_t place = 0;
    for (void *value; map_next(routes->by_pattern, &place, &value);)
        free(value);
    map_free(routes->by_pattern);
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

/* Places with other limits are other lanes, with other names. */
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
    size_t len = endpoint->host.len + endpoint->unix_path.len + name.len;
    struct route *route = memory_new(1, sizeof *route + len);
    uint8_t *at = route->text;
    route->endpoint = *endpoint;
    route->endpoint.host = put(&at, endpoint->host);
    route->endpoint.unix_path = put(&at, endpoint->unix_path);
    route->endpoint.name = put(&at, buf_view(&name));
    buf_done(&name);
    return route;
}

static struct bytes lower(struct bytes text, uint8_t room[PATTERN_LIMIT])
{
    for (size_t i = 0; i < text.len; i++)
        room[i] = ascii_lower(text.at[i]);
    return (struct bytes){room, text.len};
}

static bool pattern_is_valid(struct bytes pattern)
{
    if (bytes_equal(pattern, BYTES("*")))
        return true;
    if (pattern.len > PATTERN_LIMIT)
        return false;
    struct bytes rest = bytes_from(pattern, pattern.len > 0 && pattern.at[0] == '.');
    struct bytes label;
    for (bool has_more = true; has_more;) {
        has_more = bytes_cut(rest, '.', &label, &rest);
        if (label.len == 0)
            return false;
    }
    return bytes_find(pattern, '*') == pattern.len && bytes_find(pattern, '@') == pattern.len;
}

bool routes_add(struct routes *routes, struct bytes pattern, const struct endpoint *endpoint)
{
    uint8_t room[PATTERN_LIMIT];
    if (!pattern_is_valid(pattern) || map_find(routes->by_pattern, lower(pattern, room)))
        return false;
    map_add(routes->by_pattern, lower(pattern, room), route_new(endpoint));
    return true;
}

static const struct route *find(const struct routes *routes, struct bytes domain)
{
    const struct route *route = map_find(routes->by_pattern, domain);
    for (size_t at = 0; !route && at < domain.len;) {
        size_t dot = bytes_find(bytes_from(domain, at), '.');
        struct bytes suffix = bytes_from(domain, at + dot);
        /* ".example.org" is what is below it: a domain that begins with the dot is none. */
        if (at + dot > 0 && suffix.len > 0)
            route = map_find(routes->by_pattern, suffix);
        at += dot + 1;
    }
    return route ? route : map_find(routes->by_pattern, BYTES("*"));
}

const struct endpoint *routes_find(const struct routes *routes, struct bytes domain)
{
    uint8_t room[PATTERN_LIMIT];
    if (domain.len > sizeof room)
        return NULL;
    const struct route *route = find(routes, lower(domain, room));
    return route ? &route->endpoint : NULL;
}
