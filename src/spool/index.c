#include "spool/core.h"

#include <stdlib.h>

/* Each live message counts in the segment of its record and in that of its newest state. Whatever
 * dies makes the segments there are candidates for copying forward. */
static void segment_count(struct spool *spool, struct segment *segment, uint64_t bytes)
{
    segment->live_records++;
    segment->live_bytes += bytes;
    spool->live_bytes += bytes;
}

static void segment_discount(struct spool *spool, struct segment *segment, uint64_t bytes)
{
    ASSERT(segment->live_records > 0);
    segment->live_records--;
    segment->live_bytes -= bytes;
    spool->live_bytes -= bytes;
}

uint64_t entry_offset(const struct entry *entry)
{
    return (uint64_t)entry->at * RECORD_ALIGN;
}

uint64_t entry_bytes(const struct entry *entry)
{
    return (uint64_t)entry->units * RECORD_ALIGN;
}

static void forget_message(struct spool *spool, struct entry *entry)
{
    if (!entry->segment)
        return;
    segment_discount(spool, entry->segment, entry_bytes(entry));
    list_remove(&entry->link);
    entry->segment = NULL;
}

static void forget_state(struct spool *spool, struct entry *entry)
{
    if (!entry->state_segment)
        return;
    segment_discount(spool, entry->state_segment, (uint64_t)entry->state_units * RECORD_ALIGN);
    entry->state_segment = NULL;
}

void index_place_message(struct spool *spool, struct entry *entry, struct segment *segment,
                         uint64_t offset, uint64_t bytes)
{
    forget_message(spool, entry);
    entry->segment = segment;
    entry->at = (uint32_t)(offset / RECORD_ALIGN);
    entry->units = (uint32_t)(bytes / RECORD_ALIGN);
    list_append(&segment->messages, &entry->link);
    segment_count(spool, segment, bytes);
}

void index_place_state(struct spool *spool, struct entry *entry, struct segment *segment,
                       uint64_t offset, uint64_t bytes)
{
    forget_state(spool, entry);
    entry->state_segment = segment;
    entry->state_at = (uint32_t)(offset / RECORD_ALIGN);
    entry->state_units = (uint32_t)(bytes / RECORD_ALIGN);
    segment_count(spool, segment, bytes);
}

void index_remove(struct spool *spool, struct entry *entry)
{
    forget_message(spool, entry);
    forget_state(spool, entry);
    table_take(spool->index, entry->id);
    free(entry);
}
