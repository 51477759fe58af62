/* Connections to several addresses at once, so that one whose packets somebody drops does not keep
 * the others waiting. Blocking: for commands. */
#pragma once

#include "base/error.h"
#include "base/ip.h"

enum { DIAL_LIMIT = 64 };

struct dial_target {
    struct ip ip;
    uint16_t port;
};

struct dial;

/* Begins to connect to all targets (at most DIAL_LIMIT). Each has so long. */
struct dial *dial_new(const struct dial_target *targets, size_t count, int64_t timeout_ms);
/* Closes what was not taken; NULL is fine. */
void dial_free(struct dial *dial);
/* Waits until it is known whether the connection to that target is there. True: *fd_owned is it,
 * non-blocking, once; *took_us: what a packet there and back takes. False and err, whose os tells
 * refused (ECONNREFUSED), silent (ETIMEDOUT) and unreachable (ENETUNREACH, EHOSTUNREACH) apart. */
MUST_CHECK bool dial_take(struct dial *dial, size_t number, int *fd_owned, int64_t *took_us,
                          struct error *err);
