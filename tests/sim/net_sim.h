/* A world in one thread, under a seed: a virtual clock, and a network that delays, cuts, resets and
 * swallows. Implements net/loop.h, net/stream.h and net/resolver.h on it, so that the daemon's own
 * code runs here unchanged, beside scripted peers that use the same calls. Nothing sleeps: the
 * clock jumps to the next thing that happens, and what happens at the same instant happens in an
 * order drawn from the seed.
 *
 * Descriptors here are numbers of the world's own, and mean nothing to the kernel. Jobs run later,
 * all at once, and are reported done later still; watches do not exist. */
#pragma once

#include "base/list.h"
#include "facts/facts.h"
#include "net/resolver.h"
#include "net/stream.h"

struct world;

enum { FATE_NEVER = -1 };
/* Where connections of stream_connect() come from: only the node uses that. */
#define NODE_ADDRESS "192.0.2.1"

/* What becomes of a connection, drawn when it is made. */
struct wire_fate {
    int64_t latency_ms;   /* of each run of bytes, and half of what connecting takes */
    int64_t cut_after[2]; /* bytes from the caller's side [0] and the other one [1] until the
                             connection breaks; FATE_NEVER */
    bool is_refused;      /* nobody answers the caller but a reset */
    bool is_silent;       /* nobody answers at all; when cut, too: no bytes, no end */
    bool is_crumbled;     /* bytes arrive one at a time, or a few; the first ones */
    size_t window;        /* bytes under way that a sender may have */
};

enum { WORLD_RECORD_LIMIT = 4 };
struct world_hooks {
    /* Draws the fate of a connection to a place. */
    void (*fate)(void *context, const char *place, struct wire_fate *out);
    /* Answers a question, with up to WORLD_RECORD_LIMIT records, which answer->records has. */
    void (*dns)(void *context, const struct question *question, struct answer_record *records,
                struct answer *answer);
};

/* Keeps the hooks. */
struct world *world_new(uint64_t seed, const struct world_hooks *hooks, void *context);
/* All loops must be freed. */
void world_free(struct world *world);
/* A number below the limit. */
uint64_t world_draw(struct world *world, uint64_t below);
bool world_chance(struct world *world, unsigned permille);
int64_t world_now_ms(const struct world *world);
uint64_t world_steps(const struct world *world);
/* The next thing happens, and the turns of the loops that it touched are done, at the latest
 * before the clock moves. False: nothing ever happens again. */
bool world_step(struct world *world);
int64_t world_next_ms(const struct world *world);

/* A loop of its own for each party: its name is for the story. */
struct loop *world_loop(struct world *world);
/* The party is gone as by SIGKILL (is_power false) or a power loss: from now on its connections
 * lead nowhere and its jobs and timers do not fire by themselves. */
void world_cut(struct loop *loop, bool is_power);
/* After world_cut: takes the jobs under way a step further. True: there were some. */
bool world_end_jobs(struct loop *loop);

/* A listening descriptor for a place: "192.0.2.1:25" or "unix:/path". */
int world_socket(struct world *world, const char *place);
/* Connects from an address ("198.51.100.7") to a place. */
struct stream *world_connect(struct loop *loop, const char *from, const char *place,
                             const struct stream_events *events, void *context);
/* Has the other side closed, or died? What still comes was sent before. */
bool world_is_alone(const struct stream *stream);
/* Calls back when all that the stream was given so far has been handed to the other side. */
void world_mark(struct stream *stream, void (*reached)(void *context), void *context);
