#include "disk/disk_real.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/memory.h"

struct real_file {
    struct disk_file file; /* first: a struct disk_file is cast to this */
    int fd;
    char *path; /* for messages */
};

/* Parts handed to one pwritev; more need further calls. */
enum { PARTS_MAX = IOV_MAX < 256 ? IOV_MAX : 256 };

static struct real_file *real(struct disk_file *file)
{
    return CONTAINER(file, struct real_file, file);
}

static struct disk_file *file_new(struct disk *disk, const char *path, int fd)
{
    struct real_file *file = NEW(struct real_file);
    size_t size = strlen(path) + 1;
    file->file.disk = disk;
    file->fd = fd;
    file->path = memory_new(size, 1);
    memcpy(file->path, path, size);
    return &file->file;
}

static struct disk_file *real_open(struct disk *disk, const char *path, enum disk_open how,
                                   struct error *err)
{
    int flags = O_CLOEXEC;
    switch (how) {
    case DISK_READ: flags |= O_RDONLY; break;
    case DISK_WRITE: flags |= O_RDWR; break;
    case DISK_NEW: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    }
    int fd = open(path, flags, 0600);
    if (fd < 0) {
        error_set(err, errno, "open %s", path);
        return NULL;
    }
    return file_new(disk, path, fd);
}

static struct disk_file *real_lock(struct disk *disk, const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_set(err, errno, "open %s", path);
        return NULL;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int os = errno;
        close(fd);
        if (os == EWOULDBLOCK)
            error_set(err, 0, "%s is locked: another process works on this folder", path);
        else
            error_set(err, os, "lock %s", path);
        return NULL;
    }
    return file_new(disk, path, fd);
}

static void real_close(struct disk_file *file_owned)
{
    struct real_file *file = real(file_owned);
    close(file->fd);
    free(file->path);
    free(file);
}

static bool real_size(struct disk_file *opened, uint64_t *out, struct error *err)
{
    struct real_file *file = real(opened);
    struct stat status;
    if (fstat(file->fd, &status) != 0)
        return error_set(err, errno, "stat %s", file->path);
    *out = (uint64_t)status.st_size;
    return true;
}

static bool real_read(struct disk_file *opened, uint64_t offset, uint8_t *at, size_t room,
                      size_t *out_len, struct error *err)
{
    struct real_file *file = real(opened);
    size_t len = 0;
    while (len < room) {
        ssize_t got = pread(file->fd, at + len, room - len, (off_t)(offset + len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, errno, "read %s at %llu", file->path,
                             (unsigned long long)(offset + len));
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *out_len = len;
    return true;
}

/* Drops the first `done` bytes, which were written, from the parts. */
static void parts_advance(struct iovec **parts, size_t *count, size_t done)
{
    while (*count > 0 && done >= (*parts)->iov_len) {
        done -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (uint8_t *)(*parts)->iov_base + done;
        (*parts)->iov_len -= done;
    }
}

static bool write_parts(struct real_file *file, uint64_t *offset, struct iovec *parts, size_t count,
                        struct error *err)
{
    parts_advance(&parts, &count, 0);
    while (count > 0) {
        ssize_t done = pwritev(file->fd, parts, (int)count, (off_t)*offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return error_set(err, done < 0 ? errno : EIO, "write %s at %llu", file->path,
                             (unsigned long long)*offset);
        *offset += (size_t)done;
        parts_advance(&parts, &count, (size_t)done);
    }
    return true;
}

static bool real_write(struct disk_file *opened, uint64_t offset, const struct bytes *parts,
                       size_t count, struct error *err)
{
    struct iovec some[PARTS_MAX];
    size_t some_count = 0;
    for (size_t i = 0; i < count; i++) {
        /* iovec has no const variant; pwritev only reads. */
        some[some_count++] = (struct iovec){(void *)(uintptr_t)parts[i].at, parts[i].len};
        if (some_count < PARTS_MAX && i + 1 < count)
            continue;
        if (!write_parts(real(opened), &offset, some, some_count, err))
            return false;
        some_count = 0;
    }
    return true;
}

static bool real_allocate(struct disk_file *opened, uint64_t size, struct error *err)
{
    struct real_file *file = real(opened);
    int os;
    do
        os = posix_fallocate(file->fd, 0, (off_t)size);
    while (os == EINTR);
    if (os != 0)
        return error_set(err, os, "allocate %llu bytes for %s", (unsigned long long)size,
                         file->path);
    return true;
}

static bool real_sync(struct disk_file *opened, struct error *err)
{
    struct real_file *file = real(opened);
    if (fdatasync(file->fd) != 0)
        return error_set(err, errno, "sync %s", file->path);
    return true;
}

static bool real_sync_folder(struct disk *disk, const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "open %s", path);
    int os = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return os == 0 || error_set(err, os, "sync %s", path);
}

static bool real_make_folder(struct disk *disk, const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set(err, errno, "make folder %s", path);
    return true;
}

static bool real_list(struct disk *disk, const char *path, disk_visit *visit, void *context,
                      struct error *err)
{
    DIR *folder = opendir(path);
    if (!folder)
        return error_set(err, errno, "open %s", path);
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            visit(context, entry->d_name);
        errno = 0;
    }
    int os = errno;
    closedir(folder);
    return os == 0 || error_set(err, os, "list %s", path);
}

static bool real_rename(struct disk *disk, const char *from, const char *to, struct error *err)
{
    if (rename(from, to) != 0)
        return error_set(err, errno, "rename %s to %s", from, to);
    return true;
}

static bool real_unlink(struct disk *disk, const char *path, struct error *err)
{
    if (unlink(path) != 0)
        return error_set(err, errno, "remove %s", path);
    return true;
}

static bool real_free_bytes(struct disk *disk, const char *path, uint64_t *out, struct error *err)
{
    struct statvfs status;
    if (statvfs(path, &status) != 0)
        return error_set(err, errno, "look at the free space of %s", path);
    *out = (uint64_t)status.f_bavail * status.f_frsize;
    return true;
}

static void real_free(struct disk *disk_owned)
{
    free(disk_owned);
}

static const struct disk_ops real_ops = {
    .open = real_open,
    .lock = real_lock,
    .close = real_close,
    .size = real_size,
    .read = real_read,
    .write = real_write,
    .allocate = real_allocate,
    .sync = real_sync,
    .sync_folder = real_sync_folder,
    .make_folder = real_make_folder,
    .list = real_list,
    .rename = real_rename,
    .unlink = real_unlink,
    .free_bytes = real_free_bytes,
    .free = real_free,
};

struct disk *disk_real_new(void)
{
    struct disk *disk = NEW(struct disk);
    disk->ops = &real_ops;
    return disk;
}
