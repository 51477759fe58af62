/* Reading a message back. A record that fits into memory well is read and checked as a whole at
 * the first read and served from there; a larger inline body is checked in a first pass (the page
 * cache makes the second cheap) and then read in pieces; a body's file is checked as it is read
 * from front to back, so that its last piece fails when it is damaged. */
#include "spool/reader.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"

static const uint64_t HOLD_BYTES = 64 * 1024; /* a record up to this is held in memory */
enum { STEP = 64 * 1024 };

struct spool_reader *spool_reader_open(struct spool *spool, uint64_t id)
{
    struct entry *entry = table_find(spool->index, id);
    if (!entry)
        return NULL;
    struct spool_reader *reader = NEW(struct spool_reader);
    reader->spool = spool;
    reader->segment = entry->segment;
    reader->id = id;
    reader->from = entry_offset(entry);
    reader->bytes = entry_bytes(entry);
    reader->size = entry->message_bytes;
    reader->segment->pins++;
    list_append(&spool->readers, &reader->link);
    return reader;
}

uint64_t spool_reader_size(const struct spool_reader *reader)
{
    return reader->size;
}

void spool_reader_close(struct spool_reader *reader)
{
    if (!reader)
        return;
    reader->segment->pins--;
    list_remove(&reader->link);
    disk_close(reader->file);
    XXH3_freeState(reader->hash);
    free(reader->held);
    free(reader);
}

static bool damaged(const struct spool_reader *reader, struct error *err)
{
    return error_set(err, 0, "segment %06" PRIu64 ": the message at %" PRIu64 " is damaged",
                     reader->segment->number, reader->from);
}

static bool read_all(struct disk_file *file, uint64_t offset, uint8_t *at, size_t len,
                     struct error *err)
{
    size_t got;
    return disk_read(file, offset, at, len, &got, err) &&
           (got == len || error_set(err, 0, "the file is too short"));
}

/* Reads len bytes of a file and adds them to the hash. */
static bool hash_range(struct spool_reader *reader, struct disk_file *file, uint64_t offset,
                       uint64_t len, struct error *err)
{
    uint8_t *step = memory_resize(NULL, STEP, 1);
    bool is_good = true;
    while (len > 0 && is_good) {
        size_t some = len < STEP ? len : STEP;
        is_good = read_all(file, offset, step, some, err);
        if (is_good)
            XXH3_64bits_update(reader->hash, step, some);
        offset += some;
        len -= some;
    }
    free(step);
    return is_good;
}

static bool hash_begin(struct spool_reader *reader)
{
    XXH3_freeState(reader->hash);
    reader->hash = XXH3_createState();
    ASSERT(reader->hash);
    return XXH3_64bits_reset(reader->hash) == XXH_OK;
}

/* The large inline body, once from front to back. */
static bool check_inline(struct spool_reader *reader, struct error *err)
{
    const struct record *record = &reader->record;
    uint64_t from = reader->from + RECORD_HEADER + record->meta_len + record->prefix_len;
    return hash_begin(reader) &&
           hash_range(reader, reader->segment->file, from, record->body_len, err) &&
           (XXH3_64bits_digest(reader->hash) == record->body_sum || damaged(reader, err));
}

static bool open_file(struct spool_reader *reader, struct error *err)
{
    char path[PATH_MAX];
    body_path(path, reader->spool->folder, reader->id);
    disk_close(reader->file); /* of an attempt before */
    reader->file = disk_open(reader->spool->disk, path, DISK_READ, err);
    return reader->file && hash_begin(reader) &&
           hash_range(reader, reader->file, 0, reader->record.body_skip, err);
}

/* Reads len bytes more of the record into memory, behind the `held` that are there. */
static bool hold_more(struct spool_reader *reader, size_t held, size_t len, struct error *err)
{
    /* Not memory_new(): all of it is overwritten. */
    reader->held = memory_resize(reader->held, held + len, 1);
    return read_all(reader->segment->file, reader->from + held, reader->held + held, len, err);
}

/* Reads and checks the record's head, and the body where that is cheap. */
static bool reader_begin(struct spool_reader *reader, struct error *err)
{
    const struct segment *segment = reader->segment;
    struct record *record = &reader->record;
    bool is_small = reader->bytes <= HOLD_BYTES;
    size_t first = is_small ? (size_t)reader->bytes : RECORD_HEADER;
    if (!hold_more(reader, 0, first, err))
        return false;
    if (!record_read(reader->held, reader->bytes, segment->life.salt, segment->life.generation,
                     record) ||
        record->id != reader->id || record_message_bytes(record) != reader->size)
        return damaged(reader, err);
    size_t head_len = (size_t)record->meta_len + record->prefix_len;
    if (!is_small && !hold_more(reader, RECORD_HEADER, head_len, err))
        return false;
    bool has_file = record->flags & RECORD_HAS_FILE;
    reader->has_all = !has_file && is_small;
    if (reader->has_all)
        return record_is_whole(record, reader->held) || damaged(reader, err);
    if (XXH3_64bits(reader->held + RECORD_HEADER, head_len) != record->head_sum)
        return damaged(reader, err);
    return has_file ? open_file(reader, err) : check_inline(reader, err);
}

/* A piece of the body's file; offset counts from the body's own start. */
static bool read_file(struct spool_reader *reader, uint64_t offset, uint8_t *at, size_t len,
                      struct error *err)
{
    const struct record *record = &reader->record;
    if (!read_all(reader->file, record->body_skip + offset, at, len, err))
        return false;
    if (offset != reader->hashed)
        return true;
    XXH3_64bits_update(reader->hash, at, len);
    reader->hashed += len;
    if (record->body_skip + reader->hashed == record->body_len &&
        XXH3_64bits_digest(reader->hash) != record->body_sum)
        return error_set(err, 0, "the body's file is damaged");
    return true;
}

bool spool_reader_read(struct spool_reader *reader, uint64_t offset, uint8_t *at, size_t room,
                       size_t *out_len, struct error *err)
{
    if (!reader->has_begun) {
        if (!reader_begin(reader, err))
            return false;
        reader->has_begun = true;
    }
    const struct record *record = &reader->record;
    uint64_t left = offset < reader->size ? reader->size - offset : 0;
    size_t len = left < room ? left : room;
    uint64_t held = reader->has_all ? reader->size : record->prefix_len;
    *out_len = len;
    if (offset < held) {
        if (len > held - offset)
            len = held - offset;
        memcpy(at, reader->held + RECORD_HEADER + record->meta_len + offset, len);
        *out_len = len;
        return true;
    }
    if (len == 0)
        return true;
    if (record->flags & RECORD_HAS_FILE)
        return read_file(reader, offset - record->prefix_len, at, len, err);
    return read_all(reader->segment->file, reader->from + RECORD_HEADER + record->meta_len + offset,
                    at, len, err);
}
