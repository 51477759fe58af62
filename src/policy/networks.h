/* Sets of IP networks ("127.0.0.0/8", "2001:db8::/32", "192.0.2.7"). Pure. */
#pragma once

#include "base/buf.h"

/* An address as 16 bytes; IPv4 as IPv4-mapped IPv6 (::ffff:a.b.c.d), so that one comparison
 * serves both and a mapped client matches an IPv4 network. */
struct ip {
    uint8_t at[16];
};

/* Reads "192.0.2.1" or "2001:db8::1" (no brackets, no zone). */
MUST_CHECK bool ip_scan(struct bytes text, struct ip *out);
/* Appends what ip_scan reads. */
void ip_print(struct buf *out, const struct ip *ip);
bool ip_is_ipv4(const struct ip *ip);
/* From the four bytes of an IPv4 address or the sixteen of an IPv6 one, as the network has them. */
struct ip ip_from_ipv4(const uint8_t bytes[4]);
struct ip ip_from_ipv6(const uint8_t bytes[16]);

struct networks;
struct networks *networks_new(void);
void networks_free(struct networks *networks);
/* Adds ADDRESS or ADDRESS/LENGTH; false when it is not one, or when bits behind the length are
 * set (then *hint, at least 64 bytes, is the network that was meant, else empty). */
MUST_CHECK bool networks_add(struct networks *networks, struct bytes text, char hint[64]);
/* Is it in one of them? An IPv6 network wider than the mapped range ("::/0") has no IPv4 addresses
 * in it: those need a network of their own ("0.0.0.0/0"). */
bool networks_have(const struct networks *networks, const struct ip *ip);
