/* The reader's insides; the calls are in spool.h. The record's place is pinned: its segment is
 * not reclaimed and the body's file not removed while the reader is open. */
#pragma once

#include <string.h>

#include "spool/core.h"

struct spool_reader {
    struct list link; /* in spool->readers */
    struct spool *spool;
    struct segment *segment;
    uint64_t id, from, bytes; /* the record's place and length in the segment */
    uint64_t size;            /* of prefix and body */
    bool has_begun;
    bool has_all; /* all of the record is held */
    struct record record;
    uint8_t *held;          /* the record from its start: header, meta, prefix; body: has_all */
    struct disk_file *file; /* of the body */
    XXH3_state_t *hash;
    uint64_t hashed; /* bytes of the body, behind what is skipped */
};
