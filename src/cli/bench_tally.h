/* What a run has done so far, as plain data: processes that share the work each write their own,
 * in shared memory, and their parent adds them up. */
#pragma once

#include "base/histogram.h"

enum { BENCH_REPLIES = 16, BENCH_SAMPLE = 160 };

/* What did not go well, by code, with the words of the first. */
struct bench_reply {
    int code; /* 0: no reply */
    uint64_t count;
    char sample[BENCH_SAMPLE];
};

struct bench_tally {
    int64_t began_us, ended_us; /* the first and the last event */
    /* Messages: one all of whose recipients were accepted; else one with no reply for some; else
     * refused. */
    uint64_t begun, accepted, refused, unanswered;
    uint64_t recipients, recipients_failed;
    uint64_t bytes; /* of the text of messages accepted */
    uint64_t connections, connections_failed;
    uint64_t held, held_lost; /* sessions held idle now, and ended by the server */
    size_t reply_count;
    struct bench_reply replies[BENCH_REPLIES];
    struct histogram reply;     /* µs until the 250 */
    struct histogram arrival;   /* µs until the arrival at the sink */
    char trouble[BENCH_SAMPLE]; /* why it ended before its time; empty: it did not */
};

struct bench_sink_tally {
    int64_t began_us, ended_us; /* the first connection and the last message */
    uint64_t connections, messages, recipients, bytes;
    uint64_t tempfailed, rejected, greylisted, dropped;
};

/* Counts a recipient's reply that was no 250; more kinds than there is room for count with the
 * last. */
void bench_tally_reply(struct bench_tally *tally, int code, struct bytes words);
void bench_tally_merge(struct bench_tally *tally, const struct bench_tally *more);
void bench_sink_tally_merge(struct bench_sink_tally *tally, const struct bench_sink_tally *more);
