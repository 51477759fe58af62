/* Addresses of the internet protocol, both families in one form. */
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
/* 127.0.0.0/8 or ::1: this host (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3). */
bool ip_is_loopback(const struct ip *ip);
/* From the four bytes of an IPv4 address or the sixteen of an IPv6 one, as the network has them. */
struct ip ip_from_ipv4(const uint8_t bytes[4]);
struct ip ip_from_ipv6(const uint8_t bytes[16]);

enum { IP_BITS = 128, IP_MAPPED_BITS = 96 }; /* all; in front of an IPv4 address */

/* The address without the bits behind the first `bits`. */
struct ip ip_masked(const struct ip *ip, unsigned bits);
/* Are the first `bits` (of IP_BITS) of both the same? */
bool ip_matches(const struct ip *a, const struct ip *b, unsigned bits);
