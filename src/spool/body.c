#include "spool/body.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/memory.h"
#include "spool/core.h"

/* A body with a file asks for a write each time it holds this much. */
static const size_t FILE_STEP = 256 * 1024;
/* When all bodies in memory exceed the ceiling, each gets a file this early: a thousand senders
 * with a megabyte each must not exhaust the machine. */
static const size_t HELD_CEILING = 256 * 1024 * 1024;
static const size_t CROWDED_INLINE = 64 * 1024;

void body_folder(char path[PATH_MAX], const char *folder)
{
    snprintf(path, PATH_MAX, "%s/bodies", folder);
}

void body_path(char path[PATH_MAX], const char *folder, uint64_t id)
{
    struct buf text;
    buf_init(&text, ID_TEXT);
    id_print(&text, id);
    snprintf(path, PATH_MAX, "%s/bodies/%.*s.body", folder, BYTES_ARGS(buf_view(&text)));
    buf_done(&text);
}

bool body_id(const char *name, uint64_t *out)
{
    struct bytes id, rest;
    return bytes_cut(bytes_of(name), '.', &id, &rest) && bytes_equal(rest, BYTES("body")) &&
           id_scan(id, out);
}

struct spool_body *spool_body_new(struct spool *spool, uint64_t id)
{
    struct spool_body *body = NEW(struct spool_body);
    body->spool = spool;
    body->id = id;
    buf_init(&body->held, SIZE_MAX / 2);
    return body;
}

static void body_count_held(struct spool_body *body)
{
    struct spool *spool = body->spool;
    spool->held_bytes += body->held.cap - body->held_counted;
    body->held_counted = body->held.cap;
}

void body_close(struct spool_body *body)
{
    if (!body)
        return;
    buf_free(&body->held);
    body_count_held(body);
    buf_done(&body->held);
    disk_close(body->file);
    XXH3_freeState(body->hash);
    free(body);
}

void spool_body_free(struct spool_body *body)
{
    if (!body)
        return;
    if (body->has_file) {
        /* No record names it: the next batch removes it, off the loop. */
        struct gone *gone = NEW(struct gone);
        gone->id = body->id;
        list_append(&body->spool->gone, &gone->link);
    }
    body_close(body);
}

bool spool_body_add(struct spool_body *body, struct bytes bytes)
{
    buf_add(&body->held, bytes);
    body->size += bytes.len;
    body_count_held(body);
    size_t room = body->spool->settings.inline_body_bytes;
    if (body->spool->held_bytes > HELD_CEILING && room > CROWDED_INLINE)
        room = CROWDED_INLINE;
    if (body->has_file)
        return body->held.len < FILE_STEP;
    return body->held.len <= room;
}

struct bytes spool_body_view(const struct spool_body *body)
{
    return buf_view(&body->held);
}

uint64_t spool_body_size(const struct spool_body *body)
{
    return body->size;
}

bool spool_body_has_file(const struct spool_body *body)
{
    return body->has_file;
}

static bool file_begin(struct spool_body *body, struct error *err)
{
    char path[PATH_MAX];
    body_path(path, body->spool->folder, body->id);
    body->file = disk_open(body->spool->disk, path, DISK_NEW, err);
    if (!body->file)
        return false;
    body->has_file = true;
    body->hash = XXH3_createState();
    ASSERT(body->hash);
    XXH3_64bits_reset(body->hash);
    return true;
}

static bool file_write(struct spool_body *body, struct error *err)
{
    struct bytes held = buf_view(&body->held);
    if (held.len == 0)
        return true;
    if (!disk_write(body->file, body->written, &held, 1, err))
        return false;
    XXH3_64bits_update(body->hash, held.at, held.len);
    body->written += held.len;
    /* A small body's memory would grow again at once; a large first part goes. */
    if (body->held.cap > 2 * FILE_STEP)
        buf_free(&body->held);
    buf_clear(&body->held);
    return true;
}

static bool file_finish(struct spool_body *body, struct error *err)
{
    body->sum = XXH3_64bits_digest(body->hash);
    if (body->spool->settings.is_durable) {
        char folder[PATH_MAX];
        body_folder(folder, body->spool->folder);
        if (!disk_sync(body->file, err) || !disk_sync_folder(body->spool->disk, folder, err))
            return false;
    }
    disk_close(body->file);
    body->file = NULL;
    body->is_finished = true;
    buf_free(&body->held);
    return true;
}

bool spool_body_write(struct spool_body *body, enum spool_body_write how, struct error *err)
{
    ASSERT(!body->is_finished);
    if (body->is_broken)
        return error_set(err, 0, "the body's file failed before");
    bool is_good = (body->has_file || file_begin(body, err)) && file_write(body, err);
    if (is_good && how == SPOOL_BODY_FINISH)
        is_good = file_finish(body, err);
    body->is_broken = !is_good;
    return is_good;
}
