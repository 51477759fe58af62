#include "policy/networks.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { IP_BITS = 128, MAPPED_BITS = 96, HINT_SIZE = 64 };

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct network {
    struct ip ip;
    unsigned bits;
};

struct networks {
    struct network *items;
    size_t count, cap;
};

bool ip_is_ipv4(const struct ip *ip)
{
    return memcmp(ip->at, mapped_prefix, sizeof mapped_prefix) == 0;
}

struct ip ip_from_ipv4(const uint8_t bytes[4])
{
    struct ip ip;
    memcpy(ip.at, mapped_prefix, sizeof mapped_prefix);
    memcpy(ip.at + sizeof mapped_prefix, bytes, 4);
    return ip;
}

struct ip ip_from_ipv6(const uint8_t bytes[16])
{
    struct ip ip;
    memcpy(ip.at, bytes, sizeof ip.at);
    return ip;
}

void ip_print(struct buf *out, const struct ip *ip)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (ip_is_ipv4(ip))
        inet_ntop(AF_INET, ip->at + sizeof mapped_prefix, text, sizeof text);
    else
        inet_ntop(AF_INET6, ip->at, text, sizeof text);
    buf_add(out, bytes_of(text));
}

bool ip_scan(struct bytes text, struct ip *out)
{
    char copy[INET6_ADDRSTRLEN];
    struct ip found;
    if (text.len == 0 || text.len >= sizeof copy || bytes_find(text, 0) < text.len)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = 0;
    if (bytes_find(text, ':') < text.len) {
        if (inet_pton(AF_INET6, copy, found.at) != 1)
            return false;
    } else {
        memcpy(found.at, mapped_prefix, sizeof mapped_prefix);
        if (inet_pton(AF_INET, copy, found.at + sizeof mapped_prefix) != 1)
            return false;
    }
    *out = found;
    return true;
}

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

/* The bits of the byte at this index that the first `bits` of an address cover. */
static uint8_t byte_mask(unsigned bits, size_t index)
{
    size_t first = index * 8;
    if (bits <= first)
        return 0;
    unsigned left = bits - (unsigned)first;
    return (uint8_t)(left >= 8 ? 0xff : 0xff << (8 - left));
}

static void print_network(const struct network *network, bool is_ipv4, char hint[HINT_SIZE])
{
    char ip[INET6_ADDRSTRLEN] = "";
    struct buf out = {.at = (uint8_t *)hint, .cap = HINT_SIZE, .limit = HINT_SIZE};
    if (is_ipv4)
        inet_ntop(AF_INET, network->ip.at + sizeof mapped_prefix, ip, sizeof ip);
    else
        inet_ntop(AF_INET6, network->ip.at, ip, sizeof ip);
    buf_addf(&out, "%s/%u", ip, is_ipv4 ? network->bits - MAPPED_BITS : network->bits);
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
    uint64_t bits = is_ipv4 ? IP_BITS - MAPPED_BITS : IP_BITS;
    if (has_length && (length.len > 3 || !scan_u64(length, bits, &bits)))
        return false;
    network.bits = (unsigned)bits + (is_ipv4 ? MAPPED_BITS : 0);
    bool has_host_bits = false;
    for (size_t i = 0; i < sizeof network.ip.at; i++) {
        uint8_t mask = byte_mask(network.bits, i);
        has_host_bits |= network.ip.at[i] & (uint8_t)~mask;
        network.ip.at[i] &= mask;
    }
    if (has_host_bits) {
        print_network(&network, is_ipv4, hint);
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
    if (network->bits < MAPPED_BITS && ip_is_ipv4(ip))
        return false;
    for (size_t i = 0; i < sizeof ip->at; i++)
        if ((ip->at[i] ^ network->ip.at[i]) & byte_mask(network->bits, i))
            return false;
    return true;
}

bool networks_have(const struct networks *networks, const struct ip *ip)
{
    for (size_t i = 0; i < networks->count; i++)
        if (network_has(&networks->items[i], ip))
            return true;
    return false;
}
