#include "daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/memory.h"
#include "daemon/journal_files.h"
#include "daemon/journal_index.h"

enum {
    PENDING_LIMIT = 256 << 10,
    FILE_AGE_MS = 24 * 3600 * 1000, /* so that a quiet process's lines are removed in time too */
    NAME_ROOM = 64,
    INDEXER_NICENESS = 10
};

struct journal {
    char folder[PATH_MAX];
    char path[PATH_MAX + NAME_ROOM + 8];
    char name[NAME_ROOM];
    struct journal_settings settings;
    int fd; /* -1: it could not be opened again */
    uint64_t size;
    int64_t begun_ms, last_ms; /* of its first line, 0: there is none; of the newest */
    struct buf pending;
    pthread_t indexer;
    bool has_indexer;
};

/* --- The index of a closed one ---------------------------------------------------------------- */

static void *make_index(void *context)
{
    char *path_owned = context;
    struct bytes journal;
    struct buf index;
    struct error err;
    /* Of this thread alone. It is in nobody's way, and who searches meanwhile reads it all. */
    (void)setpriority(PRIO_PROCESS, 0, INDEXER_NICENESS);
    buf_init(&index, JOURNAL_INDEX_LIMIT);
    if (journal_map(path_owned, &journal, NULL, &err)) {
        (void)!journal_make_index(path_owned, journal, &index, &err);
        journal_unmap(journal);
    }
    buf_done(&index);
    free(path_owned);
    return NULL;
}

/* One at a time: a journal that is filled before the index of the last one is made goes without,
 * and the first search makes it. */
static void begin_index(struct journal *journal, const char *closed)
{
    sigset_t all, old;
    if (journal->has_indexer && pthread_tryjoin_np(journal->indexer, NULL) != 0)
        return;
    char *path = strdup(closed);
    ASSERT(path);
    /* Signals are for the loop's thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    journal->has_indexer = pthread_create(&journal->indexer, NULL, make_index, path) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!journal->has_indexer)
        free(path);
}

/* --- Its files -------------------------------------------------------------------------------- */

/* When the file that is there was begun: the time of its first line. */
static int64_t find_begin(int fd)
{
    uint8_t room[64];
    struct bytes time;
    int64_t begun_ms;
    ssize_t got = pread(fd, room, sizeof room, 0);
    if (got <= 0)
        return 0;
    bytes_cut(bytes_from((struct bytes){room, (size_t)got}, strlen("time=")), ' ', &time,
              &(struct bytes){NULL, 0});
    return instant_scan(time, &begun_ms) ? begun_ms : 0;
}

static bool open_file(struct journal *journal, struct error *err)
{
    struct stat status;
    journal->fd = open(journal->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (journal->fd < 0 || fstat(journal->fd, &status) != 0)
        return error_set(err, errno, "%s", journal->path);
    journal->size = (uint64_t)status.st_size;
    journal->begun_ms = find_begin(journal->fd);
    return true;
}

static void prune(const struct journal *journal)
{
    journal_files_prune(journal->folder, journal->name,
                        instant_now_ms() - journal->settings.keep_ms, journal->settings.size_bytes);
}

struct journal *journal_open(const char *folder, const char *name,
                             const struct journal_settings *settings, struct error *err)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        error_set(err, errno, "make the folder %s", folder);
        return NULL;
    }
    struct journal *journal = NEW(struct journal);
    journal->settings = *settings;
    int len = snprintf(journal->folder, sizeof journal->folder, "%s", folder);
    snprintf(journal->name, sizeof journal->name, "%s", name);
    snprintf(journal->path, sizeof journal->path, "%s/%s.log", journal->folder, journal->name);
    bool is_open = len > 0 && (size_t)len < sizeof journal->folder
                       ? open_file(journal, err)
                       : error_set(err, ENAMETOOLONG, "%s", folder);
    if (!is_open) {
        free(journal);
        return NULL;
    }
    buf_init(&journal->pending, PENDING_LIMIT);
    prune(journal);
    return journal;
}

void journal_set(struct journal *journal, const struct journal_settings *settings)
{
    if (journal)
        journal->settings = *settings;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    journal_flush(journal);
    if (journal->fd >= 0)
        close(journal->fd);
    if (journal->has_indexer)
        (void)pthread_join(journal->indexer, NULL);
    buf_done(&journal->pending);
    free(journal);
}

void journal_add(void *context, int64_t instant_ms, struct bytes line)
{
    struct journal *journal = context;
    if (line.len + 1 > PENDING_LIMIT - journal->pending.len)
        journal_flush(journal);
    buf_add(&journal->pending, line);
    buf_add_byte(&journal->pending, '\n');
    journal->last_ms = instant_ms;
    if (!journal->begun_ms)
        journal->begun_ms = instant_ms;
}

static void rotate(struct journal *journal)
{
    char closed[PATH_MAX + 2 * NAME_ROOM];
    uint8_t name_room[2 * NAME_ROOM];
    struct buf name = {.at = name_room, .cap = sizeof name_room, .limit = sizeof name_room};
    struct error err;
    if (journal->fd >= 0) {
        close(journal->fd);
        journal_file_print(&name, journal->name, journal->last_ms);
        snprintf(closed, sizeof closed, "%s/%.*s", journal->folder, BYTES_ARGS(buf_view(&name)));
        if (rename(journal->path, closed) == 0)
            begin_index(journal, closed);
        prune(journal);
    }
    if (!open_file(journal, &err))
        journal->size = 0;
}

void journal_flush(struct journal *journal)
{
    if (!journal || journal->pending.len == 0)
        return;
    struct bytes rest = buf_view(&journal->pending);
    while (rest.len && journal->fd >= 0) {
        ssize_t written = write(journal->fd, rest.at, rest.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        journal->size += (uint64_t)written;
        rest = bytes_from(rest, (size_t)written);
    }
    buf_clear(&journal->pending);
    bool is_old = journal->last_ms - journal->begun_ms >= FILE_AGE_MS;
    if (journal->size >= JOURNAL_FILE_LIMIT || is_old || journal->fd < 0)
        rotate(journal);
}
