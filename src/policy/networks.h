/* Sets of IP networks ("127.0.0.0/8", "2001:db8::/32", "192.0.2.7"). Pure. */
#pragma once

#include "base/ip.h"

struct networks;
struct networks *networks_new(void);
void networks_free(struct networks *networks);
/* Adds ADDRESS or ADDRESS/LENGTH; false when it is not one, or when bits behind the length are
 * set (then *hint, at least 64 bytes, is the network that was meant, else empty). */
MUST_CHECK bool networks_add(struct networks *networks, struct bytes text, char hint[64]);
/* Is it in one of them? An IPv6 network wider than the mapped range ("::/0") has no IPv4 addresses
 * in it: those need a network of their own ("0.0.0.0/0"). */
bool networks_have(const struct networks *networks, const struct ip *ip);
/* Walks them, as they were added: start with *place 0; false at the end. *bits counts from the
 * front of the 16 bytes (IP_MAPPED_BITS and more for an IPv4 network). */
bool networks_next(const struct networks *networks, size_t *place, struct ip *ip, unsigned *bits);
/* Appends "192.0.2.0/24", as networks_add() reads it. */
void network_print(struct buf *out, const struct ip *ip, unsigned bits);
/* Does it take in so much of the internet that it can be nobody's own? A network of IPv4 with 2^24
 * addresses or more, one of IPv6 larger than a registry gives to a provider (/29); not private
 * ones, nor those of this host. */
bool network_is_world(const struct ip *ip, unsigned bits);
