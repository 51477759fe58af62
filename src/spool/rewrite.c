/* A body's file that is written anew before its message is stored. */
#include "spool/body.h"

#include <stdlib.h>

#include "base/memory.h"
#include "spool/core.h"

struct spool_rewrite {
    struct spool_body *body;
    char path[PATH_MAX];
    struct disk_file *file; /* NULL: it is the body's now */
    XXH3_state_t *hash;
    uint64_t written;
};

bool spool_body_read(const struct spool_body *body, uint64_t offset, uint8_t *at, size_t room,
                     size_t *out_len, struct error *err)
{
    ASSERT(body->file && body->held.len == 0 && offset <= body->written);
    uint64_t left = body->written - offset;
    size_t wanted = left < room ? (size_t)left : room, got = 0;
    if (wanted && !disk_read(body->file, offset, at, wanted, &got, err))
        return false;
    if (wanted && got == 0)
        return error_set(err, 0, "the body's file is shorter than what was written to it");
    *out_len = got;
    return true;
}

struct spool_rewrite *spool_rewrite_open(struct spool_body *body, uint64_t id, struct error *err)
{
    struct spool_rewrite *rewrite = NEW(struct spool_rewrite);
    rewrite->body = body;
    body_path(rewrite->path, body->spool->folder, id);
    rewrite->file = disk_open(body->spool->disk, rewrite->path, DISK_NEW, err);
    rewrite->hash = XXH3_createState();
    ASSERT(rewrite->hash);
    XXH3_64bits_reset(rewrite->hash);
    if (rewrite->file)
        return rewrite;
    spool_rewrite_free(rewrite);
    return NULL;
}

bool spool_rewrite_add(struct spool_rewrite *rewrite, struct bytes bytes, struct error *err)
{
    if (bytes.len == 0)
        return true;
    if (!disk_write(rewrite->file, rewrite->written, &bytes, 1, err))
        return false;
    XXH3_64bits_update(rewrite->hash, bytes.at, bytes.len);
    rewrite->written += bytes.len;
    return true;
}

bool spool_rewrite_end(struct spool_rewrite *rewrite, struct error *err)
{
    struct spool_body *body = rewrite->body;
    char path[PATH_MAX];
    body_path(path, body->spool->folder, body->id);
    if (!disk_rename(body->spool->disk, rewrite->path, path, err))
        return false;
    disk_close(body->file);
    XXH3_freeState(body->hash);
    body->file = rewrite->file;
    body->hash = rewrite->hash;
    body->size = body->written = rewrite->written;
    rewrite->file = NULL;
    rewrite->hash = NULL;
    return true;
}

void spool_rewrite_free(struct spool_rewrite *rewrite)
{
    struct error err;
    if (!rewrite)
        return;
    if (rewrite->file) {
        disk_close(rewrite->file);
        /* What stays is removed when the spool is next opened: no record names it. */
        (void)!disk_unlink(rewrite->body->spool->disk, rewrite->path, &err);
    }
    XXH3_freeState(rewrite->hash);
    free(rewrite);
}
