#include "policy/networks.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { HINT_SIZE = 64 };

struct network {
    struct ip ip;
    unsigned bits;
};

struct networks {
    struct network *items;
    size_t count, cap;
};

struct networks *networks_new(void)
{
    return NEW(struct networks);
}

void networks_free(struct networks *networks)
{
    if (!networks)
        return;
    free(networks->items);
    free(networks);
}

static void print_hint(const struct network *network, bool is_ipv4, char hint[HINT_SIZE])
{
    char ip[INET6_ADDRSTRLEN] = "";
    struct buf out = {.at = (uint8_t *)hint, .cap = HINT_SIZE, .limit = HINT_SIZE};
    if (is_ipv4)
        inet_ntop(AF_INET, network->ip.at + IP_MAPPED_BITS / 8, ip, sizeof ip);
    else
        inet_ntop(AF_INET6, network->ip.at, ip, sizeof ip);
    buf_addf(&out, "%s/%u", ip, is_ipv4 ? network->bits - IP_MAPPED_BITS : network->bits);
    buf_add_byte(&out, 0);
}

bool networks_add(struct networks *networks, struct bytes text, char hint[HINT_SIZE])
{
    struct bytes address, length;
    struct network network;
    hint[0] = 0;
    bool has_length = bytes_cut(text, '/', &address, &length);
    if (!ip_scan(address, &network.ip))
        return false;
    bool is_ipv4 = bytes_find(address, ':') == address.len;
    uint64_t bits = is_ipv4 ? IP_BITS - IP_MAPPED_BITS : IP_BITS;
    if (has_length && (length.len > 3 || !scan_u64(length, bits, &bits)))
        return false;
    network.bits = (unsigned)bits + (is_ipv4 ? IP_MAPPED_BITS : 0);
    struct ip masked = ip_masked(&network.ip, network.bits);
    bool has_host_bits = memcmp(&masked, &network.ip, sizeof masked) != 0;
    network.ip = masked;
    if (has_host_bits) {
        print_hint(&network, is_ipv4, hint);
        return false;
    }
    if (networks->count == networks->cap) {
        networks->cap = networks->cap ? networks->cap * 2 : 8;
        networks->items = memory_resize(networks->items, networks->cap, sizeof *networks->items);
    }
    networks->items[networks->count++] = network;
    return true;
}

static bool network_has(const struct network *network, const struct ip *ip)
{
    /* "::/0" and the like are IPv6 networks: that mapped addresses lie in them by their bits is
     * not meant, and would let the whole IPv4 world in. */
    if (network->bits < IP_MAPPED_BITS && ip_is_ipv4(ip))
        return false;
    return ip_matches(ip, &network->ip, network->bits);
}

bool networks_have(const struct networks *networks, const struct ip *ip)
{
    for (size_t i = 0; i < networks->count; i++)
        if (network_has(&networks->items[i], ip))
            return true;
    return false;
}

bool networks_next(const struct networks *networks, size_t *place, struct ip *ip, unsigned *bits)
{
    if (*place >= networks->count)
        return false;
    *ip = networks->items[*place].ip;
    *bits = networks->items[*place].bits;
    ++*place;
    return true;
}

static bool is_ipv4_network(const struct ip *ip, unsigned bits)
{
    return ip_is_ipv4(ip) && bits >= IP_MAPPED_BITS;
}

void network_print(struct buf *out, const struct ip *ip, unsigned bits)
{
    ip_print(out, ip);
    buf_addf(out, "/%u", is_ipv4_network(ip, bits) ? bits - IP_MAPPED_BITS : bits);
}

bool network_is_world(const struct ip *ip, unsigned bits)
{
    enum { WIDE_IPV4 = IP_MAPPED_BITS + 8, WIDE_IPV6 = 28 };
    if (is_ipv4_network(ip, bits)) {
        uint8_t first = ip->at[IP_MAPPED_BITS / 8];
        bool is_own = bits == WIDE_IPV4 && (first == 10 || first == 127);
        return bits <= WIDE_IPV4 && !is_own;
    }
    /* Unique local (RFC 4193) and link-local addresses (RFC 4291, 2.5.6). */
    bool is_local = (bits >= 7 && (ip->at[0] & 0xfe) == 0xfc) ||
                    (bits >= 10 && ip->at[0] == 0xfe && (ip->at[1] & 0xc0) == 0x80);
    return bits <= WIDE_IPV6 && !is_local;
}
