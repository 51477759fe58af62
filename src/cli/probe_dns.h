/* What the DNS says, told in a probe's log: each record, and whether DNSSEC vouches for it. */
#pragma once

#include "cli/probe_talk.h"
#include "facts/facts.h"

/* One line for the records of that type that the table has an answer for. Where it is an alias, a
 * line for that too. */
void probe_dns_tell(struct probe *probe, enum fact_type type, struct bytes name);
/* The addresses of a host, of which the table has answers: A, AAAA. */
void probe_dns_tell_host(struct probe *probe, struct bytes name);
/* Asks until the host's addresses are there. */
enum host_outcome probe_dns_find(struct probe *probe, struct bytes name,
                                 struct host_addresses *out);
