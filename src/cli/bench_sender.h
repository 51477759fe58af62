/* The sending side of the load generator: sessions of the smtp_client machine over streams, each
 * message once, by schedule or as fast as it goes. Nothing is tried again but a connection that
 * ended between two messages: a refusal is a result here. */
#pragma once

#include "cli/bench_ids.h"
#include "cli/bench_plan.h"
#include "cli/bench_tally.h"
#include "net/loop.h"

struct bench_sender;

struct bench_sender_settings {
    struct loop *loop;
    const struct bench_plan *plan; /* both kept, not copied */
    struct bytes letter;           /* to send, with CRLF; empty: made up */
    struct bench_tally *tally;
    struct bench_ids *ids;           /* NULL: nobody counts arrivals */
    uint64_t run;                    /* for the tokens */
    uint64_t share;                  /* which of plan->processes this one is */
    void (*finished)(void *context); /* all is sent and answered, or came to its end */
    void *context;
};

/* Looks up the server, connects and begins. */
struct bench_sender *bench_sender_new(const struct bench_sender_settings *settings);
/* Sends nothing new; what is under way has plan->timeout_ms to be answered, or, when this is
 * said again, no time. finished() follows, perhaps before this returns. */
void bench_sender_end(struct bench_sender *sender);
/* After finished(). */
void bench_sender_free(struct bench_sender *sender);
