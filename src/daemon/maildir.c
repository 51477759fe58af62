#include "daemon/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STALE_TMP_S = 36 * 3600 };

static bool stands_for_itself(uint8_t byte)
{
    return byte >= 0x80 || ascii_is_digit(byte) || (byte >= 'a' && byte <= 'z') ||
           (byte && strchr("._+=@-", byte));
}

static bool add_part(struct buf *out, struct bytes part, bool is_utf8)
{
    size_t start = out->len;
    for (size_t i = 0; i < part.len; i++) {
        uint8_t byte = part.at[i];
        bool is_plain =
            stands_for_itself(byte) && (byte < 0x80 || is_utf8) && !(byte == '.' && i == 0);
        if (is_plain)
            buf_add_byte(out, byte);
        else
            buf_addf(out, "%%%02X", byte);
        if (out->len - start > MAILDIR_PART_LIMIT)
            return false;
    }
    return part.len > 0 && !out->overflowed;
}

bool maildir_box(struct buf *out, struct bytes domain, struct bytes local)
{
    size_t start = out->len;
    if (add_part(out, domain, bytes_is_utf8(domain))) {
        buf_add_byte(out, '/');
        if (add_part(out, local, bytes_is_utf8(local)))
            return true;
    }
    out->len = start;
    return false;
}

void maildir_namer_init(struct maildir_namer *namer, struct bytes hostname, int process)
{
    size_t len = 0;
    for (; len < hostname.len && len < MAILDIR_HOST_LIMIT; len++) {
        uint8_t byte = hostname.at[len];
        /* A colon begins the flags, a comma the sizes; a slash is a folder. */
        bool is_safe = ascii_is_digit(byte) || ascii_is_alpha(byte) || byte == '.' || byte == '-';
        namer->host[len] = is_safe ? (char)byte : '_';
    }
    namer->host[len] = '\0';
    namer->process = process;
    namer->count = 0;
}

void maildir_name(struct maildir_namer *namer, char name[MAILDIR_NAME_LIMIT])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, MAILDIR_NAME_LIMIT, "%lld.M%06ldP%d_%" PRIu64 ".%s", (long long)now.tv_sec,
             now.tv_nsec / 1000, namer->process, ++namer->count, namer->host);
}

static int open_folder(int root, const char *path)
{
    return openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Opens the folder, made if need be: -1 on failure. */
static int make_folder(int parent, const char *name, struct error *err)
{
    if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST) {
        error_set(err, errno, "make folder %s", name);
        return -1;
    }
    int fd = open_folder(parent, name);
    if (fd < 0)
        error_set(err, errno, "open folder %s", name);
    return fd;
}

int maildir_open_root(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : path;
    char folder[4096];
    int len = name == path ? snprintf(folder, sizeof folder, ".")
                           : snprintf(folder, sizeof folder, "%.*s", (int)(name - path), path);
    if (len >= (int)sizeof folder) {
        error_set(err, ENAMETOOLONG, "mailboxes at %.100s…", path);
        return -1;
    }
    int root = open_folder(AT_FDCWD, path);
    if (root >= 0)
        return root;
    int parent = open_folder(AT_FDCWD, folder);
    if (parent < 0) {
        error_set(err, errno, "mailboxes at %s: open folder %s", path, folder);
        return -1;
    }
    root = make_folder(parent, name, err);
    if (root >= 0 && fsync(parent) != 0) {
        error_set(err, errno, "sync folder %s", folder);
        close(root);
        root = -1;
    }
    close(parent);
    if (root < 0)
        error_wrap(err, "mailboxes at %s", path);
    return root;
}

static void remove_stale(int tmp_owned, int64_t now_ms)
{
    DIR *folder = fdopendir(tmp_owned);
    if (!folder) {
        close(tmp_owned);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat status;
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISREG(status.st_mode) && now_ms / 1000 - status.st_mtime > STALE_TMP_S)
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
}

static bool prepare_inner(int box, int64_t now_ms, struct error *err)
{
    static const char *const names[] = {"cur", "new"};
    for (size_t i = 0; i < COUNT(names); i++) {
        int fd = make_folder(box, names[i], err);
        if (fd < 0)
            return false;
        close(fd);
    }
    int tmp = make_folder(box, "tmp", err);
    if (tmp < 0)
        return false;
    remove_stale(tmp, now_ms);
    return true;
}

/* Makes what a mailbox or a folder of one has in it. */
static bool prepare_at(int parent, const char *name, int64_t now_ms, int *box, struct error *err)
{
    *box = make_folder(parent, name, err);
    return *box >= 0 && prepare_inner(*box, now_ms, err);
}

/* Tells other programs that it is no mailbox of its own. */
static bool mark_folder(int folder, struct error *err)
{
    int fd = openat(folder, "maildirfolder", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, errno, "make maildirfolder");
    close(fd);
    return true;
}

bool maildir_prepare(int root, const char *box, int64_t now_ms, struct error *err)
{
    const char *slash = strchr(box, '/');
    ASSERT(slash);
    const char *folder = strchr(slash + 1, '/');
    size_t name_len = folder ? (size_t)(folder - slash - 1) : strlen(slash + 1);
    char domain[MAILDIR_PART_LIMIT + 1], name[MAILDIR_PART_LIMIT + 1];
    snprintf(domain, sizeof domain, "%.*s", (int)(slash - box), box);
    snprintf(name, sizeof name, "%.*s", (int)name_len, slash + 1);
    int domain_fd = make_folder(root, domain, err);
    if (domain_fd < 0)
        return error_wrap(err, "mailbox %s", box);
    int box_fd = -1, folder_fd = -1;
    bool is_made = prepare_at(domain_fd, name, now_ms, &box_fd, err);
    if (is_made && folder)
        is_made =
            prepare_at(box_fd, folder + 1, now_ms, &folder_fd, err) && mark_folder(folder_fd, err);
    close(domain_fd);
    if (box_fd >= 0)
        close(box_fd);
    if (folder_fd >= 0)
        close(folder_fd);
    return is_made || error_wrap(err, "mailbox %s", box);
}

static void tmp_path(char path[MAILDIR_PATH_LIMIT], const char *box, const char *name)
{
    int len = snprintf(path, MAILDIR_PATH_LIMIT, "%s/tmp/%s", box, name);
    ASSERT(len < MAILDIR_PATH_LIMIT);
}

void maildir_print(char path[MAILDIR_PATH_LIMIT], const char *box, const char *name, uint64_t size,
                   uint64_t wire_size)
{
    int len = snprintf(path, MAILDIR_PATH_LIMIT, "%s/new/%s,S=%" PRIu64 ",W=%" PRIu64, box, name,
                       size, wire_size);
    ASSERT(len < MAILDIR_PATH_LIMIT);
}

int maildir_create(int root, const char *box, const char *name, struct error *err)
{
    char path[MAILDIR_PATH_LIMIT];
    tmp_path(path, box, name);
    /* To be read as well: a large message is copied from its first recipient's file. */
    int fd = openat(root, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        error_set(err, errno, "make %s", path);
    return fd;
}

bool maildir_publish(int root, const char *box, const char *name, uint64_t size, uint64_t wire_size,
                     struct error *err)
{
    char from[MAILDIR_PATH_LIMIT], to[MAILDIR_PATH_LIMIT];
    tmp_path(from, box, name);
    maildir_print(to, box, name, size, wire_size);
    return renameat(root, from, root, to) == 0 || error_set(err, errno, "rename %s to new", from);
}

int maildir_open_new(int root, const char *box, struct error *err)
{
    char path[MAILDIR_PATH_LIMIT];
    int len = snprintf(path, sizeof path, "%s/new", box);
    ASSERT(len < MAILDIR_PATH_LIMIT);
    int fd = open_folder(root, path);
    if (fd < 0)
        error_set(err, errno, "open %s", path);
    return fd;
}

void maildir_remove_tmp(int root, const char *box, const char *name)
{
    char path[MAILDIR_PATH_LIMIT];
    tmp_path(path, box, name);
    unlinkat(root, path, 0);
}

void maildir_remove_new(int root, const char *box, const char *name, uint64_t size,
                        uint64_t wire_size)
{
    char path[MAILDIR_PATH_LIMIT];
    maildir_print(path, box, name, size, wire_size);
    unlinkat(root, path, 0);
}
