/* The end of a story that is not over: what the queue has of the message now. */
#pragma once

#include <jansson.h>

#include "base/bytes.h"
#include "daemon/config.h"

struct trace_state {
    json_t *recipients; /* owned; NULL: the message is not in the queue */
};

/* A recipient whose fate is open; views into the state. */
struct trace_waiting {
    struct bytes address, lane, reply;
    bool is_active, is_held, is_deferred;
    int64_t next_ms; /* 0: none is planned */
};

/* Asks the running server for the message; false: no server answers. */
MUST_CHECK bool trace_state_ask(const struct config *config, uint64_t id, struct trace_state *out);
void trace_state_done(struct trace_state *state);
/* Walks them: start with *place 0; false at the end. */
bool trace_state_next(const struct trace_state *state, size_t *place, struct trace_waiting *out);
