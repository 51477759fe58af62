#include "smtp/proxy.h"

#include <string.h>

static const struct bytes v1_start = BYTES_INIT("PROXY "),
                          v2_start = BYTES_INIT("\r\n\r\n\0\r\nQUIT\n");

enum { V2_FIXED = 16, V2_VERSION = 2, COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_IPV4 = 1, FAMILY_IPV6 = 2, IPV4_LEN = 12, IPV6_LEN = 36 };

_Static_assert((int)PROXY_KEPT_LIMIT <= (int)PROXY_V1_LIMIT, "either version's fits");

void proxy_init(struct proxy *proxy)
{
    *proxy = (struct proxy){.len = 0};
}

static enum proxy_status bad(struct proxy *proxy, const char *fault)
{
    proxy->fault = fault;
    return PROXY_BAD;
}

/* --- Version 1: a line -------------------------------------------------------------------------
 */

static bool scan_port(struct bytes text, uint16_t *out)
{
    uint64_t port;
    if (!scan_u64(text, UINT16_MAX, &port) || (text.len > 1 && text.at[0] == '0'))
        return false;
    *out = (uint16_t)port;
    return true;
}

/* "TCP4 192.0.2.1 192.0.2.2 56324 25": source and destination. */
static bool scan_addresses(struct proxy *proxy, struct bytes rest)
{
    struct bytes family, source, target, source_port, target_port;
    struct ip other;
    uint16_t other_port;
    bool is_whole = bytes_cut(rest, ' ', &family, &rest) && bytes_cut(rest, ' ', &source, &rest) &&
                    bytes_cut(rest, ' ', &target, &rest) &&
                    bytes_cut(rest, ' ', &source_port, &target_port);
    bool is_v4 = bytes_equal(family, BYTES("TCP4"));
    if (!is_whole || (!is_v4 && !bytes_equal(family, BYTES("TCP6"))))
        return false;
    bool is_good = ip_scan(source, &proxy->ip) && ip_scan(target, &other) &&
                   scan_port(source_port, &proxy->port) && scan_port(target_port, &other_port);
    bool has_colon = bytes_find(source, ':') < source.len;
    proxy->has_client = is_good && has_colon != is_v4;
    return proxy->has_client;
}

static enum proxy_status line_ended(struct proxy *proxy)
{
    struct bytes line = {proxy->kept, proxy->len};
    if (line.len < 2 || line.at[line.len - 2] != '\r')
        return bad(proxy, "its line does not end in CRLF");
    struct bytes rest = bytes_from(bytes_sub(line, 0, line.len - 2), v1_start.len);
    if (bytes_equal(rest, BYTES("UNKNOWN")) || bytes_starts(rest, BYTES("UNKNOWN ")))
        return PROXY_DONE;
    if (scan_addresses(proxy, rest))
        return PROXY_DONE;
    return bad(proxy, "its addresses cannot be read");
}

static enum proxy_status read_line(struct proxy *proxy, uint8_t byte)
{
    proxy->kept[proxy->len++] = byte;
    if (proxy->len <= v1_start.len)
        return byte == v1_start.at[proxy->len - 1] ? PROXY_MORE : bad(proxy, "it is none");
    if (byte == '\n')
        return line_ended(proxy);
    return proxy->len < PROXY_V1_LIMIT ? PROXY_MORE : bad(proxy, "its line is too long");
}

/* --- Version 2: bytes --------------------------------------------------------------------------
 */

static void take_source(struct proxy *proxy)
{
    const uint8_t *at = proxy->kept + V2_FIXED;
    bool is_v4 = proxy->kept[13] >> 4 == FAMILY_IPV4;
    const uint8_t *port = at + (is_v4 ? 8 : 32);
    proxy->ip = is_v4 ? ip_from_ipv4(at) : ip_from_ipv6(at);
    proxy->port = (uint16_t)(port[0] << 8 | port[1]);
    proxy->has_client = true;
}

/* The fixed part is here: how much is to come, and whether it can be right. */
static enum proxy_status fixed_ended(struct proxy *proxy)
{
    unsigned version = proxy->kept[12] >> 4, command = proxy->kept[12] & 15;
    unsigned family = proxy->kept[13] >> 4;
    size_t least = family == FAMILY_IPV4 ? IPV4_LEN : family == FAMILY_IPV6 ? IPV6_LEN : 0;
    proxy->left = (size_t)(proxy->kept[14] << 8 | proxy->kept[15]);
    if (version != V2_VERSION || command > COMMAND_PROXY)
        return bad(proxy, "it is of a version, or has a command, that is not known");
    if (command == COMMAND_PROXY && proxy->left < least)
        return bad(proxy, "it is shorter than its addresses");
    return proxy->left ? PROXY_MORE : PROXY_DONE;
}

static enum proxy_status read_byte(struct proxy *proxy, uint8_t byte)
{
    if (proxy->len < PROXY_KEPT_LIMIT)
        proxy->kept[proxy->len] = byte;
    proxy->len++;
    if (proxy->len <= v2_start.len)
        return byte == v2_start.at[proxy->len - 1] ? PROXY_MORE : bad(proxy, "it is none");
    if (proxy->len < V2_FIXED)
        return PROXY_MORE;
    if (proxy->len == V2_FIXED)
        return fixed_ended(proxy);
    if (--proxy->left)
        return PROXY_MORE;
    unsigned family = proxy->kept[13] >> 4;
    bool has_address = family == FAMILY_IPV4 || family == FAMILY_IPV6;
    if ((proxy->kept[12] & 15) == COMMAND_PROXY && has_address)
        take_source(proxy);
    return PROXY_DONE;
}

enum proxy_status proxy_read(struct proxy *proxy, struct bytes *input)
{
    enum proxy_status status = PROXY_MORE;
    while (input->len && status == PROXY_MORE) {
        uint8_t byte = input->at[0];
        bool is_v1 = proxy->len ? proxy->kept[0] == v1_start.at[0] : byte == v1_start.at[0];
        *input = bytes_from(*input, 1);
        status = is_v1 ? read_line(proxy, byte) : read_byte(proxy, byte);
    }
    return status;
}
