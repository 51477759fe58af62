/* The batch: what was collected, frozen, written with one pwritev and one sync, and learnt.
 *
 * A batch never spans two segments. It fails as a whole: its segment is retired, and the next
 * batch begins a new one whose first_seq is that of the failed batch's first record, so that a
 * recovery ends the retired segment's life in front of the records that were never acknowledged.
 * The pool's last segment is a reserve: new messages do not get it, so that results can still be
 * written, and space be freed by that, when the disk is full. */
#include "spool/core.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/random.h"
#include "spool/reader.h"

/* Records a batch, without copies: bounds the wait of the first for the last. */
static const uint64_t BATCH_BYTES = 8 * 1024 * 1024;
/* A sync of blocks that were never written has the file system note in its journal that they are
 * now: about twice the time of one that overwrites. So whatever first reaches such blocks writes
 * zeros ahead, and the syncs after it overwrite. */
static const uint64_t BLANK_AHEAD = 1024 * 1024;

/* --- Begin ---------------------------------------------------------------------------------- */

static uint64_t append_bytes(const struct append *append)
{
    return record_bytes(&append->record);
}

static void list_move(struct list *item, struct list *to)
{
    list_remove(item);
    list_append(to, item);
}

static void take_smalls(struct spool *spool, struct spool_batch *batch, uint64_t max)
{
    LIST_EACH (&spool->smalls, struct small, link, small) {
        uint64_t bytes = record_bytes(&small->record);
        if (batch->small_bytes > 0 && bytes > max - batch->small_bytes)
            return;
        batch->small_bytes += bytes;
        list_move(&small->link, &batch->smalls);
        struct entry *entry = table_find(spool->index, small->record.id);
        if (entry && entry->pending == small)
            entry->pending = NULL;
    }
}

static void append_refuse(struct spool *spool, struct append *append)
{
    append->result.outcome = SPOOL_FAILED;
    error_set(&append->result.err, EFBIG, "the record does not fit into a segment");
    if (append->body)
        spool_body_free(append->body);
    list_move(&append->link, &spool->results);
}

static void take_appends(struct spool *spool, struct spool_batch *batch, uint64_t max)
{
    uint64_t room = spool_segment_room(spool);
    LIST_EACH (&spool->appends, struct append, link, append) {
        uint64_t bytes = append_bytes(append);
        uint64_t all = batch->small_bytes + batch->append_bytes + bytes;
        if (bytes > room) {
            append_refuse(spool, append);
            continue;
        }
        if (all > max && !(batch->append_bytes == 0 && all <= room))
            return;
        batch->append_bytes += bytes;
        list_move(&append->link, &batch->appends);
    }
}

/* A file that a reader still has to open stays. */
static bool is_being_read(const struct spool *spool, uint64_t id)
{
    LIST_EACH (&spool->readers, struct spool_reader, link, reader) {
        if (reader->id == id)
            return true;
    }
    return false;
}

static bool gone_is_ready(const struct spool *spool)
{
    LIST_EACH (&spool->gone, struct gone, link, gone) {
        if (!is_being_read(spool, gone->id))
            return true;
    }
    return false;
}

bool spool_wants_batch(const struct spool *spool)
{
    if (!list_is_empty(&spool->appends))
        return true;
    if (spool->is_waiting)
        return false;
    if (!list_is_empty(&spool->smalls))
        return true;
    return !spool->is_running && (gone_is_ready(spool) || compact_wants_copy(spool));
}

struct spool_batch *spool_batch_begin(struct spool *spool)
{
    if (spool->is_running)
        return NULL;
    compact_reclaim(spool);
    if (list_is_empty(&spool->appends) && list_is_empty(&spool->smalls) && !gone_is_ready(spool) &&
        !compact_wants_copy(spool))
        return NULL;
    struct spool_batch *batch = NEW(struct spool_batch);
    batch->spool = spool;
    list_init(&batch->appends);
    list_init(&batch->smalls);
    list_init(&batch->gone);
    list_init(&batch->begun);
    uint64_t room = spool_segment_room(spool);
    uint64_t max = room < BATCH_BYTES ? room : BATCH_BYTES;
    take_smalls(spool, batch, max);
    take_appends(spool, batch, max);
    if (compact_wants_copy(spool))
        compact_choose(spool, batch, room - batch->small_bytes - batch->append_bytes);
    LIST_EACH (&spool->gone, struct gone, link, gone) {
        if (!is_being_read(spool, gone->id))
            list_move(&gone->link, &batch->gone);
    }
    const struct segment *first = LIST_FIRST(&spool->log, struct segment, link);
    batch->tail = first ? first->life.generation : 0;
    spool->is_running = true;
    return batch;
}

/* --- Run: a place --------------------------------------------------------------------------- */

static uint64_t batch_bytes(const struct spool_batch *batch)
{
    return batch->copy_bytes + batch->append_bytes + batch->small_bytes;
}

static bool current_has_room(const struct spool_batch *batch)
{
    const struct segment *current = batch->spool->writer.current;
    return current && batch_bytes(batch) <= current->bytes - current->used;
}

static bool pool_fill(struct spool *spool, size_t want, struct error *err)
{
    struct writer *writer = &spool->writer;
    size_t count = 0;
    for (const struct list *at = writer->pool.next; at != &writer->pool; at = at->next)
        count++;
    for (; count < want; count++) {
        struct segment *segment = segment_new(spool->disk, spool->folder, writer->next_number++,
                                              spool->settings.segment_bytes, err);
        if (!segment)
            return false;
        list_append(&writer->pool, &segment->link);
    }
    return true;
}

/* Begins a new segment, if the pool has (or gets) `want` of them. */
static bool segment_next(struct spool_batch *batch, size_t want, struct error *err)
{
    struct spool *spool = batch->spool;
    struct writer *writer = &spool->writer;
    if (!pool_fill(spool, want, err))
        return false;
    struct segment *segment = LIST_FIRST(&writer->pool, struct segment, link);
    struct segment_life life = {
        .flags = spool->settings.is_durable ? 0 : SEGMENT_UNSYNCED,
        .generation = writer->next_generation++,
        .first_seq = writer->next_seq,
        .salt = random_next(&writer->salt_state),
    };
    life.tail = batch->tail ? batch->tail : life.generation;
    if (!segment_begin(segment, spool->disk, spool->folder, &life, err)) {
        /* The header may be durable all the same, and it ends the life of the current segment
         * here: nothing more may go there. */
        writer->current = NULL;
        list_move(&segment->link, &writer->doomed);
        return error_wrap(err, "begin segment %06" PRIu64, segment->number);
    }
    writer->durable_tail = life.tail;
    writer->current = segment;
    list_move(&segment->link, &batch->begun);
    return true;
}

static bool batch_find_room(struct spool_batch *batch)
{
    if (batch_bytes(batch) == 0 || current_has_room(batch))
        return true;
    bool may_use_reserve =
        batch->append_bytes == 0 && (batch->copy_bytes == 0 || batch->may_copy_into_reserve);
    if (may_use_reserve)
        return segment_next(batch, 1, &batch->err);
    if (segment_next(batch, 2, &batch->append_err))
        return true;
    /* What frees space goes out all the same. */
    batch->are_appends_dropped = true;
    batch->append_bytes = 0;
    if (!batch->may_copy_into_reserve) {
        batch->are_copies_dropped = batch->copy_count > 0;
        batch->copy_count = 0;
        batch->copy_bytes = 0;
    }
    return batch_bytes(batch) == 0 || current_has_room(batch) ||
           segment_next(batch, 1, &batch->err);
}

/* --- Run: the write ------------------------------------------------------------------------- */

/* The parts of one pwritev: headers, meta and prefixes from one block, bodies from where they
 * are. */
struct layout {
    struct spool_batch *batch;
    struct bytes *parts;
    size_t part_count;
    uint8_t *block, *next; /* zeroed, so that padding is written from it */
    uint8_t *blank;        /* zeros to write ahead; NULL: none */
    uint64_t offset, seq;  /* of the next record */
};

static void layout_part(struct layout *layout, const uint8_t *at, size_t len)
{
    struct bytes *last = layout->part_count ? &layout->parts[layout->part_count - 1] : NULL;
    if (last && last->at + last->len == at)
        last->len += len;
    else if (len)
        layout->parts[layout->part_count++] = (struct bytes){at, len};
}

/* Numbers and seals the record; gives its place. */
static uint64_t layout_seal(struct layout *layout, struct record *record)
{
    const struct spool *spool = layout->batch->spool;
    const struct segment_life *life = &spool->writer.current->life;
    uint64_t offset = layout->offset;
    record->generation = life->generation;
    record->seq = layout->seq++;
    record->durable_seq = spool->settings.is_durable ? spool->writer.next_seq - 1 : 0;
    if (record->arrival == 0)
        record->arrival = record->seq;
    record_seal(record, life->salt);
    layout->offset += record_bytes(record);
    return offset;
}

/* Adds a record: its head (meta and prefix) is copied to the block, its inline body is not. */
static uint64_t layout_add(struct layout *layout, struct record *record, const uint8_t *head,
                           struct bytes body)
{
    size_t head_len = (size_t)record->meta_len + record->prefix_len;
    record->head_sum = XXH3_64bits(head, head_len);
    if (!(record->flags & RECORD_HAS_FILE))
        record->body_sum = XXH3_64bits(body.at, body.len);
    uint64_t offset = layout_seal(layout, record);
    memcpy(layout->next, record, sizeof *record);
    if (head_len)
        memcpy(layout->next + sizeof *record, head, head_len);
    layout_part(layout, layout->next, sizeof *record + head_len);
    layout->next += sizeof *record + head_len;
    layout_part(layout, body.at, body.len);
    size_t padding = record_bytes(record) - sizeof *record - head_len - body.len;
    layout_part(layout, layout->next, padding);
    layout->next += padding;
    return offset;
}

static struct bytes append_body(const struct append *append)
{
    if (!append->body || append->body->has_file)
        return BYTES_NONE;
    struct bytes held = buf_view(&append->body->held);
    return bytes_from(held, held.len - append->record.body_len);
}

static void layout_copies(struct layout *layout)
{
    struct spool_batch *batch = layout->batch;
    for (size_t i = 0; i < batch->copy_count; i++) {
        struct copy *copy = &batch->copies[i];
        struct record record;
        memcpy(&record, copy->whole, sizeof record);
        copy->offset = layout_seal(layout, &record);
        memcpy(copy->whole, &record, sizeof record);
        layout_part(layout, copy->whole, copy->bytes);
    }
}

static void layout_blank(struct layout *layout, struct segment *segment)
{
    bool is_durable = layout->batch->spool->settings.is_durable;
    if (!is_durable || layout->offset <= segment->blank_from)
        return;
    uint64_t left = segment->bytes - layout->offset;
    uint64_t ahead = left < BLANK_AHEAD ? left : BLANK_AHEAD;
    layout->blank = memory_new(ahead, 1);
    layout_part(layout, layout->blank, ahead);
    segment->blank_from = layout->offset + ahead;
}

/* Everything of the batch; the caller frees parts, block and blank. */
static void layout_batch(struct layout *layout)
{
    struct spool_batch *batch = layout->batch;
    size_t records = batch->copy_count;
    uint64_t block = 0;
    LIST_EACH (&batch->appends, struct append, link, append) {
        records++;
        block += append_bytes(append) - append_body(append).len;
    }
    LIST_EACH (&batch->smalls, struct small, link, small) {
        records++;
        block += record_bytes(&small->record);
    }
    layout->parts = memory_new(3 * records + 1, sizeof *layout->parts);
    layout->block = layout->next = memory_new(block, 1);
    layout_copies(layout);
    if (!batch->are_appends_dropped)
        LIST_EACH (&batch->appends, struct append, link, append) {
            append->offset = layout_add(layout, &append->record, append->head, append_body(append));
        }
    LIST_EACH (&batch->smalls, struct small, link, small) {
        small->offset = layout_add(layout, &small->record, small->state, BYTES_NONE);
    }
    layout_blank(layout, batch->spool->writer.current);
}

static bool batch_write(struct spool_batch *batch)
{
    struct spool *spool = batch->spool;
    struct segment *segment = spool->writer.current;
    if (batch_bytes(batch) == 0)
        return true;
    struct layout layout = {.batch = batch, .offset = segment->used, .seq = spool->writer.next_seq};
    layout_batch(&layout);
    bool is_good =
        disk_write(segment->file, segment->used, layout.parts, layout.part_count, &batch->err) &&
        (!spool->settings.is_durable || disk_sync(segment->file, &batch->err));
    free(layout.parts);
    free(layout.block);
    free(layout.blank);
    if (!is_good) {
        segment->is_retired = true;
        spool->writer.current = NULL;
        return false;
    }
    segment->used = layout.offset;
    spool->writer.next_seq = layout.seq;
    batch->segment = segment;
    return true;
}

static void remove_gone(struct spool_batch *batch)
{
    LIST_EACH (&batch->gone, struct gone, link, gone) {
        char path[PATH_MAX];
        struct error ignored; /* an orphan: the next opening removes it */
        body_path(path, batch->spool->folder, gone->id);
        list_remove(&gone->link);
        free(gone);
        if (!disk_unlink(batch->spool->disk, path, &ignored))
            continue;
    }
}

void spool_batch_run(struct spool_batch *batch)
{
    compact_read(batch);
    batch->is_stored = batch_find_room(batch) && batch_write(batch);
    if (batch->is_stored)
        remove_gone(batch);
    compact_remove_doomed(batch->spool);
}

/* --- End ------------------------------------------------------------------------------------ */

static void gone_add(struct list *to, uint64_t id)
{
    struct gone *gone = NEW(struct gone);
    gone->id = id;
    list_append(to, &gone->link);
}

static void append_stored(struct spool *spool, struct segment *segment, const struct append *append)
{
    struct entry *entry = NEW(struct entry);
    entry->id = append->record.id;
    entry->arrival = append->record.arrival;
    entry->message_bytes = record_message_bytes(&append->record);
    entry->has_file = append->record.flags & RECORD_HAS_FILE;
    list_init(&entry->link);
    ASSERT(!table_add(spool->index, entry->id, entry)); /* ids are never used twice */
    index_place_message(spool, entry, segment, append->offset, append_bytes(append));
}

static void appends_end(struct spool *spool, struct spool_batch *batch)
{
    bool is_stored = batch->is_stored && !batch->are_appends_dropped;
    const struct error *err = batch->are_appends_dropped ? &batch->append_err : &batch->err;
    bool is_full = err->os == ENOSPC || err->os == EDQUOT;
    LIST_EACH (&batch->appends, struct append, link, append) {
        if (is_stored) {
            append->result.outcome = SPOOL_STORED;
            append_stored(spool, batch->segment, append);
        } else {
            append->result.outcome = is_full ? SPOOL_FULL : SPOOL_FAILED;
            append->result.err = *err;
            /* A crash now may still find the record that names the file. */
            if (append->record.flags & RECORD_HAS_FILE)
                gone_add(&spool->gone_late, append->record.id);
        }
        body_close(append->body);
        append->body = NULL;
        list_move(&append->link, &spool->results);
    }
}

static void small_stored(struct spool *spool, struct segment *segment, const struct small *small)
{
    if (small->record.type == RECORD_DONE) {
        if (small->has_file)
            gone_add(&spool->gone, small->record.id);
        return;
    }
    struct entry *entry = table_find(spool->index, small->record.id);
    if (!entry)
        return;
    spool->has_died |= entry->state_segment != NULL;
    index_place_state(spool, entry, segment, small->offset, record_bytes(&small->record));
}

/* Collects it again, unless it is superseded by now. */
static void small_again(struct spool *spool, struct small *small)
{
    struct entry *entry = table_find(spool->index, small->record.id);
    list_remove(&small->link);
    small->record.arrival = 0;
    if (small->record.type == RECORD_STATE) {
        if (!entry || entry->pending) {
            free(small);
            return;
        }
        entry->pending = small;
    }
    list_prepend(&spool->smalls, &small->link);
}

static void smalls_end(struct spool *spool, struct spool_batch *batch)
{
    LIST_EACH (&batch->smalls, struct small, link, small) {
        if (batch->is_stored) {
            small_stored(spool, batch->segment, small);
            list_remove(&small->link);
            free(small);
        } else {
            small_again(spool, small);
        }
    }
}

void spool_batch_end(struct spool *spool, struct spool_batch *batch_owned)
{
    struct spool_batch *batch = batch_owned;
    spool->is_running = false;
    spool->batches++;
    LIST_EACH (&batch->begun, struct segment, link, segment) {
        list_move(&segment->link, &spool->log);
        spool->log_count++;
    }
    if (batch->segment)
        LIST_EACH (&spool->gone_late, struct gone, link, gone) {
            list_move(&gone->link, &spool->gone);
        }
    spool->is_waiting = !batch->is_stored || batch->are_copies_dropped;
    compact_end(spool, batch);
    appends_end(spool, batch);
    smalls_end(spool, batch);
    LIST_EACH (&batch->gone, struct gone, link, gone) {
        list_move(&gone->link, &spool->gone);
    }
    free(batch->copies);
    free(batch->copied);
    free(batch);
    compact_count_pool(spool);
    compact_reclaim(spool);
}
