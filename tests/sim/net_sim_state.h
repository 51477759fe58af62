/* What the parts of the simulated net share: net_sim.c (the world, loops, timers, jobs and names)
 * and wire_sim.c (connections). Private to them. */
#pragma once

#include "base/buf.h"
#include "base/heap.h"
#include "net_sim.h"

enum { PLACE_TEXT = 80 };

struct event {
    struct heap_node node;
    struct loop *loop;
    void (*fire)(void *context);
    void *context;
};

struct world {
    uint64_t random, steps;
    int64_t now_ms;
    struct heap events;
    struct list loops, wires, listeners;
    struct list sockets;  /* struct place_socket: bound or accepted, not yet opened */
    struct loop *between; /* of events that belong to no party */
    int next_descriptor;
    const struct world_hooks *hooks;
    void *context;
};

struct loop {
    struct list link;
    struct world *world;
    struct heap timers;
    struct list jobs, streams, resolvings;
    loop_turn *turn;
    void *turn_context;
    bool is_touched, is_cut;
};

struct mark {
    struct list link;
    uint64_t at;
    void (*reached)(void *context);
    void *context;
};

/* One direction of a wire: what its sender gave and its receiver has not had. */
struct pipe {
    struct wire *wire;
    struct stream *to; /* NULL: nobody reads (any more, or yet) */
    struct buf bytes;
    struct list marks;
    struct event arrival;
    uint64_t given, arrived;
    int64_t cut_after;
    bool is_ended; /* the sender closed: an end follows the bytes */
};

struct wire {
    struct list link;
    struct world *world;
    struct wire_fate fate;
    struct pipe pipes[2]; /* [i] leads to ends[i] */
    struct stream *ends[2];
    bool was_open[2]; /* the end had its stream */
    bool is_dead;     /* nothing passes any more */
    char from[PLACE_TEXT];
};

struct stream {
    struct list link; /* in its loop */
    struct loop *loop;
    struct wire *wire; /* NULL: cut off */
    unsigned side;
    const struct stream_events *events;
    void *context;
    struct event news; /* connected, room again, or broken */
    bool is_connecting, is_paused, is_blocked, is_broken;
    int broken_os;
};

/* Fires once after the delay, in an order of its own among those of the same instant. */
void event_set(struct event *event, int64_t delay_ms);
void event_clear(struct event *event);
bool event_is_set(const struct event *event);

/* Frees the connections that nobody holds, nor will. */
void wires_sweep(struct world *world);
/* All of them, and what else is about connections. */
void wires_free(struct world *world);
/* Its connections lead nowhere any more; is_rude: the other sides may not have what was sent. */
void wires_cut(struct loop *loop, bool is_rude);
