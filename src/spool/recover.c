/* Recovery: reads the whole log, oldest segment first, into the index.
 *
 * The end of a segment's life is the next one's first_seq. In the last segment records end at the
 * first bad one, which is a torn tail, unless a later record of the same life says that it had
 * been durable: then, as with any bad record in an earlier segment, something was damaged that no
 * crash explains, and the spool is not opened; silence would lose mail.
 *
 * What the last batches wrote may be in the page cache only (the process was killed, or a sync
 * failed and the kernel took the pages for clean). It is written and synced once more before
 * anything relies on it. Afterwards a fresh segment is begun, never an old one continued. */
#include "spool/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

struct recovery {
    struct spool *spool;
    struct segment **segments; /* by generation */
    size_t count;
    struct error *err;
    bool is_good;      /* no callback failed */
    bool accepts_loss; /* the operator made the file accept-loss */
    uint64_t tail;
    uint8_t *image; /* the segment in work; one buffer for all, whose pages are there then */
    uint64_t image_len, image_room;
    uint64_t durable_seq; /* the highest that a record or header tells of */
};

enum { META_USUAL = 416 };

static const char ACCEPT_LOSS[] = "accept-loss";

/* --- Segments --------------------------------------------------------------------------------- */

static void see_marker(void *context, const char *name)
{
    struct recovery *recovery = context;
    if (bytes_equal(bytes_of(name), bytes_of(ACCEPT_LOSS)))
        recovery->accepts_loss = true;
}

static void see_segment(void *context, const char *name)
{
    struct recovery *recovery = context;
    struct spool *spool = recovery->spool;
    uint64_t number;
    if (!recovery->is_good || !segment_number(name, &number))
        return;
    enum segment_trust trust = spool->settings.is_durable && !recovery->accepts_loss
                                   ? SEGMENT_MUST_BE_WHOLE
                                   : SEGMENT_MAY_BE_LOST;
    struct segment *segment =
        segment_open(spool->disk, spool->folder, number, trust, recovery->err);
    if (!segment) {
        recovery->is_good = false;
        return;
    }
    recovery->segments =
        memory_resize(recovery->segments, recovery->count + 1, sizeof *recovery->segments);
    recovery->segments[recovery->count++] = segment;
    if (number >= spool->writer.next_number)
        spool->writer.next_number = number + 1;
    if (segment->life.generation >= spool->writer.next_generation)
        spool->writer.next_generation = segment->life.generation + 1;
    if (segment->life.tail > recovery->tail)
        recovery->tail = segment->life.tail;
}

static int by_generation(const void *a, const void *b)
{
    const struct segment *const *left = a, *const *right = b;
    uint64_t x = (*left)->life.generation, y = (*right)->life.generation;
    return x < y ? -1 : x > y;
}

/* Damage: an error, or where loss is accepted a line in the log (true: go on). */
static bool damaged(struct recovery *recovery, const struct segment *segment, uint64_t offset,
                    const char *what)
{
    bool is_unsynced = segment->life.flags & SEGMENT_UNSYNCED;
    if (recovery->accepts_loss || is_unsynced) {
        log_error("spool-damaged", LOG_TEXT("folder", recovery->spool->folder),
                  LOG_INT("segment", segment->number), LOG_INT("offset", offset),
                  LOG_TEXT("what", what));
        return true;
    }
    return error_set(recovery->err, 0,
                     "%06" PRIu64 ".seg is damaged at offset %" PRIu64
                     " (%s): copy the folder away for examination, then make an empty file %s in "
                     "it to go on without what cannot be read",
                     segment->number, offset, what, ACCEPT_LOSS);
}

/* Sorts the segments into the log, the pool and the doomed. */
static bool segments_sort(struct recovery *recovery)
{
    struct spool *spool = recovery->spool;
    if (recovery->count)
        qsort(recovery->segments, recovery->count, sizeof *recovery->segments, by_generation);
    const struct segment *previous = NULL;
    for (size_t i = 0; i < recovery->count; i++) {
        struct segment *segment = recovery->segments[i];
        const struct segment_life *life = &segment->life;
        segment->unlink_after = life->generation;
        bool is_reusable = segment->bytes == spool->settings.segment_bytes;
        if (life->generation == 0 || life->generation < recovery->tail) {
            list_append(is_reusable ? &spool->writer.pool : &spool->writer.doomed, &segment->link);
            continue;
        }
        list_append(&spool->log, &segment->link);
        spool->log_count++;
        if (previous && (previous->life.generation == life->generation ||
                         previous->life.first_seq > life->first_seq))
            return error_set(recovery->err, 0,
                             "%06" PRIu64 ".seg and %06" PRIu64
                             ".seg contradict each other: was one of them copied? Move the copy "
                             "away",
                             previous->number, segment->number);
        if (!previous && life->generation != recovery->tail &&
            !damaged(recovery, segment, 0, "the segment before it is missing"))
            return false;
        previous = segment;
    }
    return true;
}

static bool segments_open(struct recovery *recovery)
{
    struct spool *spool = recovery->spool;
    if (!disk_list(spool->disk, spool->folder, see_marker, recovery, recovery->err) ||
        !disk_list(spool->disk, spool->folder, see_segment, recovery, recovery->err))
        recovery->is_good = false;
    bool is_good = recovery->is_good && segments_sort(recovery);
    spool->writer.durable_tail = recovery->tail;
    if (!is_good) /* what is in no list yet must be closed all the same */
        for (size_t i = 0; i < recovery->count; i++)
            if (list_is_empty(&recovery->segments[i]->link))
                list_append(&spool->writer.doomed, &recovery->segments[i]->link);
    return is_good;
}

/* --- Records ---------------------------------------------------------------------------------- */

static bool record_at(const struct recovery *recovery, const struct segment *segment,
                      uint64_t offset, struct record *out)
{
    return offset <= recovery->image_len &&
           record_read(recovery->image + offset, recovery->image_len - offset, segment->life.salt,
                       segment->life.generation, out);
}

/* The first record of this life from the offset on with at least these numbers. */
static bool find_later(const struct recovery *recovery, const struct segment *segment, uint64_t seq,
                       uint64_t durable_seq, uint64_t *offset)
{
    struct record record;
    for (uint64_t at = *offset; at < recovery->image_len; at += RECORD_ALIGN) {
        if (!record_at(recovery, segment, at, &record) || record.seq < seq ||
            record.durable_seq < durable_seq)
            continue;
        *offset = at;
        return true;
    }
    return false;
}

static bool apply_message(struct recovery *recovery, struct segment *segment, uint64_t offset,
                          const struct record *record)
{
    struct spool *spool = recovery->spool;
    struct entry *entry = table_find(spool->index, record->id);
    if (!entry) {
        entry = NEW(struct entry);
        entry->id = record->id;
        entry->arrival = record->arrival;
        entry->message_bytes = record_message_bytes(record);
        entry->has_file = record->flags & RECORD_HAS_FILE;
        list_init(&entry->link);
        table_add(spool->index, entry->id, entry);
    } else if (entry->arrival != record->arrival) {
        return damaged(recovery, segment, offset, "two messages with the same id");
    }
    index_place_message(spool, entry, segment, offset, record_bytes(record));
    return true;
}

static bool apply(struct recovery *recovery, struct segment *segment, uint64_t offset,
                  const struct record *record)
{
    struct spool *spool = recovery->spool;
    if (record->durable_seq > recovery->durable_seq)
        recovery->durable_seq = record->durable_seq;
    struct entry *entry = table_find(spool->index, record->id);
    switch ((enum record_type)record->type) {
    case RECORD_MESSAGE: return apply_message(recovery, segment, offset, record);
    case RECORD_STATE:
        if (entry)
            index_place_state(spool, entry, segment, offset, record_bytes(record));
        return true;
    case RECORD_DONE:
        if (entry)
            index_remove(spool, entry);
        return true;
    }
    return damaged(recovery, segment, offset, "a record of unknown type");
}

static bool image_read(struct recovery *recovery, const struct segment *segment)
{
    if (recovery->image_room < segment->bytes) {
        free(recovery->image);
        recovery->image = memory_new(segment->bytes, 1);
        recovery->image_room = segment->bytes;
    }
    size_t len;
    if (!disk_read(segment->file, 0, recovery->image, segment->bytes, &len, recovery->err))
        return false;
    recovery->image_len = len;
    return true;
}

/* What is it when the record that should be at the offset is bad: the end (true, *offset beyond
 * the image), something to skip (true), or damage? */
static bool scan_bad(struct recovery *recovery, const struct segment *segment, bool is_last,
                     uint64_t seq, uint64_t *offset)
{
    uint64_t at = *offset, witness = *offset;
    bool is_torn = is_last && !find_later(recovery, segment, seq + 1, seq, &witness);
    if (!is_torn && !damaged(recovery, segment, at, "a bad record"))
        return false;
    *offset += RECORD_ALIGN;
    if (is_torn || !find_later(recovery, segment, seq + 1, 0, offset))
        *offset = UINT64_MAX;
    return true;
}

/* Applies the segment's records with seq below end; *end becomes one more than the last. */
static bool scan(struct recovery *recovery, struct segment *segment, bool is_last, uint64_t *end)
{
    uint64_t seq = segment->life.first_seq, offset = SEGMENT_START;
    if (!image_read(recovery, segment))
        return false;
    while (seq < *end) {
        struct record record;
        if (record_at(recovery, segment, offset, &record) && record.seq >= seq &&
            (record.seq == seq || recovery->accepts_loss) && record.seq < *end &&
            record_is_whole(&record, recovery->image + offset)) {
            if (!apply(recovery, segment, offset, &record))
                return false;
            offset += record_bytes(&record);
            segment->used = offset;
            seq = record.seq + 1;
            continue;
        }
        if (!scan_bad(recovery, segment, is_last, seq, &offset))
            return false;
        if (offset == UINT64_MAX)
            break;
    }
    if (is_last)
        *end = seq;
    return true;
}

static bool scan_all(struct recovery *recovery)
{
    struct spool *spool = recovery->spool;
    for (struct list *at = spool->log.next; at != &spool->log; at = at->next) {
        struct segment *segment = CONTAINER(at, struct segment, link);
        bool is_last = at->next == &spool->log;
        uint64_t end =
            is_last ? UINT64_MAX : CONTAINER(at->next, struct segment, link)->life.first_seq;
        if (!scan(recovery, segment, is_last, &end))
            return false;
        spool->writer.next_seq = end;
    }
    return true;
}

/* --- Settling --------------------------------------------------------------------------------- */

/* Writes once more what may not be durable of the last segment, whose image is at hand. */
static bool settle_last(struct recovery *recovery, struct segment *last)
{
    uint64_t durable = last->life.first_seq - 1;
    if (recovery->durable_seq > durable)
        durable = recovery->durable_seq;
    uint64_t offset = SEGMENT_START;
    struct record record;
    while (offset < last->used && record_at(recovery, last, offset, &record) &&
           record.seq <= durable)
        offset += record_bytes(&record);
    struct bytes rest = {recovery->image + offset, last->used - offset};
    if (rest.len > 0 && !disk_write(last->file, offset, &rest, 1, recovery->err))
        return false;
    return segment_rewrite(last, recovery->err);
}

/* Headers of segments without records were perhaps never durable. */
static bool settle(struct recovery *recovery)
{
    struct spool *spool = recovery->spool;
    if (!spool->settings.is_durable)
        return true;
    for (struct list *at = spool->log.next; at != &spool->log; at = at->next) {
        struct segment *segment = CONTAINER(at, struct segment, link);
        if (at->next == &spool->log
                ? !settle_last(recovery, segment)
                : segment->used == SEGMENT_START && !segment_rewrite(segment, recovery->err))
            return false;
    }
    return true;
}

/* --- Bodies ----------------------------------------------------------------------------------- */

static void see_body(void *context, const char *name)
{
    struct recovery *recovery = context;
    struct spool *spool = recovery->spool;
    uint64_t id;
    if (!recovery->is_good || !body_id(name, &id))
        return;
    struct entry *entry = table_find(spool->index, id);
    if (entry && entry->has_file) {
        entry->has_seen_file = true;
        return;
    }
    char path[PATH_MAX];
    body_path(path, spool->folder, id);
    recovery->is_good = disk_unlink(spool->disk, path, recovery->err);
}

static bool bodies_check(struct recovery *recovery)
{
    struct spool *spool = recovery->spool;
    char folder[PATH_MAX];
    body_folder(folder, spool->folder);
    if (!disk_list(spool->disk, folder, see_body, recovery, recovery->err) || !recovery->is_good)
        return false;
    void *value;
    for (size_t place = 0; table_next(spool->index, &place, &value);) {
        struct entry *entry = value;
        if (!entry->has_file || entry->has_seen_file)
            continue;
        if (!damaged(recovery, entry->segment, entry_offset(entry), "its body's file is missing"))
            return false;
        index_remove(spool, entry);
    }
    return true;
}

static bool body_size_check(struct recovery *recovery, const struct entry *entry,
                            const struct record *record)
{
    char path[PATH_MAX];
    body_path(path, recovery->spool->folder, entry->id);
    struct disk_file *file = disk_open(recovery->spool->disk, path, DISK_READ, recovery->err);
    uint64_t size;
    bool is_good = file && disk_size(file, &size, recovery->err);
    disk_close(file);
    return is_good &&
           (size == record->body_len || damaged(recovery, entry->segment, entry_offset(entry),
                                                "its body's file has another size"));
}

/* --- Visiting --------------------------------------------------------------------------------- */

static int by_arrival(const void *a, const void *b)
{
    const struct entry *const *left = a, *const *right = b;
    return (*left)->arrival < (*right)->arrival ? -1 : (*left)->arrival > (*right)->arrival;
}

/* Reads a record's header and meta to *out, both at once where the meta is no longer than most. */
static bool meta_read(struct recovery *recovery, const struct segment *segment, uint64_t offset,
                      struct record *record, struct buf *out)
{
    uint8_t front[RECORD_HEADER + META_USUAL];
    size_t len;
    if (!disk_read(segment->file, offset, front, sizeof front, &len, recovery->err))
        return false;
    if (len < RECORD_HEADER || !record_read(front, segment->bytes - offset, segment->life.salt,
                                            segment->life.generation, record))
        return error_set(recovery->err, 0, "%06" PRIu64 ".seg changed while it was read",
                         segment->number);
    buf_clear(out);
    if (record->meta_len <= len - RECORD_HEADER) {
        buf_add(out, (struct bytes){front + RECORD_HEADER, record->meta_len});
        return true;
    }
    uint8_t *room = buf_reserve(out, record->meta_len);
    if (!disk_read(segment->file, offset + RECORD_HEADER, room, record->meta_len, &len,
                   recovery->err))
        return false;
    buf_grow(out, len);
    return true;
}

static bool visit_one(struct recovery *recovery, const struct entry *entry, struct buf *meta,
                      struct buf *state, spool_visit *visit, void *context)
{
    struct record record, state_record;
    if (!meta_read(recovery, entry->segment, entry_offset(entry), &record, meta))
        return false;
    if (entry->has_file && !body_size_check(recovery, entry, &record))
        return false;
    buf_clear(state);
    if (entry->state_segment &&
        !meta_read(recovery, entry->state_segment, (uint64_t)entry->state_at * RECORD_ALIGN,
                   &state_record, state))
        return false;
    struct spool_found found = {entry->id, buf_view(meta), buf_view(state), entry->message_bytes};
    visit(context, &found);
    return true;
}

static bool visit_all(struct recovery *recovery, spool_visit *visit, void *context)
{
    size_t count = table_count(recovery->spool->index), i = 0;
    struct entry **entries = memory_new(count, sizeof(struct entry *));
    void *value;
    for (size_t place = 0; table_next(recovery->spool->index, &place, &value);)
        entries[i++] = value;
    qsort(entries, count, sizeof(struct entry *), by_arrival);
    struct buf meta, state;
    buf_init(&meta, UINT32_MAX);
    buf_init(&state, UINT32_MAX);
    bool is_good = true;
    for (i = 0; i < count && is_good; i++)
        is_good = visit_one(recovery, entries[i], &meta, &state, visit, context);
    buf_done(&meta);
    buf_done(&state);
    free(entries);
    return is_good;
}

bool recover(struct spool *spool, spool_visit *visit, void *context, struct error *err)
{
    struct recovery recovery = {.spool = spool, .err = err, .is_good = true};
    spool->writer.next_number = spool->writer.next_generation = spool->writer.next_seq = 1;
    bool is_good = segments_open(&recovery) && scan_all(&recovery) && settle(&recovery) &&
                   bodies_check(&recovery) && visit_all(&recovery, visit, context);
    free(recovery.image);
    free(recovery.segments);
    if (!is_good)
        return false;
    compact_count_pool(spool);
    compact_reclaim(spool);
    compact_remove_doomed(spool);
    spool->has_died = true; /* before: what died then may be copied out of the way now */
    return true;
}
