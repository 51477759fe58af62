/* When messages are due under an open-loop rate: even gaps, or the exponential ones of arrivals
 * that know nothing of each other (Poisson). The instants depend on the seed alone, never on how
 * fast the server answers: so a stall shows in the latency of all that was due meanwhile. */
#pragma once

#include "base/bytes.h"

enum bench_arrivals { ARRIVALS_EVEN, ARRIVALS_POISSON };

enum { BENCH_RATE_MOST = 1000000 }; /* messages a second */

struct bench_schedule {
    enum bench_arrivals arrivals;
    int64_t start_us;
    uint64_t number; /* arrivals given out */
    double gap_us;   /* mean */
    double after_us; /* of the last one, since the start */
    uint64_t seed;
};

/* Reads messages a second, "1000" or "0.5", at most three digits behind the point, into
 * thousandths: 1 to BENCH_RATE_MOST * 1000. *out is written on success only. */
MUST_CHECK bool bench_rate_scan(struct bytes text, uint64_t *out_milli);

/* rate_milli: messages in 1,000 seconds. The first is due at the start, when gaps are even. */
void bench_schedule_init(struct bench_schedule *schedule, enum bench_arrivals arrivals,
                         uint64_t rate_milli, int64_t start_us, uint64_t seed);
/* The instant (µs) of the next arrival; never before the one before it. */
int64_t bench_schedule_next(struct bench_schedule *schedule);
