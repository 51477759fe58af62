#include "spool/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "spool/core.h"

static const int64_t LOOK_MS = 1000; /* between two looks at the free space */
/* Names below the shard's folder take less than this. */
enum { NAME_ROOM = 64 };

uint64_t spool_segment_room(const struct spool *spool)
{
    return spool->settings.segment_bytes - SEGMENT_START;
}

static struct spool *spool_new(struct disk *disk, const struct spool_settings *settings)
{
    struct spool *spool = NEW(struct spool);
    size_t size = strlen(settings->path) + 1;
    spool->disk = disk;
    spool->settings = *settings;
    spool->folder = memory_new(size, 1);
    memcpy(spool->folder, settings->path, size);
    spool->settings.path = spool->folder;
    spool->index = table_new(settings->seed);
    struct list *lists[] = {&spool->log,       &spool->appends,     &spool->smalls,
                            &spool->results,   &spool->readers,     &spool->gone,
                            &spool->gone_late, &spool->writer.pool, &spool->writer.doomed};
    for (size_t i = 0; i < COUNT(lists); i++)
        list_init(lists[i]);
    spool->writer.salt_state = settings->seed;
    return spool;
}

/* The folders exist and are durable, and are ours alone. */
static bool folders_open(struct spool *spool, struct error *err)
{
    char bodies[PATH_MAX], lock[PATH_MAX], parent[PATH_MAX];
    if (strlen(spool->folder) > PATH_MAX - NAME_ROOM)
        return error_set(err, 0, "the path is too long");
    body_folder(bodies, spool->folder);
    snprintf(lock, sizeof lock, "%s/lock", spool->folder);
    snprintf(parent, sizeof parent, "%s/..", spool->folder);
    if (!disk_make_folder(spool->disk, spool->folder, err) ||
        !disk_make_folder(spool->disk, bodies, err))
        return false;
    if (spool->settings.is_durable && (!disk_sync_folder(spool->disk, parent, err) ||
                                       !disk_sync_folder(spool->disk, spool->folder, err)))
        return false;
    spool->lock = disk_lock(spool->disk, lock, err);
    return spool->lock != NULL;
}

struct spool *spool_open(struct disk *disk, const struct spool_settings *settings,
                         spool_visit *visit, void *context, struct error *err)
{
    ASSERT(settings->segment_bytes > SEGMENT_START && settings->segment_bytes % SEGMENT_SLOT == 0);
    struct spool *spool = spool_new(disk, settings);
    if (!folders_open(spool, err) || !recover(spool, visit, context, err)) {
        error_wrap(err, "spool %s", settings->path);
        spool_close(spool);
        return NULL;
    }
    return spool;
}

static void segments_close(struct list *segments)
{
    LIST_EACH (segments, struct segment, link, segment) {
        list_remove(&segment->link);
        segment_close(segment);
    }
}

static void collected_free(struct spool *spool)
{
    LIST_EACH (&spool->appends, struct append, link, append) {
        body_close(append->body);
        free(append);
    }
    LIST_EACH (&spool->results, struct append, link, append) {
        free(append);
    }
    LIST_EACH (&spool->smalls, struct small, link, small) {
        free(small);
    }
    LIST_EACH (&spool->gone, struct gone, link, gone) {
        free(gone);
    }
    LIST_EACH (&spool->gone_late, struct gone, link, gone) {
        free(gone);
    }
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    ASSERT(!spool->is_running && list_is_empty(&spool->readers));
    collected_free(spool);
    void *entry;
    for (size_t place = 0; table_next(spool->index, &place, &entry);)
        free(entry);
    table_free(spool->index);
    segments_close(&spool->log);
    segments_close(&spool->writer.pool);
    segments_close(&spool->writer.doomed);
    disk_close(spool->lock);
    free(spool->folder);
    free(spool);
}

bool spool_has_room(struct spool *spool, int64_t now_ms)
{
    if (spool->has_looked && now_ms - spool->looked_ms < LOOK_MS)
        return spool->has_room;
    struct error ignored; /* a disk that cannot even say is no place for new mail */
    uint64_t bytes;
    spool->has_looked = true;
    spool->looked_ms = now_ms;
    spool->has_room = disk_free_bytes(spool->disk, spool->folder, &bytes, &ignored) &&
                      bytes >= spool->settings.low_water_bytes;
    spool->is_waiting = false;
    return spool->has_room;
}

/* --- Collecting ----------------------------------------------------------------------------- */

static void append_describe(struct append *append, const struct spool_message *message)
{
    const struct spool_body *body = append->body;
    struct record *record = &append->record;
    uint64_t body_bytes = body ? body->size : 0;
    ASSERT(message->body_skip <= body_bytes);
    record->type = RECORD_MESSAGE;
    record->id = message->id;
    record->meta_len = (uint32_t)message->meta.len;
    record->prefix_len = (uint32_t)message->prefix.len;
    if (body && body->has_file) {
        ASSERT(body->is_finished);
        record->flags = RECORD_HAS_FILE;
        record->body_len = body_bytes;
        record->body_skip = message->body_skip;
        record->body_sum = body->sum;
    } else {
        /* What is skipped does not go into the log at all. */
        record->body_len = body_bytes - message->body_skip;
    }
}

void spool_append(struct spool *spool, const struct spool_message *message,
                  struct spool_body *body_owned, void *owner)
{
    ASSERT(message->meta.len <= UINT32_MAX && message->prefix.len <= UINT32_MAX);
    size_t meta_len = message->meta.len, prefix_len = message->prefix.len;
    struct append *append = (struct append *)memory_new(1, sizeof *append + meta_len + prefix_len);
    append->body = body_owned;
    append->result.owner = owner;
    append->result.id = message->id;
    append_describe(append, message);
    if (meta_len)
        memcpy(append->head, message->meta.at, meta_len);
    if (prefix_len)
        memcpy(append->head + meta_len, message->prefix.at, prefix_len);
    list_append(&spool->appends, &append->link);
    spool->append_count++;
    spool->is_waiting = false;
}

static struct small *small_new(enum record_type type, uint64_t id, struct bytes state)
{
    struct small *small = (struct small *)memory_new(1, sizeof *small + state.len);
    small->record.type = (uint8_t)type;
    small->record.id = id;
    small->record.meta_len = (uint32_t)state.len;
    if (state.len)
        memcpy(small->state, state.at, state.len);
    return small;
}

static void pending_drop(struct entry *entry)
{
    if (!entry->pending)
        return;
    list_remove(&entry->pending->link);
    free(entry->pending);
    entry->pending = NULL;
}

void spool_update(struct spool *spool, uint64_t id, struct bytes state)
{
    struct entry *entry = table_find(spool->index, id);
    if (!entry)
        return;
    ASSERT(record_bytes_for(state.len, 0, 0) <= spool_segment_room(spool));
    pending_drop(entry);
    entry->pending = small_new(RECORD_STATE, id, state);
    list_append(&spool->smalls, &entry->pending->link);
    spool->is_waiting = false;
}

void spool_remove(struct spool *spool, uint64_t id)
{
    struct entry *entry = table_find(spool->index, id);
    if (!entry)
        return;
    pending_drop(entry);
    struct small *done = small_new(RECORD_DONE, id, BYTES_NONE);
    done->has_file = entry->has_file;
    list_append(&spool->smalls, &done->link);
    index_remove(spool, entry);
    spool->has_died = true;
    spool->is_waiting = false;
}

bool spool_result(struct spool *spool, struct spool_result *out)
{
    struct append *append = LIST_FIRST(&spool->results, struct append, link);
    if (!append)
        return false;
    *out = append->result;
    list_remove(&append->link);
    free(append);
    return true;
}

struct spool_stats spool_stats(const struct spool *spool)
{
    return (struct spool_stats){
        .messages = table_count(spool->index),
        .live_bytes = spool->live_bytes,
        .segment_count = spool->log_count,
        .free_segments = spool->pool_count,
        .batches = spool->batches,
        .appends = spool->append_count,
    };
}
