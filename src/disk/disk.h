/* Files behind an interface: disk_real does system calls, disk_sim keeps everything in memory and
 * loses, on a crash, what was not synced.
 *
 * All calls may run on any thread with disk_real, one call at a time for a file; disk_sim belongs
 * to one thread. A call that fails says so in err with the path. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

struct disk;

/* An open file; implementations put this first in theirs. */
struct disk_file {
    struct disk *disk;
};

enum disk_open {
    DISK_READ,  /* an existing file, to read */
    DISK_WRITE, /* an existing file, to read and write */
    DISK_NEW    /* makes the file, which must not be there, to read and write */
};

/* Called with each name in a folder but "." and "..", in no order. */
typedef void disk_visit(void *context, const char *name);

/* What an implementation does; the functions below say what each means. */
struct disk_ops {
    struct disk_file *(*open)(struct disk *disk, const char *path, enum disk_open how,
                              struct error *err);
    struct disk_file *(*lock)(struct disk *disk, const char *path, struct error *err);
    void (*close)(struct disk_file *file_owned);
    bool (*size)(struct disk_file *file, uint64_t *out, struct error *err);
    bool (*read)(struct disk_file *file, uint64_t offset, uint8_t *at, size_t room, size_t *out_len,
                 struct error *err);
    bool (*write)(struct disk_file *file, uint64_t offset, const struct bytes *parts, size_t count,
                  struct error *err);
    bool (*allocate)(struct disk_file *file, uint64_t size, struct error *err);
    bool (*sync)(struct disk_file *file, struct error *err);
    bool (*sync_folder)(struct disk *disk, const char *path, struct error *err);
    bool (*make_folder)(struct disk *disk, const char *path, struct error *err);
    bool (*list)(struct disk *disk, const char *path, disk_visit *visit, void *context,
                 struct error *err);
    bool (*rename)(struct disk *disk, const char *from, const char *to, struct error *err);
    bool (*unlink)(struct disk *disk, const char *path, struct error *err);
    bool (*free_bytes)(struct disk *disk, const char *path, uint64_t *out, struct error *err);
    void (*free)(struct disk *disk_owned);
};

struct disk {
    const struct disk_ops *ops;
};

/* All files must be closed. */
void disk_free(struct disk *disk);

/* NULL and err when it cannot be opened. */
MUST_CHECK struct disk_file *disk_open(struct disk *disk, const char *path, enum disk_open how,
                                       struct error *err);
/* Makes the file if need be and locks it for this process until it is closed; NULL when another
 * process (or another holder in this one) has it. Advisory. */
MUST_CHECK struct disk_file *disk_lock(struct disk *disk, const char *path, struct error *err);
void disk_close(struct disk_file *file_owned);

/* The file's size in bytes. */
MUST_CHECK bool disk_size(struct disk_file *file, uint64_t *out, struct error *err);
/* Reads up to room bytes at the offset; *out_len is less than room only at the file's end. */
MUST_CHECK bool disk_read(struct disk_file *file, uint64_t offset, uint8_t *at, size_t room,
                          size_t *out_len, struct error *err);
/* Writes all parts one behind the other from the offset on. After a failure any of it may have
 * been written. */
MUST_CHECK bool disk_write(struct disk_file *file, uint64_t offset, const struct bytes *parts,
                           size_t count, struct error *err);
/* Reserves blocks so that the file has the size and writes inside it need no space. */
MUST_CHECK bool disk_allocate(struct disk_file *file, uint64_t size, struct error *err);
/* fdatasync. After a failure nothing written since the last success is known to be durable, and
 * a later success says nothing about it (the kernel may have dropped the pages). */
MUST_CHECK bool disk_sync(struct disk_file *file, struct error *err);
/* Makes the names in the folder durable: files made, renamed and unlinked. */
MUST_CHECK bool disk_sync_folder(struct disk *disk, const char *path, struct error *err);

/* Makes one folder (mode 0700); one that is there already is fine. */
MUST_CHECK bool disk_make_folder(struct disk *disk, const char *path, struct error *err);
MUST_CHECK bool disk_list(struct disk *disk, const char *path, disk_visit *visit, void *context,
                          struct error *err);
/* Replaces the target, if there is one, in one step. */
MUST_CHECK bool disk_rename(struct disk *disk, const char *from, const char *to, struct error *err);
MUST_CHECK bool disk_unlink(struct disk *disk, const char *path, struct error *err);
/* Space that this user may still fill on the path's file system, in bytes. */
MUST_CHECK bool disk_free_bytes(struct disk *disk, const char *path, uint64_t *out,
                                struct error *err);
