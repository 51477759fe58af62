/* What a run of the load generator is to do: its options, read and checked. */
#pragma once

#include <stdio.h>

#include "base/error.h"
#include "cli/bench_schedule.h"
#include "cli/bench_size.h"
#include "mail/address.h"

enum bench_mode { BENCH_SEND = 1, BENCH_SINK = 2, BENCH_RELAY = 4 };

enum {
    BENCH_COUNT_MOST = 100000000,
    BENCH_COUNTED_MOST = 10000000, /* messages of a relay run, each of which is accounted for, */
    BENCH_BITS_MOST = 200000000,   /* and recipients of all of them */
    BENCH_SESSIONS_MOST = 20000,
    BENCH_RECIPIENTS_MOST = 1000,
    BENCH_PROCESSES_MOST = 64,
    BENCH_DOMAINS_MOST = 64,
    BENCH_HOST_LIMIT = 255,
    BENCH_PERCENT = 1000, /* 1 % in the unit of chances */
};

/* Where a server is. */
struct bench_place {
    char host[BENCH_HOST_LIMIT + 1]; /* name or address without brackets; empty: a Unix socket */
    uint16_t port;
    const char *unix_path; /* NULL: TCP */
    const char *text;      /* as given */
};

/* Addresses by number: a text with at most one %d in its local part. */
struct bench_pattern {
    struct bytes before, after; /* of the number, in the local part */
    bool has_number;
    struct bytes domains[BENCH_DOMAINS_MOST];
    size_t domain_count;
};

struct bench_plan {
    enum bench_mode mode;
    bool is_json, is_lmtp, has_tls;
    bool is_ours; /* hosts beyond the loopback are allowed */
    struct bench_place server, sink;
    uint64_t count, sessions, messages_per_session, recipients, users, idle, processes, seed;
    uint64_t rate_milli; /* 0: as fast as it goes */
    enum bench_arrivals arrivals;
    int64_t duration_ms, timeout_ms, wait_ms;
    struct bench_pattern from, to;
    struct bench_sizes sizes;
    const char *letter; /* a file with the message to send; NULL: it is made up */
    /* How the sink misbehaves. Chances are in thousandths of a percent. */
    int64_t delay_ms, greylist_ms;
    uint64_t tempfail, reject, drop, max_messages;
    unsigned hidden; /* OFFERS_… */
};

/* Reads the arguments behind the command's words into a plan, which borrows them. False: err says
 * what is wrong. */
MUST_CHECK bool bench_plan_read(enum bench_mode mode, char **arguments, size_t count,
                                struct bench_plan *out, struct error *err);
/* The options of a mode, one a line, for the help. */
void bench_plan_print_options(enum bench_mode mode, FILE *out);

/* Appends the address of a number; the domains take turns by `turn`. */
void bench_pattern_print(const struct bench_pattern *pattern, uint64_t number, uint64_t turn,
                         struct buf *out);
/* The number in the local part of an address that the pattern made, whatever its domain; false
 * when it is not one. */
MUST_CHECK bool bench_pattern_number(const struct bench_pattern *pattern, struct bytes address,
                                     uint64_t *out);

/* The number of the address that the place among a message's recipients has, and back. */
uint64_t bench_plan_number(const struct bench_plan *plan, uint64_t id, size_t place);
MUST_CHECK bool bench_plan_place(const struct bench_plan *plan, uint64_t id, uint64_t number,
                                 size_t *out);
