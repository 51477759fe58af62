/* A segment of the log: one preallocated file NNNNNN.seg that is filled from front to back, and
 * recycled when nothing in it is needed any more. Each time is a life with its own generation.
 *
 * The header sits in two slots that lives use in turn, the valid one with the highest generation
 * counts: a header that is torn by a crash leaves the life before it, whose records are still
 * untouched, because no record is written before the header is durable. */
#pragma once

#include "base/list.h"
#include "disk/disk.h"

enum { SEGMENT_SLOT = 4096, SEGMENT_START = 2 * SEGMENT_SLOT }; /* records begin at START */
enum { SEGMENT_UNSYNCED = 1 }; /* flag: written without syncs, so a crash may leave gaps */

/* What a header says; the layout on disk. */
struct segment_life {
    uint64_t magic;
    uint32_t version, flags;
    uint64_t generation; /* grows with each life of any segment; 0: none yet */
    uint64_t first_seq;  /* of the first record this life holds */
    uint64_t tail;       /* the oldest generation that was still needed */
    uint64_t salt;       /* of the records' checksums */
    uint64_t sum;
};

struct segment {
    struct list link; /* in the log, the pool or the doomed */
    uint64_t number;  /* of the file */
    struct disk_file *file;
    uint64_t bytes; /* of the file */
    struct segment_life life;
    unsigned slot; /* the one that holds life */
    bool is_new;   /* the file's name may not be durable yet */

    uint64_t used;         /* offset of the next record */
    uint64_t blank_from;   /* blocks from here on were allocated, never written */
    bool is_retired;       /* a write or sync failed: never written again */
    bool is_unreadable;    /* copying forward failed: it stays until its messages are done */
    uint64_t unlink_after; /* may be removed when the durable tail is beyond this generation */

    /* Of the owner's thread: what is needed in it. */
    struct list messages; /* struct entry.link: live messages whose record is here */
    size_t live_records;  /* those and the newest states here */
    uint64_t live_bytes;
    unsigned pins; /* readers */
};

/* Makes and preallocates the file; nothing is left behind on failure. */
MUST_CHECK struct segment *segment_new(struct disk *disk, const char *folder, uint64_t number,
                                       uint64_t bytes, struct error *err);
/* What a file without a valid header means. */
enum segment_trust { SEGMENT_MUST_BE_WHOLE, SEGMENT_MAY_BE_LOST };
/* Opens a file and reads its header. life.generation 0: it was never used, or it lost both headers
 * and MAY_BE_LOST. Fails on damage too. */
MUST_CHECK struct segment *segment_open(struct disk *disk, const char *folder, uint64_t number,
                                        enum segment_trust trust, struct error *err);
/* Closes the file, frees the rest. */
void segment_close(struct segment *segment);
/* Closes it and removes the file. */
MUST_CHECK bool segment_remove(struct segment *segment_owned, struct disk *disk, const char *folder,
                               struct error *err);

/* Begins a life: writes the header to the slot that is not in use and, unless the flags say
 * UNSYNCED, makes it and the file's name durable. After a failure the segment may show either
 * life and must not be used again. */
MUST_CHECK bool segment_begin(struct segment *segment, struct disk *disk, const char *folder,
                              const struct segment_life *life, struct error *err);
/* Writes the header of the life it has once more, in place (recovery: it may not be durable). */
MUST_CHECK bool segment_rewrite(struct segment *segment, struct error *err);

/* Is this the name of a segment's file? */
MUST_CHECK bool segment_number(const char *name, uint64_t *out);
