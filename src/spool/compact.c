/* Why copying ends: a segment is copied forward only while something has died since it was begun
 * (compact_below), so what compaction itself wrote is not copied again until there is new dead
 * weight; and only while the log is both longer than LOG_KEEP segments and mostly dead. */
#include "spool/core.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

enum { POOL_KEEP = 4, LOG_KEEP = 4 };
static const uint64_t COPY_BYTES = 4 * 1024 * 1024; /* a batch: new mail waits for it */

static struct segment *oldest(const struct spool *spool)
{
    return LIST_FIRST(&spool->log, struct segment, link);
}

static void segment_release(struct spool *spool, struct segment *segment)
{
    list_remove(&segment->link);
    spool->log_count--;
    segment->unlink_after = segment->life.generation;
    bool is_reusable = !segment->is_retired && segment->bytes == spool->settings.segment_bytes;
    list_append(is_reusable ? &spool->writer.pool : &spool->writer.doomed, &segment->link);
    spool->pool_count += is_reusable;
}

void compact_reclaim(struct spool *spool)
{
    for (struct segment *first = oldest(spool);
         first && first != spool->writer.current && first->live_records == 0 && first->pins == 0;
         first = oldest(spool))
        segment_release(spool, first);
    while (spool->pool_count > POOL_KEEP) {
        struct segment *extra = LIST_FIRST(&spool->writer.pool, struct segment, link);
        list_remove(&extra->link);
        list_append(&spool->writer.doomed, &extra->link);
        spool->pool_count--;
    }
}

void compact_count_pool(struct spool *spool)
{
    spool->pool_count = 0;
    for (const struct list *at = spool->writer.pool.next; at != &spool->writer.pool; at = at->next)
        spool->pool_count++;
}

void compact_remove_doomed(struct spool *spool)
{
    LIST_EACH (&spool->writer.doomed, struct segment, link, segment) {
        /* Until then a recovery would start at it and miss it. */
        if (segment->unlink_after >= spool->writer.durable_tail && segment->unlink_after > 0)
            continue;
        struct error ignored; /* the next opening finds it again */
        list_remove(&segment->link);
        if (!segment_remove(segment, spool->disk, spool->folder, &ignored))
            continue;
    }
}

bool compact_wants_copy(const struct spool *spool)
{
    uint64_t below = spool->has_died ? spool->writer.next_generation : spool->compact_below;
    const struct segment *first = oldest(spool);
    if (!first || first == spool->writer.current || first->live_records == 0 || first->pins > 0 ||
        first->is_unreadable || first->life.generation >= below)
        return false;
    uint64_t held = spool->log_count * spool->settings.segment_bytes;
    return spool->log_count > LOG_KEEP && held / 2 > spool->live_bytes;
}

static void copy_add(struct spool_batch *batch, const struct copy *copy)
{
    batch->copies = memory_resize(batch->copies, batch->copy_count + 1, sizeof *batch->copies);
    batch->copies[batch->copy_count++] = *copy;
    batch->copy_bytes += copy->bytes;
}

void compact_choose(struct spool *spool, struct spool_batch *batch, uint64_t max)
{
    if (spool->has_died)
        spool->compact_below = spool->writer.next_generation;
    spool->has_died = false;
    struct segment *first = oldest(spool);
    batch->may_copy_into_reserve = first->live_bytes <= spool_segment_room(spool) / 2;
    LIST_EACH (&first->messages, struct entry, link, entry) {
        uint64_t state_bytes = (uint64_t)entry->state_units * RECORD_ALIGN;
        uint64_t all =
            batch->copy_bytes + entry_bytes(entry) + (entry->state_segment ? state_bytes : 0);
        if (all > max || (all > COPY_BYTES && batch->copy_count > 0))
            return;
        copy_add(batch, &(struct copy){.id = entry->id,
                                       .segment = entry->segment,
                                       .from = entry_offset(entry),
                                       .bytes = entry_bytes(entry)});
        if (entry->state_segment)
            copy_add(batch, &(struct copy){.id = entry->id,
                                           .segment = entry->state_segment,
                                           .from = (uint64_t)entry->state_at * RECORD_ALIGN,
                                           .bytes = state_bytes,
                                           .is_state = true});
    }
}

static bool copy_read(struct copy *copy, uint8_t *at, struct error *err)
{
    const struct segment *segment = copy->segment;
    struct record record;
    size_t len;
    if (!disk_read(segment->file, copy->from, at, copy->bytes, &len, err))
        return false;
    if (len < copy->bytes ||
        !record_read(at, copy->bytes, segment->life.salt, segment->life.generation, &record) ||
        record.id != copy->id || !record_is_whole(&record, at))
        return error_set(err, 0, "segment %06" PRIu64 " is damaged at %" PRIu64, segment->number,
                         copy->from);
    copy->whole = at;
    return true;
}

void compact_read(struct spool_batch *batch)
{
    if (batch->copy_count == 0)
        return;
    batch->copied = memory_new(batch->copy_bytes, 1);
    uint64_t done = 0;
    for (size_t i = 0; i < batch->copy_count; i++) {
        struct copy *copy = &batch->copies[i];
        if (!copy_read(copy, batch->copied + done, &batch->copy_err)) {
            /* A state goes with its message or not at all. */
            batch->has_copy_err = true;
            batch->copy_count = copy->is_state ? i - 1 : i;
            batch->copy_bytes = copy->is_state ? done - batch->copies[i - 1].bytes : done;
            return;
        }
        done += copy->bytes;
    }
}

void compact_end(struct spool *spool, const struct spool_batch *batch)
{
    if (batch->has_copy_err) {
        oldest(spool)->is_unreadable = true;
        log_warning("segment-unreadable", LOG_INT("segment", oldest(spool)->number),
                    LOG_TEXT("reason", batch->copy_err.text));
    }
    if (!batch->is_stored)
        return;
    for (size_t i = 0; i < batch->copy_count; i++) {
        const struct copy *copy = &batch->copies[i];
        struct entry *entry = table_find(spool->index, copy->id);
        if (!entry)
            continue;
        if (copy->is_state)
            index_place_state(spool, entry, batch->segment, copy->offset, copy->bytes);
        else
            index_place_message(spool, entry, batch->segment, copy->offset, copy->bytes);
    }
}
