#include "spool/segment.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "spool/record.h"

static const uint64_t MAGIC = 0x31676573206c6f6f; /* "ool seg1" */
enum { VERSION = 1 };
static const uint64_t NUMBER_MAX = 999999999999;

static void segment_path(char path[PATH_MAX], const char *folder, uint64_t number)
{
    snprintf(path, PATH_MAX, "%s/%06" PRIu64 ".seg", folder, number);
}

bool segment_number(const char *name, uint64_t *out)
{
    struct bytes number, rest;
    return bytes_cut(bytes_of(name), '.', &number, &rest) && bytes_equal(rest, BYTES("seg")) &&
           scan_u64(number, NUMBER_MAX, out);
}

static struct segment *segment_of(struct disk_file *file, uint64_t number, uint64_t bytes)
{
    struct segment *segment = NEW(struct segment);
    list_init(&segment->link);
    list_init(&segment->messages);
    segment->number = number;
    segment->file = file;
    segment->bytes = bytes;
    segment->used = SEGMENT_START;
    segment->blank_from = bytes;
    return segment;
}

struct segment *segment_new(struct disk *disk, const char *folder, uint64_t number, uint64_t bytes,
                            struct error *err)
{
    char path[PATH_MAX];
    segment_path(path, folder, number);
    struct disk_file *file = disk_open(disk, path, DISK_NEW, err);
    if (!file)
        return NULL;
    if (!disk_allocate(file, bytes, err)) {
        struct error ignored; /* an empty file that stays is taken for unused and removed */
        disk_close(file);
        if (!disk_unlink(disk, path, &ignored))
            error_wrap(err, "%s", ignored.text);
        return NULL;
    }
    struct segment *segment = segment_of(file, number, bytes);
    segment->is_new = true;
    segment->slot = 1;
    segment->blank_from = SEGMENT_START;
    return segment;
}

void segment_close(struct segment *segment)
{
    if (!segment)
        return;
    disk_close(segment->file);
    free(segment);
}

bool segment_remove(struct segment *segment_owned, struct disk *disk, const char *folder,
                    struct error *err)
{
    char path[PATH_MAX];
    segment_path(path, folder, segment_owned->number);
    segment_close(segment_owned);
    return disk_unlink(disk, path, err);
}

static uint64_t life_sum(const struct segment_life *life)
{
    return XXH3_64bits(life, offsetof(struct segment_life, sum));
}

/* Takes the better of the two slots; false when neither is valid. */
static bool life_choose(struct segment *segment, const uint8_t *start)
{
    for (unsigned slot = 0; slot < 2; slot++) {
        struct segment_life life;
        memcpy(&life, start + (size_t)slot * SEGMENT_SLOT, sizeof life);
        if (life.magic != MAGIC || life.sum != life_sum(&life) ||
            life.generation <= segment->life.generation)
            continue;
        segment->life = life;
        segment->slot = slot;
    }
    return segment->life.generation > 0;
}

/* A file made and never begun: its record area begins with zeros, since records are written only
 * behind a durable header. */
static bool is_unused(const uint8_t *start, size_t len)
{
    for (size_t i = SEGMENT_START; i < len; i++)
        if (start[i])
            return false;
    return true;
}

static bool header_read(struct segment *segment, enum segment_trust trust, struct error *err)
{
    uint8_t start[SEGMENT_START + RECORD_HEADER] = {0};
    size_t len;
    if (!disk_read(segment->file, 0, start, sizeof start, &len, err))
        return false;
    if (!life_choose(segment, start)) {
        segment->slot = 1;
        segment->is_new = true;
        return trust == SEGMENT_MAY_BE_LOST || is_unused(start, len) ||
               error_set(err, 0,
                         "both headers are damaged: copy the spool's folder away for "
                         "examination, then remove this file to go on without what it holds");
    }
    if (segment->life.version != VERSION)
        return error_set(err, 0,
                         "format version %u, this program knows %d: use the program "
                         "that wrote it until the spool is empty",
                         segment->life.version, VERSION);
    return true;
}

struct segment *segment_open(struct disk *disk, const char *folder, uint64_t number,
                             enum segment_trust trust, struct error *err)
{
    char path[PATH_MAX];
    segment_path(path, folder, number);
    struct disk_file *file = disk_open(disk, path, DISK_WRITE, err);
    if (!file)
        return NULL;
    struct segment *segment = segment_of(file, number, 0);
    if (!disk_size(file, &segment->bytes, err) || !header_read(segment, trust, err)) {
        error_wrap(err, "%s", path);
        segment_close(segment);
        return NULL;
    }
    return segment;
}

static bool life_write(struct segment *segment, struct error *err)
{
    struct bytes part = {(const uint8_t *)&segment->life, sizeof segment->life};
    if (!disk_write(segment->file, (uint64_t)segment->slot * SEGMENT_SLOT, &part, 1, err))
        return false;
    return segment->life.flags & SEGMENT_UNSYNCED || disk_sync(segment->file, err);
}

bool segment_begin(struct segment *segment, struct disk *disk, const char *folder,
                   const struct segment_life *life, struct error *err)
{
    segment->unlink_after = segment->life.generation;
    segment->life = *life;
    segment->life.magic = MAGIC;
    segment->life.version = VERSION;
    segment->life.sum = life_sum(&segment->life);
    segment->slot = 1 - segment->slot;
    segment->used = SEGMENT_START;
    if (!life_write(segment, err))
        return false;
    bool must_sync = segment->is_new && !(life->flags & SEGMENT_UNSYNCED);
    if (must_sync && !disk_sync_folder(disk, folder, err))
        return false;
    segment->is_new = false;
    segment->unlink_after = life->generation;
    return true;
}

bool segment_rewrite(struct segment *segment, struct error *err)
{
    return life_write(segment, err);
}
