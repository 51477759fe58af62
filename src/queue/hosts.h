/* Hosts to connect to: their addresses, which of those were down of late, and the order in which a
 * connection tries them (RFC 5321, 5.1). Pure: facts, time and chance are handed in. */
#pragma once

#include "policy/networks.h"
#include "queue/mx.h"

struct facts; /* facts/facts.h */

/* --- Addresses of a host -----------------------------------------------------------------------
 */

enum { HOST_ADDRESS_LIMIT = 32 }; /* of one host, of each family the half; more are not tried */

enum host_outcome {
    HOST_NEEDS_FACTS,
    HOST_FOUND,
    HOST_ABSENT,  /* it has no address, or no such name exists */
    HOST_UNKNOWN, /* the DNS did not answer, or not soundly */
};

struct host_addresses {
    struct ip list[HOST_ADDRESS_LIMIT];
    size_t count;
    bool is_bogus;       /* HOST_UNKNOWN because DNSSEC validation failed */
    uint32_t ttl_s;      /* the least of what was answered */
    struct bytes reason; /* of HOST_UNKNOWN, from the facts; may be empty */
};

/* name: a host's name in A-labels, or an address as text, which needs no facts. What the DNS says
 * of one family is good though the other fails. Addresses that stand for no host ("0.0.0.0",
 * multicast) are left out. *out is written unless facts are needed. */
MUST_CHECK enum host_outcome host_find(struct facts *facts, struct bytes name,
                                       struct host_addresses *out);

/* --- What is down ------------------------------------------------------------------------------
 */

enum {
    HOSTS_DOWN_LIMIT = 4096, /* addresses remembered; beyond, the oldest is forgotten */
    HOSTS_DOWN_FIRST_MS = 60 * 1000,
    HOSTS_DOWN_MOST_MS = 60 * 60 * 1000,
    FAMILY_MISSES = 3, /* addresses in a row, and a family of addresses is doubted */
    FAMILY_DOUBT_MS = 10 * 60 * 1000,
};

/* The memory of addresses (with their ports) that could not be used. */
struct hosts;
struct hosts *hosts_new(uint64_t seed);
void hosts_free(struct hosts *hosts);
/* It could not be used: it counts as down for a minute, doubling with each failure in a row to an
 * hour, a fifth more or less. Failures while it is down are the same one. */
void hosts_failed(struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms);
/* It did what it is there for. */
void hosts_worked(struct hosts *hosts, const struct ip *ip, uint16_t port);
bool hosts_is_down(const struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms);
/* Nothing answered there: no route, or no reply in time. Called before hosts_failed. After so many
 * such addresses that were not down already, and none that answered, its family (IPv6 or IPv4) is
 * doubted for a while: on many networks IPv6 leads nowhere, and it would be found out anew with
 * each host (RFC 8305, 1). */
void hosts_missed(struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms);
/* It took or refused the connection: its family leads somewhere. */
void hosts_reached(struct hosts *hosts, const struct ip *ip);

enum { HOSTS_CLEAR_MS = 10 * 60 * 1000 };
/* Its TLS handshake failed: where TLS is not a must, the next connections do without it, for a
 * while. */
void hosts_tls_failed(struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms);
bool hosts_is_clear(const struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms);

/* --- The order of a connection -----------------------------------------------------------------
 */

enum { PLAN_LIMIT = 16 }; /* addresses that one connection tries */

struct plan_host {
    uint16_t preference;
    const struct host_addresses *addresses; /* with none it is skipped */
};
struct candidate {
    struct ip ip;
    size_t host; /* index into the hosts */
};

enum address_families { FAMILIES_BOTH, FAMILIES_IPV4, FAMILIES_IPV6 };

struct plan_wish {
    uint16_t port;
    enum address_families families;
    uint64_t random; /* decides among equals */
    int64_t now_ms;
};

/* In what order to try the hosts (at most MX_HOST_LIMIT, by preference): the better preference
 * first, equals at random; a host's addresses in turns of IPv6 and IPv4 (IPv4 and IPv6
 * while IPv6 alone is doubted), each family at random. What is down comes behind all that is not,
 * and stays in the list: it may have come back. Where not all fit, each host has its share. The
 * number of candidates written to out. */
size_t hosts_plan(const struct hosts *hosts, const struct plan_host *list, size_t count,
                  const struct plan_wish *wish, struct candidate out[PLAN_LIMIT]);
