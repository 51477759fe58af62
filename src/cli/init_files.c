#include "cli/init_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MADE_LIMIT = 65536 };

void init_files_begin(struct init_files *files)
{
    *files = (struct init_files){.has_server = false};
    buf_init(&files->made, MADE_LIMIT);
}

void init_files_end(struct init_files *files)
{
    buf_done(&files->made);
}

bool init_files_is_free(const char *path, struct error *err)
{
    struct stat status;
    if (lstat(path, &status) == 0)
        return error_set(err, 0, "there is a %s already, and init overwrites nothing", path);
    return errno == ENOENT || error_set(err, errno, "%s", path);
}

static bool set_owner(const struct init_files *files, int fd, enum init_owner owner)
{
    if (!files->has_server || owner == INIT_OWN)
        return true;
    return fchown(fd, owner == INIT_SERVERS ? files->uid : (uid_t)-1, files->gid) == 0;
}

static bool make_one(struct init_files *files, const char *path, mode_t mode, enum init_owner owner,
                     struct error *err)
{
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST || error_set(err, errno, "make the folder %s", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* The owner first: nobody else may use the mode meanwhile. */
    bool is_good = fd >= 0 && set_owner(files, fd, owner) && fchmod(fd, mode) == 0;
    if (!is_good)
        error_set(err, errno, "the folder %s", path);
    if (fd >= 0)
        close(fd);
    buf_addf(&files->made, "%s\n", path);
    return is_good;
}

bool init_files_folder(struct init_files *files, const char *path, mode_t mode,
                       enum init_owner owner, struct error *err)
{
    enum { ABOVE = 0755 };
    char part[PATH_MAX];
    struct stat status;
    if (strlen(path) >= sizeof part)
        return error_set(err, ENAMETOOLONG, "%.80s", path);
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (!make_one(files, part, ABOVE, INIT_OWN, err))
            return false;
        *slash = '/';
    }
    if (!make_one(files, path, mode, owner, err))
        return false;
    return (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) ||
           error_set(err, ENOTDIR, "%s", path);
}

static bool write_all(int fd, struct bytes text)
{
    while (text.len) {
        ssize_t wrote = write(fd, text.at, text.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        text = bytes_from(text, (size_t)wrote);
    }
    return fsync(fd) == 0;
}

bool init_files_write(struct init_files *files, const char *path, mode_t mode,
                      enum init_owner owner, struct bytes text, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, errno, "write %s", path);
    buf_addf(&files->made, "%s\n", path);
    bool is_good = write_all(fd, text) && set_owner(files, fd, owner) && fchmod(fd, mode) == 0;
    if (!is_good)
        error_set(err, errno, "write %s", path);
    close(fd);
    return is_good;
}
