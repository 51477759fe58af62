/* A server that takes all mail and throws it away, for measurements; or that misbehaves on
 * purpose, for tests. Sessions are those of the daemon: the smtp_server machine over streams. */
#pragma once

#include "cli/bench_ids.h"
#include "cli/bench_plan.h"
#include "cli/bench_tally.h"
#include "net/loop.h"

struct bench_sink;

struct bench_sink_settings {
    struct loop *loop;
    const struct bench_plan *plan; /* both kept, not copied */
    struct bench_sink_tally *tally;
    struct bench_ids *ids;     /* NULL: arrivals are not told apart */
    struct histogram *arrival; /* µs of a first arrival since its message was sent; with ids */
    uint64_t run;              /* of the tokens that count */
    uint64_t share;            /* which of plan->processes this one is */
    void (*arrived)(void *context); /* a message was taken */
    void *context;
};

/* Binds the plan's sink to listen; with port 0 the port that was chosen is written to *port.
 * is_shared: other sockets listen on the same port (SO_REUSEPORT). -1 and err. */
MUST_CHECK int bench_sink_bind(const struct bench_plan *plan, bool is_shared, uint16_t *port,
                               struct error *err);

/* NULL and err; the socket is then closed. */
struct bench_sink *bench_sink_open(const struct bench_sink_settings *settings, int listener_owned,
                                   struct error *err);
/* Ends all sessions at once. */
void bench_sink_close(struct bench_sink *sink);
