/* The spool: a log of opaque records that survives crashes. Knows no mail.
 *
 * A message is one record: meta (the envelope, opaque here), prefix (trace headers) and body.
 * Its state is a second, small record that replaces the one before it. Nothing here blocks or
 * syncs but spool_batch_run and the calls marked "any thread", which the owner runs off its
 * loop; everything else belongs to one thread.
 *
 *   spool_append/_update/_remove      collect records in memory
 *   batch = spool_batch_begin(spool)  freezes what was collected (NULL: nothing, or one in flight)
 *   spool_batch_run(batch)            any thread: writes and syncs
 *   spool_batch_end(spool, batch)     back home: the index learns it
 *   spool_result(spool, &result)      one after the other: what became of each append
 *
 * Only after a result of SPOOL_STORED may a message be answered 250. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "disk/disk.h"

struct spool;
struct spool_batch;
struct spool_body;
struct spool_reader;

struct spool_settings {
    const char *path;         /* the shard's folder; made when missing */
    size_t segment_bytes;     /* size of a segment file */
    size_t inline_body_bytes; /* a larger body gets a file of its own */
    uint64_t low_water_bytes; /* spool_has_room() says no below this much free space */
    bool is_durable;          /* false: no syncs (spool: {sync: none}) */
    uint64_t seed;            /* for hash maps */
};

/* A message found on opening. Views are borrowed for the call. */
struct spool_found {
    uint64_t id;
    struct bytes meta;
    struct bytes state;     /* the newest; empty: none was written */
    uint64_t message_bytes; /* prefix and body */
};
typedef void spool_visit(void *context, const struct spool_found *found);

/* Opens the shard's folder, recovers, and visits every live message in the order of arrival.
 * Fails (NULL and err) on damage that a crash cannot explain, naming file and offset. */
struct spool *spool_open(struct disk *disk, const struct spool_settings *settings,
                         spool_visit *visit, void *context, struct error *err);
/* Nothing may be in flight. Collected records that were never run are dropped. */
void spool_close(struct spool *spool);

/* Is there space above the low-water mark? Looks at most once a second (now_ms is the steady
 * clock). */
bool spool_has_room(struct spool *spool, int64_t now_ms);

/* --- A message's body, as it comes in ----------------------------------------------------- */

struct spool_body *spool_body_new(struct spool *spool, uint64_t id);
/* Drops the body and its file, if one was begun (its owner must not be in spool_body_write). */
void spool_body_free(struct spool_body *body);
/* Adds bytes in memory. True: go on. False: so much is held that spool_body_write must run before
 * more is added. */
MUST_CHECK bool spool_body_add(struct spool_body *body, struct bytes bytes);
/* What is held in memory: the whole body until the first write, nothing useful after it. */
struct bytes spool_body_view(const struct spool_body *body);
uint64_t spool_body_size(const struct spool_body *body);
bool spool_body_has_file(const struct spool_body *body);
enum spool_body_write { SPOOL_BODY_MORE, SPOOL_BODY_FINISH };
/* Any thread. Writes what is held to the body's file; FINISH also syncs file and folder, and must
 * have run before spool_append where the body has a file. */
MUST_CHECK bool spool_body_write(struct spool_body *body, enum spool_body_write how,
                                 struct error *err);

/* Any thread. What a body's file holds is read, and replaced by something else, before FINISH;
 * nothing may be held in memory (after SPOOL_BODY_MORE). */
MUST_CHECK bool spool_body_read(const struct spool_body *body, uint64_t offset, uint8_t *at,
                                size_t room, size_t *out_len, struct error *err);

/* Any thread, as the body. What is added goes to a file under an id of its own, which no message
 * has; at the end that file takes the place of the body's. Free drops what has not come to its
 * end. */
struct spool_rewrite;
struct spool_rewrite *spool_rewrite_open(struct spool_body *body, uint64_t id, struct error *err);
MUST_CHECK bool spool_rewrite_add(struct spool_rewrite *rewrite, struct bytes bytes,
                                  struct error *err);
MUST_CHECK bool spool_rewrite_end(struct spool_rewrite *rewrite, struct error *err);
void spool_rewrite_free(struct spool_rewrite *rewrite);

/* --- Collecting records --------------------------------------------------------------------- */

struct spool_message {
    uint64_t id;
    struct bytes meta;   /* copied */
    struct bytes prefix; /* copied; goes in front of the body */
    size_t body_skip;    /* bytes of the body's front to leave out */
};
/* Takes over the body (NULL: the prefix is all). owner comes back in the result. */
void spool_append(struct spool *spool, const struct spool_message *message,
                  struct spool_body *body_owned, void *owner);
/* Replaces the state of a live message; lazily durable: it goes out with the next batch. */
void spool_update(struct spool *spool, uint64_t id, struct bytes state);
/* The message is finished: it leaves the index now, and the disk with the next batch. */
void spool_remove(struct spool *spool, uint64_t id);

struct spool_batch *spool_batch_begin(struct spool *spool);
/* Any thread. */
void spool_batch_run(struct spool_batch *batch);
/* Ends the batch and frees it. */
void spool_batch_end(struct spool *spool, struct spool_batch *batch_owned);
/* Is anything collected that a batch would write, or is work left to reclaim segments? */
bool spool_wants_batch(const struct spool *spool);

enum spool_outcome { SPOOL_STORED, SPOOL_FULL, SPOOL_FAILED }; /* FULL: ENOSPC, EDQUOT */
struct spool_result {
    void *owner; /* of the append; results of states and removals are not reported */
    uint64_t id;
    enum spool_outcome outcome;
    struct error err; /* when not SPOOL_STORED */
};
MUST_CHECK bool spool_result(struct spool *spool, struct spool_result *out);

/* --- Reading ---------------------------------------------------------------------------------- */

/* Begins to read prefix and body; the record stays where it is until the reader is closed.
 * NULL: no such message. */
struct spool_reader *spool_reader_open(struct spool *spool, uint64_t id);
uint64_t spool_reader_size(const struct spool_reader *reader);
/* Any thread. Reads up to room bytes from the offset; *out_len is 0 at the end only. Checks the
 * record's checksum where the whole body is inline. */
MUST_CHECK bool spool_reader_read(struct spool_reader *reader, uint64_t offset, uint8_t *at,
                                  size_t room, size_t *out_len, struct error *err);
void spool_reader_close(struct spool_reader *reader);

struct spool_stats {
    size_t messages;
    uint64_t live_bytes, segment_count, free_segments;
    uint64_t batches, appends; /* since opening */
};
struct spool_stats spool_stats(const struct spool *spool);
