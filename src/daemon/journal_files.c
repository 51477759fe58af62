#include "daemon/journal_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/memory.h"
#include "daemon/journal_index.h"

enum { FILE_MOST = 100 * 1000 };

#define STAMP "20261125T103000123Z"
enum { STAMP_BYTES = sizeof STAMP - 1 };

/* --- Names ------------------------------------------------------------------------------------ */

/* "20261125T103000123Z" */
static bool scan_stamp(struct bytes text, int64_t *out_ms)
{
    static const struct {
        size_t start, count;
        const char *before;
    } parts[] = {{0, 4, ""},   {4, 2, "-"},  {6, 2, "-"},  {8, 1, ""}, {9, 2, ""},
                 {11, 2, ":"}, {13, 2, ":"}, {15, 3, "."}, {18, 1, ""}};
    uint8_t room[32];
    struct buf whole = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (text.len != STAMP_BYTES)
        return false;
    for (size_t i = 0; i < COUNT(parts); i++) {
        buf_add(&whole, bytes_of(parts[i].before));
        buf_add(&whole, bytes_sub(text, parts[i].start, parts[i].count));
    }
    return instant_scan(buf_view(&whole), out_ms);
}

void journal_file_print(struct buf *out, const char *process, int64_t closed_ms)
{
    uint8_t room[32];
    struct buf stamp = {.at = room, .cap = sizeof room, .limit = sizeof room};
    instant_print(&stamp, closed_ms);
    buf_add(out, bytes_of(process));
    buf_add_byte(out, '.');
    for (size_t i = 0; i < stamp.len; i++)
        if (room[i] != '-' && room[i] != ':' && room[i] != '.')
            buf_add_byte(out, room[i]);
    buf_add(out, BYTES(".log"));
}

/* NAME.log, or NAME.STAMP.log. */
static bool scan_name(const char *name, struct journal_file *out)
{
    struct bytes process, rest, stamp, ending;
    out->closed_ms = 0;
    if (!bytes_cut(bytes_of(name), '.', &process, &rest) || process.len == 0)
        return false;
    out->process_len = process.len;
    if (bytes_equal(rest, BYTES("log")))
        return true;
    return bytes_cut(rest, '.', &stamp, &ending) && bytes_equal(ending, BYTES("log")) &&
           scan_stamp(stamp, &out->closed_ms);
}

void journal_index_path(struct buf *out, const char *path)
{
    struct bytes whole = bytes_of(path);
    buf_add(out, bytes_sub(whole, 0, bytes_find_last(whole, '.')));
    buf_add(out, (struct bytes){(const uint8_t *)".index", sizeof ".index"});
}

/* --- The folder ------------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b)
{
    const struct journal_file *one = a, *two = b;
    if (one->closed_ms != two->closed_ms) /* 0 sorts last */
        return (uint64_t)one->closed_ms - 1 < (uint64_t)two->closed_ms - 1 ? -1 : 1;
    return strcmp(one->name, two->name);
}

bool journal_files_list(const char *folder, struct journal_file **out_owned, size_t *count,
                        struct error *err)
{
    DIR *stream = opendir(folder);
    if (!stream)
        return error_set(err, errno, "%s", folder);
    struct journal_file *files = NULL;
    size_t found = 0, room = 0;
    for (struct dirent *entry; found < FILE_MOST && (entry = readdir(stream));) {
        struct journal_file file;
        struct stat status;
        if (!scan_name(entry->d_name, &file) ||
            fstatat(dirfd(stream), entry->d_name, &status, 0) != 0 || !S_ISREG(status.st_mode))
            continue;
        file.size = (uint64_t)status.st_size;
        file.name = strdup(entry->d_name);
        ASSERT(file.name);
        if (found == room) {
            room = room ? room * 2 : 64;
            files = memory_resize(files, room, sizeof *files);
        }
        files[found++] = file;
    }
    closedir(stream);
    if (found)
        qsort(files, found, sizeof *files, compare_files);
    *out_owned = files;
    *count = found;
    return true;
}

void journal_files_free(struct journal_file *files_owned, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files_owned[i].name);
    free(files_owned);
}

static void remove_file(const char *folder, const char *name)
{
    char path[PATH_MAX + 300];
    struct buf index;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    buf_init(&index, sizeof path + 8);
    journal_index_path(&index, path);
    /* Who cannot remove them says so nowhere: they are looked at again with the next journal. */
    (void)unlink(path);
    (void)unlink((const char *)index.at);
    snprintf(path, sizeof path, "%s.new", (const char *)index.at);
    (void)unlink(path);
    buf_done(&index);
}

void journal_files_prune(const char *folder, const char *process, int64_t oldest_ms,
                         uint64_t size_bytes)
{
    struct journal_file *files;
    size_t count;
    struct error err;
    uint64_t kept = 0;
    if (!journal_files_list(folder, &files, &count, &err))
        return;
    for (size_t i = count; i-- > 0;) {
        bool is_own =
            bytes_equal((struct bytes){(const uint8_t *)files[i].name, files[i].process_len},
                        bytes_of(process));
        kept += is_own ? files[i].size : 0;
        bool is_closed = files[i].closed_ms > 0;
        if (is_closed && (files[i].closed_ms < oldest_ms || (is_own && kept > size_bytes)))
            remove_file(folder, files[i].name);
    }
    journal_files_free(files, count);
}

/* --- Their bytes ------------------------------------------------------------------------------ */

bool journal_map(const char *path, struct bytes *out, int *kept_fd, struct error *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "%s", path);
    bool is_good = fstat(fd, &status) == 0;
    void *at = NULL;
    if (is_good && status.st_size > 0) {
        at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        is_good = at != MAP_FAILED;
    }
    int os = errno;
    if (!is_good || !kept_fd)
        close(fd);
    if (!is_good)
        return error_set(err, os, "%s", path);
    if (kept_fd)
        *kept_fd = fd;
    *out = (struct bytes){at, at ? (size_t)status.st_size : 0};
    return true;
}

void journal_unmap(struct bytes mapped)
{
    if (mapped.len)
        munmap((void *)(uintptr_t)mapped.at, mapped.len);
}

static bool write_all(int fd, struct bytes text)
{
    while (text.len) {
        ssize_t written = write(fd, text.at, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text = bytes_from(text, (size_t)written);
    }
    return true;
}

/* Under another name first: who reads it sees a whole one, or none. */
static bool put_beside(const char *path, struct bytes index, struct error *err)
{
    struct stat status;
    struct buf name;
    char temporary[PATH_MAX + 300];
    buf_init(&name, sizeof temporary);
    journal_index_path(&name, path);
    snprintf(temporary, sizeof temporary, "%s.new", (const char *)name.at);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_good = fd >= 0 && write_all(fd, index);
    int os = errno;
    if (fd >= 0) {
        /* Made by root for the server's user, who has to be able to read it. */
        if (stat(path, &status) == 0)
            (void)!fchown(fd, status.st_uid, status.st_gid);
        close(fd);
    }
    if (is_good && rename(temporary, (const char *)name.at) != 0) {
        os = errno;
        is_good = false;
    }
    if (!is_good && fd >= 0)
        (void)unlink(temporary);
    if (!is_good)
        error_set(err, os, "%s", (const char *)name.at);
    buf_done(&name);
    return is_good;
}

bool journal_make_index(const char *path, struct bytes journal, struct buf *index,
                        struct error *err)
{
    struct error unwritten;
    if (!journal_index_print(index, journal))
        return error_set(err, 0, "%s is too long for an index", path);
    (void)!put_beside(path, buf_view(index), &unwritten);
    return true;
}
