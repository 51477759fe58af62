#include "cli/own_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* RFC 6890, as far as a host can have such an address. */
static const struct {
    uint8_t at[4];
    unsigned bits;
} private_ipv4[] = {
    {{0, 0, 0, 0}, 8},      {{10, 0, 0, 0}, 8},    {{100, 64, 0, 0}, 10},  {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12}, {{192, 168, 0, 0}, 16}, {{224, 0, 0, 0}, 3},
};
/* Global unicast (RFC 4291, 2.4; IANA gives out of this block alone). */
static const uint8_t global_ipv6[16] = {0x20};
enum { GLOBAL_IPV6_BITS = 3 };

bool address_is_public(const struct ip *ip)
{
    if (!ip_is_ipv4(ip)) {
        struct ip global = ip_from_ipv6(global_ipv6);
        return ip_matches(ip, &global, GLOBAL_IPV6_BITS);
    }
    for (size_t i = 0; i < COUNT(private_ipv4); i++) {
        struct ip network = ip_from_ipv4(private_ipv4[i].at);
        if (ip_matches(ip, &network, IP_MAPPED_BITS + private_ipv4[i].bits))
            return false;
    }
    return true;
}

bool own_addresses_have(const struct own_addresses *addresses, const struct ip *ip)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (ip_matches(&addresses->list[i], ip, IP_BITS))
            return true;
    return false;
}

void own_addresses_add(struct own_addresses *addresses, const struct ip *ip)
{
    if (addresses->count < OWN_ADDRESS_LIMIT && !own_addresses_have(addresses, ip))
        addresses->list[addresses->count++] = *ip;
}

/* False: it is of another family. */
static bool read_address(const struct sockaddr *address, struct ip *out)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address && address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        *out = ip_from_ipv4((const uint8_t *)&in.sin_addr);
        return true;
    }
    if (address && address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof in6);
        *out = ip_from_ipv6(in6.sin6_addr.s6_addr);
        return true;
    }
    return false;
}

void own_addresses_add_all(struct own_addresses *addresses)
{
    struct ifaddrs *interfaces = NULL;
    struct ip ip;
    if (getifaddrs(&interfaces) != 0)
        return;
    for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
        if (at->ifa_flags & IFF_UP && read_address(at->ifa_addr, &ip))
            own_addresses_add(addresses, &ip);
    freeifaddrs(interfaces);
}

/* What a packet to somewhere would bear: connecting a datagram socket sends none. */
static bool find_outgoing(bool is_ipv4, struct ip *out)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(53),
                             .sin_addr.s_addr = htonl(0xC0000201)}; /* 192.0.2.1 */
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons(53),
                               .sin6_addr.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof own;
    const struct sockaddr *to = is_ipv4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_found = connect(fd, to, is_ipv4 ? sizeof in : sizeof in6) == 0 &&
                    getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
                    read_address((struct sockaddr *)&own, out);
    close(fd);
    return is_found;
}

void own_addresses_add_public(struct own_addresses *addresses, bool is_ipv4)
{
    struct own_addresses all = {.count = 0};
    struct ip ip;
    if (find_outgoing(is_ipv4, &ip) && address_is_public(&ip)) {
        own_addresses_add(addresses, &ip);
        return;
    }
    own_addresses_add_all(&all);
    for (size_t i = 0; i < all.count; i++)
        if (ip_is_ipv4(&all.list[i]) == is_ipv4 && address_is_public(&all.list[i])) {
            own_addresses_add(addresses, &all.list[i]);
            return;
        }
}
