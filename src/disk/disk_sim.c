#include "disk/disk_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"

enum { SECTOR = 512 };

struct content {
    uint8_t *at;
    uint64_t len, cap;
};

/* A write that is in the page cache only. */
struct pending_write {
    struct list link;
    uint64_t offset;
    size_t len;
    uint8_t data[];
};

struct inode {
    struct list link; /* in sim->inodes */
    struct content seen, durable;
    struct list pending;
    unsigned opened;
    unsigned named; /* by names, and by changes of names that are pending */
    bool is_folder, is_locked;
};

struct name {
    struct list link;
    char *path;
    struct inode *inode;
};

/* A change of names that its folder was not synced after. */
struct pending_name {
    struct list link;
    char *path;
    char *from;          /* renamed from; else NULL */
    struct inode *inode; /* NULL: the name goes */
};

struct sim {
    struct disk disk; /* first: a struct disk is cast to this */
    struct disk_sim_faults faults;
    uint64_t random, operations;
    bool is_down;
    struct list inodes;
    struct list seen, durable; /* names */
    struct list pending;       /* changes of names, in order */
};

struct sim_file {
    struct disk_file file; /* first: a struct disk_file is cast to this */
    struct inode *inode;
    char *path;
    bool is_lock, may_write;
};

static struct sim *sim_of(struct disk *disk)
{
    return CONTAINER(disk, struct sim, disk);
}

static struct sim_file *sim_file_of(struct disk_file *file)
{
    return CONTAINER(file, struct sim_file, file);
}

static char *text_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memory_new(size, 1);
    memcpy(copy, text, size);
    return copy;
}

/* The same seed gives the same disk. */
static uint64_t sim_random(struct sim *sim, uint64_t below)
{
    return random_next(&sim->random) % below;
}

/* --- Content ---------------------------------------------------------------------------------- */

static void content_resize(struct content *content, uint64_t len)
{
    if (len > content->cap) {
        uint64_t cap = content->cap ? content->cap : 4096;
        while (cap < len)
            cap *= 2;
        content->at = memory_resize(content->at, cap, 1);
        content->cap = cap;
    }
    if (len > content->len)
        memset(content->at + content->len, 0, len - content->len);
    content->len = len;
}

static void content_write(struct content *content, uint64_t offset, const uint8_t *at, size_t len)
{
    if (len == 0)
        return;
    if (offset + len > content->len)
        content_resize(content, offset + len);
    memcpy(content->at + offset, at, len);
}

static void content_set(struct content *content, const struct content *from)
{
    content->len = 0;
    content_resize(content, from->len);
    if (from->len)
        memcpy(content->at, from->at, from->len);
}

/* What power loss leaves of a write. */
static void write_survive(struct sim *sim, struct inode *inode, const struct pending_write *write)
{
    size_t len = write->len;
    switch (sim_random(sim, 4)) {
    case 0: return;
    case 1: content_write(&inode->durable, write->offset, write->data, len); return;
    case 2:
        content_write(&inode->durable, write->offset, write->data, sim_random(sim, len + 1));
        return;
    }
    for (size_t at = 0; at < len;) {
        size_t some = SECTOR - (write->offset + at) % SECTOR;
        if (some > len - at)
            some = len - at;
        if (sim_random(sim, 2))
            content_write(&inode->durable, write->offset + at, write->data + at, some);
        at += some;
    }
}

enum fate { FATE_DURABLE, FATE_CHANCE, FATE_DROPPED };

/* Ends all pending writes of a file. */
static void pending_end(struct sim *sim, struct inode *inode, enum fate fate)
{
    LIST_EACH (&inode->pending, struct pending_write, link, write) {
        if (fate == FATE_DURABLE || (fate == FATE_DROPPED && sim_random(sim, 2)))
            content_write(&inode->durable, write->offset, write->data, write->len);
        else if (fate == FATE_CHANCE)
            write_survive(sim, inode, write);
        list_remove(&write->link);
        free(write);
    }
}

/* --- Names ------------------------------------------------------------------------------------ */

static struct name *name_find(const struct list *names, const char *path)
{
    LIST_EACH (names, struct name, link, name) {
        if (strcmp(name->path, path) == 0)
            return name;
    }
    return NULL;
}

static void name_set(struct list *names, const char *path, struct inode *inode)
{
    struct name *name = name_find(names, path);
    if (inode)
        inode->named++;
    if (name)
        name->inode->named--;
    if (name && inode) {
        name->inode = inode;
    } else if (name) {
        list_remove(&name->link);
        free(name->path);
        free(name);
    } else if (inode) {
        name = NEW(struct name);
        name->path = text_copy(path);
        name->inode = inode;
        list_append(names, &name->link);
    }
}

static void names_clear(struct list *names)
{
    LIST_EACH (names, struct name, link, name)
        name_set(names, name->path, NULL);
}

/* The folder part of a path: up to its last slash; "" is the root, which is always there. */
static struct bytes path_folder(const char *path)
{
    struct bytes whole = bytes_of(path);
    size_t slash = bytes_find_last(whole, '/');
    return bytes_sub(whole, 0, slash < whole.len ? slash : 0);
}

static bool folder_is_there(const struct list *names, struct bytes folder)
{
    if (folder.len == 0)
        return true;
    LIST_EACH (names, struct name, link, name) {
        if (name->inode->is_folder && bytes_equal(bytes_of(name->path), folder))
            return true;
    }
    return false;
}

/* Both names of a rename change in one step. */
static void name_apply(struct list *names, const struct pending_name *pending)
{
    name_set(names, pending->path, pending->inode);
    if (pending->from)
        name_set(names, pending->from, NULL);
}

static void name_change(struct sim *sim, const char *path, const char *from, struct inode *inode)
{
    struct pending_name *pending = NEW(struct pending_name);
    pending->path = text_copy(path);
    pending->from = from ? text_copy(from) : NULL;
    pending->inode = inode;
    if (inode)
        inode->named++;
    list_append(&sim->pending, &pending->link);
    name_apply(&sim->seen, pending);
}

static void pending_name_free(struct pending_name *pending)
{
    list_remove(&pending->link);
    if (pending->inode)
        pending->inode->named--;
    free(pending->path);
    free(pending->from);
    free(pending);
}

/* A crash: some of the changes are kept, in order; then what lies in a lost folder is lost. */
static void names_survive(struct sim *sim)
{
    LIST_EACH (&sim->pending, struct pending_name, link, pending) {
        if (sim_random(sim, 2))
            name_apply(&sim->durable, pending);
        pending_name_free(pending);
    }
    for (bool has_changed = true; has_changed;) {
        has_changed = false;
        LIST_EACH (&sim->durable, struct name, link, name) {
            if (folder_is_there(&sim->durable, path_folder(name->path)))
                continue;
            name_set(&sim->durable, name->path, NULL);
            has_changed = true;
        }
    }
}

static struct inode *inode_new(struct sim *sim, bool is_folder)
{
    struct inode *inode = NEW(struct inode);
    list_init(&inode->pending);
    inode->is_folder = is_folder;
    list_append(&sim->inodes, &inode->link);
    return inode;
}

static void inode_free(struct sim *sim, struct inode *inode)
{
    pending_end(sim, inode, FATE_DROPPED);
    list_remove(&inode->link);
    free(inode->seen.at);
    free(inode->durable.at);
    free(inode);
}

/* Frees the files that no name leads to any more. */
static void inodes_sweep(struct sim *sim)
{
    LIST_EACH (&sim->inodes, struct inode, link, inode) {
        if (inode->opened == 0 && inode->named == 0)
            inode_free(sim, inode);
    }
}

/* --- Failing ---------------------------------------------------------------------------------- */

static bool down(struct error *err)
{
    return error_set(err, EIO, "the machine is down");
}

/* Counts an operation; true when the machine goes down in it. */
static bool goes_down(struct sim *sim)
{
    sim->operations++;
    if (sim->operations == sim->faults.crash_at)
        sim->is_down = true;
    return sim->is_down;
}

static bool by_chance(struct sim *sim, unsigned permille)
{
    return permille > 0 && sim_random(sim, 1000) < permille;
}

static uint64_t used_bytes(const struct sim *sim)
{
    uint64_t used = 0;
    LIST_EACH (&sim->seen, struct name, link, name) {
        used += name->inode->seen.len;
    }
    return used;
}

static bool has_space(const struct sim *sim, const struct inode *inode, uint64_t size)
{
    return sim->faults.capacity == 0 || size <= inode->seen.len ||
           used_bytes(sim) + (size - inode->seen.len) <= sim->faults.capacity;
}

/* --- Files ------------------------------------------------------------------------------------ */

static struct disk_file *file_new(struct sim *sim, const char *path, struct inode *inode)
{
    struct sim_file *file = NEW(struct sim_file);
    file->file.disk = &sim->disk;
    file->inode = inode;
    file->path = text_copy(path);
    inode->opened++;
    return &file->file;
}

/* Makes an empty file; NULL when its folder is missing. */
static struct inode *file_make(struct sim *sim, const char *path)
{
    if (!folder_is_there(&sim->seen, path_folder(path)))
        return NULL;
    struct inode *inode = inode_new(sim, false);
    name_change(sim, path, NULL, inode);
    return inode;
}

static struct disk_file *sim_open(struct disk *disk, const char *path, enum disk_open how,
                                  struct error *err)
{
    struct sim *sim = sim_of(disk);
    if (sim->is_down || (how == DISK_NEW && goes_down(sim))) {
        down(err);
        return NULL;
    }
    struct name *name = name_find(&sim->seen, path);
    struct inode *inode = name ? name->inode : NULL;
    int os = how == DISK_NEW ? (inode ? EEXIST : 0) : inode ? 0 : ENOENT;
    if (os == 0 && how == DISK_NEW && !(inode = file_make(sim, path)))
        os = ENOENT;
    if (os) {
        error_set(err, os, "open %s", path);
        return NULL;
    }
    struct disk_file *file = file_new(sim, path, inode);
    sim_file_of(file)->may_write = how != DISK_READ;
    return file;
}

static struct disk_file *sim_lock(struct disk *disk, const char *path, struct error *err)
{
    struct sim *sim = sim_of(disk);
    if (sim->is_down) {
        down(err);
        return NULL;
    }
    struct name *name = name_find(&sim->seen, path);
    struct inode *inode = name ? name->inode : file_make(sim, path);
    if (!inode || inode->is_locked) {
        error_set(err, inode ? 0 : ENOENT, "lock %s", path);
        return NULL;
    }
    inode->is_locked = true;
    struct disk_file *file = file_new(sim, path, inode);
    sim_file_of(file)->is_lock = true;
    return file;
}

static void sim_close(struct disk_file *file_owned)
{
    struct sim_file *file = sim_file_of(file_owned);
    struct sim *sim = sim_of(file_owned->disk);
    file->inode->opened--;
    if (file->is_lock)
        file->inode->is_locked = false;
    free(file->path);
    free(file);
    inodes_sweep(sim);
}

static bool sim_size(struct disk_file *opened, uint64_t *out, struct error *err)
{
    if (sim_of(opened->disk)->is_down)
        return down(err);
    *out = sim_file_of(opened)->inode->seen.len;
    return true;
}

static bool sim_read(struct disk_file *opened, uint64_t offset, uint8_t *at, size_t room,
                     size_t *out_len, struct error *err)
{
    struct sim *sim = sim_of(opened->disk);
    const struct sim_file *file = sim_file_of(opened);
    const struct content *seen = &file->inode->seen;
    if (sim->is_down)
        return down(err);
    if (by_chance(sim, sim->faults.read_permille))
        return error_set(err, EIO, "read %s", file->path);
    uint64_t left = offset < seen->len ? seen->len - offset : 0;
    *out_len = left < room ? left : room;
    if (*out_len)
        memcpy(at, seen->at + offset, *out_len);
    return true;
}

/* The parts as one pending write. */
static struct pending_write *write_new(uint64_t offset, const struct bytes *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    struct pending_write *write = memory_new(1, sizeof *write + len);
    list_init(&write->link);
    write->offset = offset;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(write->data + write->len, parts[i].at, parts[i].len);
        write->len += parts[i].len;
    }
    return write;
}

static bool sim_write(struct disk_file *opened, uint64_t offset, const struct bytes *parts,
                      size_t count, struct error *err)
{
    struct sim *sim = sim_of(opened->disk);
    struct sim_file *file = sim_file_of(opened);
    ASSERT(file->may_write);
    if (sim->is_down)
        return down(err);
    bool is_down = goes_down(sim);
    struct pending_write *write = write_new(offset, parts, count);
    int os = !has_space(sim, file->inode, offset + write->len)       ? ENOSPC
             : is_down || by_chance(sim, sim->faults.write_permille) ? EIO
                                                                     : 0;
    if (os) /* some of it may be there */
        write->len = sim_random(sim, write->len + 1);
    if (os == ENOSPC)
        write->len = 0;
    content_write(&file->inode->seen, offset, write->data, write->len);
    list_append(&file->inode->pending, &write->link);
    return os == 0 || error_set(err, os, "write %s", file->path);
}

static bool sim_allocate(struct disk_file *opened, uint64_t size, struct error *err)
{
    struct sim *sim = sim_of(opened->disk);
    struct sim_file *file = sim_file_of(opened);
    if (sim->is_down || goes_down(sim))
        return down(err);
    if (!has_space(sim, file->inode, size))
        return error_set(err, ENOSPC, "allocate %s", file->path);
    if (size > file->inode->seen.len)
        content_resize(&file->inode->seen, size);
    return true;
}

static bool sim_sync(struct disk_file *opened, struct error *err)
{
    struct sim *sim = sim_of(opened->disk);
    struct inode *inode = sim_file_of(opened)->inode;
    if (sim->is_down || goes_down(sim))
        return down(err);
    if (by_chance(sim, sim->faults.sync_permille)) {
        pending_end(sim, inode, FATE_DROPPED);
        return error_set(err, EIO, "sync %s", sim_file_of(opened)->path);
    }
    if (sim->faults.has_lying_sync)
        return true;
    pending_end(sim, inode, FATE_DURABLE);
    if (inode->durable.len < inode->seen.len)
        content_resize(&inode->durable, inode->seen.len);
    return true;
}

/* "X/.." is the folder that X lies in. */
static struct bytes folder_of(const char *path)
{
    struct bytes folder = bytes_of(path), up = BYTES("/..");
    if (folder.len < up.len || !bytes_equal(bytes_from(folder, folder.len - up.len), up))
        return folder;
    folder.len -= up.len;
    size_t slash = bytes_find_last(folder, '/');
    return bytes_sub(folder, 0, slash < folder.len ? slash : 0);
}

static bool sim_sync_folder(struct disk *disk, const char *path, struct error *err)
{
    struct sim *sim = sim_of(disk);
    if (sim->is_down || goes_down(sim))
        return down(err);
    if (by_chance(sim, sim->faults.sync_permille))
        return error_set(err, EIO, "sync %s", path);
    if (sim->faults.has_lying_sync)
        return true;
    struct bytes folder = folder_of(path);
    LIST_EACH (&sim->pending, struct pending_name, link, pending) {
        if (!bytes_equal(path_folder(pending->path), folder))
            continue;
        name_apply(&sim->durable, pending);
        pending_name_free(pending);
    }
    return true;
}

static bool sim_make_folder(struct disk *disk, const char *path, struct error *err)
{
    struct sim *sim = sim_of(disk);
    if (sim->is_down || goes_down(sim))
        return down(err);
    if (!folder_is_there(&sim->seen, path_folder(path)))
        return error_set(err, ENOENT, "make folder %s", path);
    if (!name_find(&sim->seen, path))
        name_change(sim, path, NULL, inode_new(sim, true));
    return true;
}

static bool sim_list(struct disk *disk, const char *path, disk_visit *visit, void *context,
                     struct error *err)
{
    struct sim *sim = sim_of(disk);
    if (sim->is_down)
        return down(err);
    LIST_EACH (&sim->seen, struct name, link, name) {
        struct bytes folder = path_folder(name->path);
        if (bytes_equal(folder, bytes_of(path)))
            visit(context, name->path + folder.len + 1);
    }
    return true;
}

static bool sim_rename(struct disk *disk, const char *from, const char *to, struct error *err)
{
    struct sim *sim = sim_of(disk);
    if (sim->is_down || goes_down(sim))
        return down(err);
    struct name *name = name_find(&sim->seen, from);
    if (!name)
        return error_set(err, ENOENT, "rename %s to %s", from, to);
    name_change(sim, to, from, name->inode);
    inodes_sweep(sim);
    return true;
}

static bool sim_unlink(struct disk *disk, const char *path, struct error *err)
{
    struct sim *sim = sim_of(disk);
    if (sim->is_down || goes_down(sim))
        return down(err);
    if (!name_find(&sim->seen, path))
        return error_set(err, ENOENT, "remove %s", path);
    name_change(sim, path, NULL, NULL);
    inodes_sweep(sim);
    return true;
}

static bool sim_free_bytes(struct disk *disk, const char *path, uint64_t *out, struct error *err)
{
    const struct sim *sim = sim_of(disk);
    if (sim->is_down)
        return down(err);
    uint64_t used = used_bytes(sim), capacity = sim->faults.capacity;
    *out = capacity == 0 ? UINT64_MAX : used < capacity ? capacity - used : 0;
    return true;
}

static void sim_free(struct disk *disk_owned)
{
    struct sim *sim = sim_of(disk_owned);
    names_clear(&sim->seen);
    names_clear(&sim->durable);
    LIST_EACH (&sim->pending, struct pending_name, link, pending) {
        pending_name_free(pending);
    }
    inodes_sweep(sim);
    ASSERT(list_is_empty(&sim->inodes)); /* else a file is open */
    free(sim);
}

/* --- Control ---------------------------------------------------------------------------------- */

static const struct disk_ops sim_ops = {
    .open = sim_open,
    .lock = sim_lock,
    .close = sim_close,
    .size = sim_size,
    .read = sim_read,
    .write = sim_write,
    .allocate = sim_allocate,
    .sync = sim_sync,
    .sync_folder = sim_sync_folder,
    .make_folder = sim_make_folder,
    .list = sim_list,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .free_bytes = sim_free_bytes,
    .free = sim_free,
};

struct disk *disk_sim_new(uint64_t seed)
{
    struct sim *sim = NEW(struct sim);
    sim->disk.ops = &sim_ops;
    sim->random = seed;
    list_init(&sim->inodes);
    list_init(&sim->seen);
    list_init(&sim->durable);
    list_init(&sim->pending);
    return &sim->disk;
}

void disk_sim_set(struct disk *disk, const struct disk_sim_faults *faults)
{
    sim_of(disk)->faults = *faults;
}

uint64_t disk_sim_operations(const struct disk *disk)
{
    return ((const struct sim *)disk)->operations; /* disk is its first member */
}

void disk_sim_crash(struct disk *disk)
{
    sim_of(disk)->is_down = true;
}

bool disk_sim_is_down(const struct disk *disk)
{
    return ((const struct sim *)disk)->is_down;
}

void disk_sim_restart(struct disk *disk, enum disk_sim_crash crash)
{
    struct sim *sim = sim_of(disk);
    sim->is_down = false;
    sim->operations = 0;
    LIST_EACH (&sim->inodes, struct inode, link, inode) {
        ASSERT(inode->opened == 0);
    }
    if (crash == DISK_SIM_KILL)
        return;
    names_survive(sim);
    names_clear(&sim->seen);
    LIST_EACH (&sim->durable, struct name, link, name) {
        name_set(&sim->seen, name->path, name->inode);
    }
    LIST_EACH (&sim->inodes, struct inode, link, inode) {
        pending_end(sim, inode, FATE_CHANCE);
        /* Blocks reserved but never synced may be gone, or zeros. */
        if (inode->durable.len < inode->seen.len && sim_random(sim, 2))
            content_resize(&inode->durable, inode->seen.len);
        content_set(&inode->seen, &inode->durable);
    }
    inodes_sweep(sim);
}
