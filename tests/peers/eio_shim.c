/* A disk that fails, for tests: preloaded, it makes calls on files below the folder $EIO_UNDER fail
 * with EIO as the first byte of the file $EIO_SWITCH says: 's' all syncs, 'w' all writes.
 *
 * A sync that fails takes with it what was written since the last good one, as the kernel may drop
 * such pages: that is overwritten with zeros. So whoever tells others that a failed sync's data is
 * safe, or syncs once more and believes that, has lost it. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { UNSYNCED_LIMIT = 65536 };

static struct unsynced {
    int fd;
    off_t offset;
    size_t len;
} unsynced[UNSYNCED_LIMIT];
static size_t unsynced_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const volatile char *position; /* of the switch */

/* Mapped before the program gives up what it may open. */
__attribute__((constructor)) static void begin(void)
{
    int fd = open(getenv("EIO_SWITCH"), O_RDONLY | O_CLOEXEC);
    position = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
    if (fd < 0 || position == MAP_FAILED)
        abort();
    close(fd);
}

static bool is_under(int fd)
{
    char link[64], path[PATH_MAX];
    const char *under = getenv("EIO_UNDER");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    return under && len > (ssize_t)strlen(under) && strncmp(path, under, strlen(under)) == 0;
}

static void note(int fd, off_t offset, size_t len)
{
    pthread_mutex_lock(&lock);
    if (unsynced_count == UNSYNCED_LIMIT)
        abort(); /* the test has to be made smaller */
    unsynced[unsynced_count++] = (struct unsynced){fd, offset, len};
    pthread_mutex_unlock(&lock);
}

/* What was written to fd since the last sync is safe, or lost. */
static void settle(int fd, bool is_lost, ssize_t (*write_at)(int, const void *, size_t, off_t))
{
    static const char zeros[65536];
    pthread_mutex_lock(&lock);
    size_t kept = 0;
    for (size_t i = 0; i < unsynced_count; i++) {
        struct unsynced part = unsynced[i];
        if (part.fd != fd) {
            unsynced[kept++] = part;
            continue;
        }
        while (is_lost && part.len > 0) {
            size_t len = part.len < sizeof zeros ? part.len : sizeof zeros;
            if (write_at(fd, zeros, len, part.offset) != (ssize_t)len)
                abort();
            part.offset += (off_t)len;
            part.len -= len;
        }
    }
    unsynced_count = kept;
    pthread_mutex_unlock(&lock);
}

static bool fail(void)
{
    errno = EIO;
    return true;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    if (is_under(fd) && *position == 'w' && fail())
        return -1;
    ssize_t done = real(fd, data, len, offset);
    if (done > 0 && is_under(fd))
        note(fd, offset, (size_t)done);
    return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    ssize_t (*real)(int, const struct iovec *, int, off_t) = dlsym(RTLD_NEXT, "pwritev");
    if (is_under(fd) && *position == 'w' && fail())
        return -1;
    ssize_t done = real(fd, parts, count, offset);
    if (done > 0 && is_under(fd))
        note(fd, offset, (size_t)done);
    return done;
}

/* The names that a program built with _FILE_OFFSET_BITS=64 calls them by. */
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return pwrite(fd, data, len, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return pwritev(fd, parts, count, offset);
}

static int sync_by(const char *name, int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    bool is_lost = is_under(fd) && *position == 's';
    settle(fd, is_lost, dlsym(RTLD_NEXT, "pwrite"));
    if (is_lost && fail())
        return -1;
    return real(fd);
}

int fdatasync(int fd)
{
    return sync_by("fdatasync", fd);
}

int fsync(int fd)
{
    return sync_by("fsync", fd);
}

int close(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    settle(fd, false, NULL);
    return real(fd);
}
