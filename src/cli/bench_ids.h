/* The account of a relay run: of each recipient of each message, whether the server took it on
 * (250) and whether it arrived at the sink. Two bits a recipient and an instant a message. */
#pragma once

#include "base/bytes.h"

struct bench_ids {
    uint64_t limit; /* messages: ids are below it */
    size_t recipients;
    int64_t *since_us; /* by id: what its latency is counted from; 0: not known yet */
    uint8_t *accepted, *arrived;
    uint64_t missing;    /* accepted and not arrived */
    uint64_t duplicates; /* arrivals of what had arrived already */
    uint64_t unasked;    /* arrived, though no 250 was heard for it (yet) */
    uint64_t unknown;    /* arrivals with a token, but for a recipient that its message has not */
};

void bench_ids_init(struct bench_ids *ids, uint64_t limit, size_t recipients);
void bench_ids_done(struct bench_ids *ids);
/* The server said 250 for the recipient with this place in the message. */
void bench_ids_accept(struct bench_ids *ids, uint64_t id, size_t place);
/* It arrived at the sink; false when it had arrived before. */
bool bench_ids_arrive(struct bench_ids *ids, uint64_t id, size_t place);
