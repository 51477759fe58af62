/* What `postrider init` finds out about the host before it makes anything: its name and addresses,
 * whether ports are free, what of the network works, the clock, the room. Changes nothing. */
#pragma once

#include "cli/finding.h"
#include "cli/init_plan.h"

struct init_look {
    char fqdn[HOST_NAME_LIMIT + 1]; /* what the system calls itself in full; "": nothing usable */
    struct own_addresses all;       /* of the interfaces */
    struct own_addresses known;     /* by which the world reaches it, as far as can be known */
    bool has_ipv6;
    bool is_behind_nat; /* it has private IPv4 addresses only, and nobody has said another one */
    enum {
        PORT25_OPEN,
        PORT25_BLOCKED,
        PORT25_UNKNOWN, /* there was no host to try */
        PORT25_UNTRIED,
    } port25;
    char port25_tried[512];     /* which hosts, and what they said */
    struct own_addresses named; /* what the DNS has for the server's name */
};

/* The host itself; asks nobody else. */
void init_look_at_host(struct init_look *look, const struct init_plan *plan,
                       struct findings *findings);
/* The ports that the server is to have, and who has them. */
void init_look_at_ports(const struct init_plan *plan, struct findings *findings);
/* The DNS, DNSSEC, and port 25 on the way out, of which init_look_tell_port25() tells. The plan has
 * a hostname by now. Blocks, some seconds at most where nothing answers; with is_offline it only
 * says so. */
void init_look_at_network(struct init_look *look, const struct init_plan *plan,
                          struct findings *findings);
/* What is so with port 25, once it is known whether there is a smarthost. */
void init_look_tell_port25(const struct init_look *look, const struct init_plan *plan,
                           struct findings *findings);
