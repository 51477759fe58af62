/* A message's body while it comes in: in memory, or, once it is large, in a file bodies/ID.body
 * whose checksum is computed as it streams. The calls are in spool.h; here is what the batch and
 * the reader need. */
#pragma once

#include <limits.h>
#include <xxhash.h>

#include "base/buf.h"
#include "spool/spool.h"

struct spool_body {
    struct spool *spool;
    uint64_t id;
    struct buf held;     /* not in the file yet */
    size_t held_counted; /* what spool->held_bytes knows of it */
    uint64_t size;       /* all bytes added */
    struct disk_file *file;
    XXH3_state_t *hash; /* of what is in the file */
    uint64_t written;
    uint64_t sum; /* of the file, when finished */
    bool has_file, is_finished, is_broken;
};

/* Frees the memory; the file stays. */
void body_close(struct spool_body *body);
/* bodies/ID.body in the shard's folder. */
void body_path(char path[PATH_MAX], const char *folder, uint64_t id);
/* The folder of the bodies. */
void body_folder(char path[PATH_MAX], const char *folder);
/* Is this the name of a body's file? */
MUST_CHECK bool body_id(const char *name, uint64_t *out);
