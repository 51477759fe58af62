/* The addresses of this host by which the world can reach it. */
#pragma once

#include "base/ip.h"

enum { OWN_ADDRESS_LIMIT = 16 };

struct own_addresses {
    struct ip list[OWN_ADDRESS_LIMIT];
    size_t count;
};

/* Can it be somebody's address on the internet? Not: loopback, link-local, private (RFC 1918,
 * RFC 4193), shared (RFC 6598) and multicast ones. Those of documentation pass: nobody has them. */
bool address_is_public(const struct ip *ip);

/* Adds it once; beyond the limit it is dropped. */
void own_addresses_add(struct own_addresses *addresses, const struct ip *ip);
bool own_addresses_have(const struct own_addresses *addresses, const struct ip *ip);

/* Adds those of the interfaces that are up. */
void own_addresses_add_all(struct own_addresses *addresses);
/* Adds the public address of that family that the host sends from, as the kernel would choose it;
 * where no route leads into the world the first public one of an interface. Sends nothing. */
void own_addresses_add_public(struct own_addresses *addresses, bool is_ipv4);
