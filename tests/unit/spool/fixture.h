/* A spool on a simulated disk, for the tests of src/spool. */
#pragma once

#include "base/buf.h"
#include "disk/disk_sim.h"
#include "spool/core.h"

enum { FIXTURE_SEGMENT = 64 * 1024, FIXTURE_INLINE = 16 * 1024 };

struct fixture {
    struct disk *disk;
    struct spool *spool;
    struct spool_settings settings;
    struct buf found; /* "ID:META:STATE:BYTES " of each message the last opening visited */
    struct error err; /* of the last opening */
};

/* For cmocka: *state is a fixture whose spool is open. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
bool fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
/* Closes, crashes and opens again; the opening must succeed. */
void fixture_restart(struct fixture *fixture, enum disk_sim_crash crash);
/* Does the text fit what the last opening visited? */
bool fixture_found(const struct fixture *fixture, const char *text);

/* Appends meta "m", prefix "P" and body_len bytes of body, each byte the id's low byte; with a
 * body's file where the spool asks for one. */
void fixture_append(struct fixture *fixture, uint64_t id, size_t body_len, size_t skip);
/* One batch, whole; false when there was none. */
bool fixture_batch(struct fixture *fixture);
/* Batches until none is wanted. */
void fixture_settle(struct fixture *fixture);
/* The outcome of the next result, which must be of this id. */
enum spool_outcome fixture_outcome(struct fixture *fixture, uint64_t id);
/* Appends, settles and takes the outcome, which must be STORED. */
void fixture_store(struct fixture *fixture, uint64_t id, size_t body_len);
/* Reads the message whole and compares; false and fixture->err when it cannot be read. */
bool fixture_read(struct fixture *fixture, uint64_t id, size_t body_len);

/* Flips a bit of a file in the shard's folder, durably. */
void fixture_flip(struct fixture *fixture, const char *name, uint64_t offset);
