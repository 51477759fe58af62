#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool ip_is_ipv4(const struct ip *ip)
{
    return memcmp(ip->at, mapped_prefix, sizeof mapped_prefix) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
    static const struct ip ipv6 = {{[15] = 1}};
    return ip_is_ipv4(ip) ? ip->at[12] == 127 : memcmp(ip, &ipv6, sizeof ipv6) == 0;
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

struct ip ip_masked(const struct ip *ip, unsigned bits)
{
    struct ip masked = *ip;
    for (unsigned i = 0; i < sizeof masked.at; i++) {
        if (bits <= i * 8)
            masked.at[i] = 0;
        else if (bits < i * 8 + 8)
            masked.at[i] &= (uint8_t)(0xff << (i * 8 + 8 - bits));
    }
    return masked;
}

bool ip_matches(const struct ip *a, const struct ip *b, unsigned bits)
{
    struct ip first = ip_masked(a, bits), second = ip_masked(b, bits);
    return memcmp(&first, &second, sizeof first) == 0;
}
