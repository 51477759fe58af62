#include "daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { PENDING_LIMIT = 256 << 10 };

struct journal {
    char path[PATH_MAX];
    int fd; /* -1: it could not be opened again */
    uint64_t size;
    struct buf pending;
};

static bool open_file(struct journal *journal, struct error *err)
{
    struct stat status;
    journal->fd = open(journal->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (journal->fd < 0 || fstat(journal->fd, &status) != 0)
        return error_set(err, errno, "%s", journal->path);
    journal->size = (uint64_t)status.st_size;
    return true;
}

struct journal *journal_open(const char *folder, const char *name, struct error *err)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        error_set(err, errno, "make the folder %s", folder);
        return NULL;
    }
    struct journal *journal = NEW(struct journal);
    int len = snprintf(journal->path, sizeof journal->path, "%s/%s.log", folder, name);
    bool is_open = len > 0 && (size_t)len < sizeof journal->path
                       ? open_file(journal, err)
                       : error_set(err, ENAMETOOLONG, "%s", folder);
    if (!is_open) {
        free(journal);
        return NULL;
    }
    buf_init(&journal->pending, PENDING_LIMIT);
    return journal;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    journal_flush(journal);
    if (journal->fd >= 0)
        close(journal->fd);
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
}

static void rotate(struct journal *journal)
{
    char older[PATH_MAX + 16], newer[PATH_MAX + 16];
    struct error err;
    if (journal->fd >= 0)
        close(journal->fd);
    for (int number = JOURNAL_OLD_FILES; number > 0; number--) {
        snprintf(older, sizeof older, "%s.%d", journal->path, number);
        if (number == 1)
            snprintf(newer, sizeof newer, "%s", journal->path);
        else
            snprintf(newer, sizeof newer, "%s.%d", journal->path, number - 1);
        /* The first times there are not so many; anything else shows at the next open. */
        (void)rename(newer, older);
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
    if (journal->size >= JOURNAL_FILE_LIMIT || journal->fd < 0)
        rotate(journal);
}
