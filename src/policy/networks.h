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
