#include "disk/disk.h"

void disk_free(struct disk *disk)
{
    if (disk)
        disk->ops->free(disk);
}

struct disk_file *disk_open(struct disk *disk, const char *path, enum disk_open how,
                            struct error *err)
{
    return disk->ops->open(disk, path, how, err);
}

struct disk_file *disk_lock(struct disk *disk, const char *path, struct error *err)
{
    return disk->ops->lock(disk, path, err);
}

void disk_close(struct disk_file *file_owned)
{
    if (file_owned)
        file_owned->disk->ops->close(file_owned);
}

bool disk_size(struct disk_file *file, uint64_t *out, struct error *err)
{
    return file->disk->ops->size(file, out, err);
}

bool disk_read(struct disk_file *file, uint64_t offset, uint8_t *at, size_t room, size_t *out_len,
               struct error *err)
{
    return file->disk->ops->read(file, offset, at, room, out_len, err);
}

bool disk_write(struct disk_file *file, uint64_t offset, const struct bytes *parts, size_t count,
                struct error *err)
{
    return file->disk->ops->write(file, offset, parts, count, err);
}

bool disk_allocate(struct disk_file *file, uint64_t size, struct error *err)
{
    return file->disk->ops->allocate(file, size, err);
}

bool disk_sync(struct disk_file *file, struct error *err)
{
    return file->disk->ops->sync(file, err);
}

bool disk_sync_folder(struct disk *disk, const char *path, struct error *err)
{
    return disk->ops->sync_folder(disk, path, err);
}

bool disk_make_folder(struct disk *disk, const char *path, struct error *err)
{
    return disk->ops->make_folder(disk, path, err);
}

bool disk_list(struct disk *disk, const char *path, disk_visit *visit, void *context,
               struct error *err)
{
    return disk->ops->list(disk, path, visit, context, err);
}

bool disk_rename(struct disk *disk, const char *from, const char *to, struct error *err)
{
    return disk->ops->rename(disk, from, to, err);
}

bool disk_unlink(struct disk *disk, const char *path, struct error *err)
{
    return disk->ops->unlink(disk, path, err);
}

bool disk_free_bytes(struct disk *disk, const char *path, uint64_t *out, struct error *err)
{
    return disk->ops->free_bytes(disk, path, out, err);
}
