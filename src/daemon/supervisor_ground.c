#include "daemon/supervisor_ground.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/instant.h"

enum { LOCK_WAIT_MS = 15 * 1000, LOCK_PAUSE_MS = 50 };

static bool find_user(struct ground *ground, const struct config *config, struct error *err)
{
    if (geteuid() != 0)
        return true; /* an ordinary user stays what it is */
    if (!config->user)
        return true;
    const struct passwd *user = getpwnam(config->user);
    if (!user)
        return error_set(err, 0, "there is no user \"%s\"; make it with: useradd --system %s",
                         config->user, config->user);
    ground->has_user = true;
    ground->uid = user->pw_uid;
    ground->gid = user->pw_gid;
    return true;
}

/* Makes the folder, those above it with the mode that others may pass. */
static bool make_folder(const struct ground *ground, const char *path, struct error *err)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool is_made = mkdir(part, 0700) == 0;
        if (!is_made && errno != EEXIST)
            return error_set(err, errno, "make the folder %s", part);
        if (is_made && chmod(part, 0755) != 0)
            return error_set(err, errno, "%s", part);
        *slash = '/';
    }
    if (mkdir(path, 0700) == 0)
        return !ground->has_user || chown(path, ground->uid, ground->gid) == 0 ||
               error_set(err, errno, "give %s to its user", path);
    struct stat status;
    if (errno == EROFS)
        return error_set(err, EROFS,
                         "make the folder %s (where a unit of systemd confines the server, name "
                         "it there in ReadWritePaths)",
                         path);
    if (errno != EEXIST || stat(path, &status) != 0)
        return error_set(err, errno, "make the folder %s", path);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ENOTDIR, "%s", path);
    uid_t owner = ground->has_user ? ground->uid : geteuid();
    if (owner != 0 && status.st_uid != owner)
        return error_set(err, 0, "%s belongs to another user; run: chown -R %u %s", path,
                         (unsigned)owner, path);
    return true;
}

/* Beside the lock that children inherit, a living supervisor has one that they do not (fcntl's
 * belong to one process): whether to wait, or to give up. 0: nobody has it. */
static pid_t living_holder(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

bool ground_is_held(const char *spool)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/lock", spool);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_held = fd >= 0 && living_holder(fd) != 0;
    if (fd >= 0)
        close(fd);
    return is_held;
}

static bool take_lock(struct ground *ground, const char *spool, struct error *err)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/lock", spool);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, errno, "%s", path);
    int64_t begun_ms = instant_steady_ms();
    /* Killed without its children, a server leaves them to finish what they have begun: they hold
     * the lock for that long. */
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int os = errno;
        pid_t holder = living_holder(fd);
        bool is_late = instant_steady_ms() - begun_ms > LOCK_WAIT_MS;
        if (os != EWOULDBLOCK && os != EINTR)
            error_set(err, os, "lock %s", path);
        else if (holder)
            error_set(err, 0,
                      "another server (process %d) runs with the spool %s; end it first by: "
                      "postrider stop, or give "
                      "this one a spool of its own",
                      (int)holder, spool);
        else if (is_late)
            error_set(err, 0, "processes of an earlier server still use the spool %s", spool);
        else {
            usleep(LOCK_PAUSE_MS * 1000);
            continue;
        }
        close(fd);
        return false;
    }
    struct flock own = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &own) != 0) {
        error_set(err, errno, "lock %s", path);
        close(fd);
        return false;
    }
    ground->lock_fd = fd;
    return true;
}

bool ground_open_accounts(struct ground *ground, const struct config *config, struct error *err)
{
    *ground = (struct ground){.lock_fd = -1};
    umask(0077);
    return find_user(ground, config, err) && make_folder(ground, config->spool.path, err) &&
           make_folder(ground, config->accounts_folder, err);
}

bool ground_open(struct ground *ground, const struct config *config, struct error *err)
{
    *ground = (struct ground){.lock_fd = -1};
    umask(0077);
    if (geteuid() == 0 && !config->user)
        log_warning("running-as-root", LOG_TEXT("remedy", "write user: NAME in the configuration"));
    return find_user(ground, config, err) && make_folder(ground, config->spool.path, err) &&
           make_folder(ground, config->run_folder, err) &&
           make_folder(ground, config->accounts_folder, err) &&
           make_folder(ground, config->keys_folder, err) &&
           (!config->mailbox_root || make_folder(ground, config->mailbox_root, err)) &&
           take_lock(ground, config->spool.path, err);
}

void ground_close(struct ground *ground)
{
    if (ground->lock_fd >= 0)
        close(ground->lock_fd);
    ground->lock_fd = -1;
}

bool ground_become(const struct ground *ground, const char *user, struct error *err)
{
    if (ground->has_user && (initgroups(user, ground->gid) != 0 || setgid(ground->gid) != 0 ||
                             setuid(ground->uid) != 0))
        return error_set(err, errno, "become the user %s", user);
    /* A capability of a unit's (to bind ports, to read keys) would go on to the children. */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return error_set(err, errno, "give up capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set(err, errno, "give up new rights");
    return true;
}
