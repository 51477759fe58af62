/* Message ids: 64 bits, unique on this host for ever, sorted by time, printed as 13 characters
 * of Crockford's base32 in lower case ("06fz3k8m0a1b2"): short enough for a reply text, safe in
 * a file name, not confused when read aloud. */
#pragma once

#include "base/buf.h"

enum { ID_TEXT = 13 };

/* 42 bits of milliseconds since 2020, 6 bits of shard, 16 bits of counter: 65,536 ids a
 * millisecond and shard. */
struct id_source {
    uint64_t last;
    unsigned shard; /* 0-63 */
};

/* An id greater than every one that this source gave before, whatever the clock does. */
uint64_t id_next(struct id_source *source, int64_t now_ms);
/* The instant an id was made at, in ms. */
int64_t id_instant(uint64_t id);
/* The shard an id belongs to, 0-63. */
unsigned id_shard(uint64_t id);

void id_print(struct buf *out, uint64_t id);
/* Reads what id_print writes, any case. */
MUST_CHECK bool id_scan(struct bytes text, uint64_t *out);
