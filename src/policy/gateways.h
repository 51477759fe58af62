/* Gateways whose address stands for many clients. Where a router, a container's bridge or a
 * proxy of one masquerades, all that comes through it comes from its own address; a server that
 * trusts that address then trusts the whole internet: the commonest way to an open relay. Finds
 * them in what the kernel says of its routes, and judges whether networks that are trusted hold
 * one. Pure. */
#pragma once

#include "policy/networks.h"

enum gateway_kind {
    GATEWAY_ROUTE,  /* the way to everywhere else */
    GATEWAY_BRIDGE, /* this host's own address on a network of containers or virtual machines */
};

enum { GATEWAY_LIMIT = 32, INTERFACE_NAME_LIMIT = 16 };

struct gateway {
    struct ip ip;
    enum gateway_kind kind;
    char interface[INTERFACE_NAME_LIMIT];
};

/* Plain data; zeroed to begin with. */
struct gateways {
    struct gateway list[GATEWAY_LIMIT];
    size_t count;
    bool is_contained; /* this process is in a container */
};

/* Adds one that is not there yet; beyond the limit nothing. */
void gateways_add(struct gateways *gateways, enum gateway_kind kind, const struct ip *ip,
                  struct bytes interface);
/* Adds those of default routes: the text of /proc/net/route, of /proc/net/ipv6_route. Lines of
 * another form are passed over. */
void gateways_read_ipv4(struct gateways *gateways, struct bytes text);
void gateways_read_ipv6(struct gateways *gateways, struct bytes text);
/* Is it the name of an interface that container engines and hypervisors make for their networks? */
bool gateway_is_bridge_name(struct bytes interface);
/* The text of /proc/1/cgroup: is that process a container's? */
bool gateways_is_container(struct bytes cgroup);

enum gateway_danger {
    GATEWAY_HARMLESS, /* it is not in these networks */
    GATEWAY_MAY_HIDE, /* it masquerades perhaps: then all that it passes on is trusted */
    GATEWAY_HIDES,    /* a container's: engines masquerade what comes from outside, at least what
                         comes by their own proxy or by IPv6 */
};
enum gateway_danger gateway_judge(const struct gateways *gateways, const struct gateway *gateway,
                                  const struct networks *trusted);
