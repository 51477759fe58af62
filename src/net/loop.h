/* The event loop: descriptors, timers, jobs on other threads, and a hook before each sleep.
 * libuv behind it, seen nowhere else. Single-threaded: everything here is called from the loop's
 * thread, but for the run functions of jobs. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/heap.h"

struct loop;

struct loop *loop_new(struct error *err);
/* All watches must be closed, all jobs done. */
void loop_free(struct loop *loop);
/* Runs until loop_stop() is called. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* The steady clock as of this turn (ms), and the wall clock that goes with it. */
int64_t loop_now_ms(const struct loop *loop);
int64_t loop_wall_ms(const struct loop *loop);

/* Called each turn before the loop sleeps: the place to send what the turn has gathered
 * (one commit, one write of the log). */
typedef void loop_turn(void *context);
void loop_on_turn(struct loop *loop, loop_turn *turn, void *context);

/* --- Timers: storage is the caller's; setting one allocates nothing ------------------------ */

typedef void timer_fire(void *context);
struct timer {
    struct heap_node node;
    struct loop *loop;
    int64_t due_ms; /* may lie behind the place in the heap: moved there when that comes */
    timer_fire *fire;
    void *context;
};
void timer_init(struct timer *timer, struct loop *loop, timer_fire *fire, void *context);
/* Fires once at the steady instant; INT64_MAX clears. Pushing a timer further away, as every
 * arriving byte does, costs a store. */
void timer_set(struct timer *timer, int64_t due_ms);
void timer_clear(struct timer *timer);

/* --- Descriptors ------------------------------------------------------------------------------ */

enum { WATCH_READ = 1, WATCH_WRITE = 2 };
typedef void watch_ready(void *context, unsigned events);
struct watch;
/* Watches a descriptor (made non-blocking; taken over, closed with the watch). Wants nothing yet.
 * NULL and err on failure; the descriptor is then closed. */
struct watch *watch_open(struct loop *loop, int fd_owned, watch_ready *ready, void *context,
                         struct error *err);
int watch_fd(const struct watch *watch);
/* Asking for what is asked for already costs nothing. */
void watch_want(struct watch *watch, unsigned events);
/* No call comes any more; memory and descriptor go when the loop is through with them. */
void watch_close(struct watch *watch_owned);

/* --- Jobs ----------------------------------------------------------------------------------- */

typedef void job_run(void *context);  /* on another thread */
typedef void job_done(void *context); /* back on the loop */
void loop_job(struct loop *loop, job_run *run, job_done *done, void *context);

/* A thread of its own that runs one job at a time: for what must not wait behind others' jobs (a
 * commit behind name lookups that hang). */
struct hand;
struct hand *hand_new(struct loop *loop);
/* No job may be under way. */
void hand_free(struct hand *hand);
/* No other job of this hand may be under way. */
void hand_job(struct hand *hand, job_run *run, job_done *done, void *context);

/* --- Names ---------------------------------------------------------------------------------- */

enum { LOOKUP_LIMIT = 16 };
struct lookup_address {
    uint8_t storage[28]; /* struct sockaddr_in or sockaddr_in6 */
    unsigned len;
};
typedef void lookup_done(void *context, const struct lookup_address *addresses, size_t count,
                         const char *failure); /* failure: NULL, or why there are none */
/* Finds the addresses of a host (a name, or an address as text) off the loop, in the system's
 * order of preference. Always calls back, never before it returns. */
void loop_lookup(struct loop *loop, struct bytes host, uint16_t port, lookup_done *done,
                 void *context);
