/* What the parts of the spool share: the spool itself, its index, what is collected, and the
 * batch. Private to src/spool.
 *
 * Threads. All of it belongs to the owner's thread, except while a batch is in flight: then
 * spool_batch_run owns the batch and of the spool what `struct writer` holds, while the owner goes
 * on with the index, the collected records and the counts in the segments.
 *
 * Order. The log is recycled strictly oldest first, so that a DONE or a STATE never dies before
 * the message it speaks of; a message that is copied forward takes its newest state along. */
#pragma once

#include "base/list.h"
#include "base/table.h"
#include "disk/disk.h"
#include "spool/body.h"
#include "spool/record.h"
#include "spool/segment.h"
#include "spool/spool.h"

/* A live message in the index; about 130 bytes with its place in the table. Offsets and lengths in
 * the log count in units of RECORD_ALIGN. */
struct entry {
    uint64_t id;
    struct list link;              /* in segment->messages */
    struct segment *segment;       /* of the message's record */
    struct segment *state_segment; /* of the newest state; NULL: none */
    struct small *pending;         /* a collected state that is in no batch yet */
    uint64_t message_bytes;
    uint64_t arrival;
    uint32_t at, units, state_at, state_units;
    bool has_file, has_seen_file;
};

/* A collected append; later its result. meta and prefix are in head. */
struct append {
    struct list link;
    struct spool_body *body;
    struct record record;
    uint64_t offset; /* where it went */
    struct spool_result result;
    uint8_t head[];
};

/* A collected STATE or DONE. */
struct small {
    struct list link;
    struct record record;
    uint64_t offset;
    bool has_file; /* DONE: of a message whose body has a file */
    uint8_t state[];
};

/* A body's file that is no longer needed. */
struct gone {
    struct list link;
    uint64_t id;
};

/* A record that is copied forward; the message and, behind it, its state. */
struct copy {
    uint64_t id;
    struct segment *segment; /* where it is */
    uint64_t from, bytes;
    uint8_t *whole; /* in the batch's buffer, once read */
    uint64_t offset;
    bool is_state;
};

/* What spool_batch_run works on. */
struct writer {
    struct list pool;        /* free segments, first in first out */
    struct list doomed;      /* to be removed once the durable tail allows */
    struct segment *current; /* NULL: the next batch begins one */
    uint64_t next_number, next_generation, next_seq;
    uint64_t durable_tail; /* the highest tail in a header known to be durable */
    uint64_t salt_state;
};

struct spool_batch {
    struct spool *spool;
    struct list appends, smalls, gone;
    struct copy *copies;
    size_t copy_count;
    uint8_t *copied;
    uint64_t copy_bytes, append_bytes, small_bytes;
    bool may_copy_into_reserve;
    bool has_copy_err; /* some of it could not be read */
    struct error copy_err;
    uint64_t tail;           /* 0: the segment that this batch begins, if it does */
    struct list begun;       /* segments begun here, to be added to the log */
    struct segment *segment; /* that the records went to */
    bool is_stored;
    struct error err;         /* when not */
    bool are_appends_dropped; /* for want of space, while the rest was stored */
    struct error append_err;
    bool are_copies_dropped; /* likewise */
};

struct spool {
    struct disk *disk;
    char *folder;
    struct spool_settings settings;
    struct disk_file *lock;
    struct writer writer;

    struct table *index;
    struct list log; /* segments, oldest first */
    size_t log_count, pool_count;
    uint64_t live_bytes;    /* of the records of live messages and their states */
    uint64_t compact_below; /* generations that may be copied forward: something died since */
    bool has_died;

    struct list appends, smalls, results, readers;
    struct list gone;      /* body files to remove in the next batch */
    struct list gone_late; /* of failed appends: once the log has gone on without their records */
    bool is_running;       /* a batch is in flight */
    bool is_waiting;       /* what is collected failed once; it alone asks for no batch */
    size_t held_bytes;     /* of bodies in memory */
    int64_t looked_ms;     /* at the free space */
    bool has_looked, has_room;
    uint64_t batches, append_count;
};

/* Bytes of records that a segment takes. */
uint64_t spool_segment_room(const struct spool *spool);

/* --- index.c */
void index_place_message(struct spool *spool, struct entry *entry, struct segment *segment,
                         uint64_t offset, uint64_t bytes);
void index_place_state(struct spool *spool, struct entry *entry, struct segment *segment,
                       uint64_t offset, uint64_t bytes);
/* Takes it out of the index and frees it. */
void index_remove(struct spool *spool, struct entry *entry);
uint64_t entry_offset(const struct entry *entry);
uint64_t entry_bytes(const struct entry *entry);

/* --- compact.c */
/* Frees segments at the front of the log that nothing needs. */
void compact_reclaim(struct spool *spool);
/* Is there a segment whose messages are to be copied forward? */
bool compact_wants_copy(const struct spool *spool);
/* Chooses what this batch copies forward, at most max bytes. */
void compact_choose(struct spool *spool, struct spool_batch *batch, uint64_t max);
/* Any thread: reads what was chosen; what cannot be read is not copied. */
void compact_read(struct spool_batch *batch);
/* Learns where the copies went. */
void compact_end(struct spool *spool, const struct spool_batch *batch);
/* Counts the pool again, after a batch took from it. */
void compact_count_pool(struct spool *spool);
/* Any thread: removes doomed segments that no recovery can ask for. */
void compact_remove_doomed(struct spool *spool);

/* --- recover.c */
MUST_CHECK bool recover(struct spool *spool, spool_visit *visit, void *context, struct error *err);
