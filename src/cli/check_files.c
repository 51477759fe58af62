/* Folders, keys, and the disk below them. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/check.h"
#include "cli/paint.h"

#define AREA "files"

/* As <linux/magic.h> and the file systems themselves have them. */
static const struct {
    unsigned long magic;
    const char *name, *danger;
} kinds[] = {
    {0x01021994, "tmpfs", "it is memory: all mail in it is gone when the machine stops"},
    {0x858458f6, "ramfs", "it is memory: all mail in it is gone when the machine stops"},
    {0x6969, "NFS", "syncs and locks of another machine are no sure ground for a queue"},
    {0xff534d42, "CIFS", "syncs and locks of another machine are no sure ground for a queue"},
    {0xfe534d42, "SMB", "syncs and locks of another machine are no sure ground for a queue"},
    {0x794c7630, "overlayfs",
     "it is a container's own layer: the mail in it goes with the container"},
};

static void check_secret(struct check *check, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        /* What may not be looked at may be right; what is not there, the server says when it
         * starts.
         */
        if (errno != ENOENT)
            return;
        struct finding *finding =
            findings_add(check->findings, SEVERITY_PROBLEM, AREA, "key-missing");
        buf_addf(&finding->what, "%s: there is no such file", path);
        buf_addf(&finding->meaning, "the configuration names it as a key or a password");
        buf_addf(&finding->remedy, "put it there, or correct the name in %s", check->config_path);
        return;
    }
    if (!(status.st_mode & (S_IROTH | S_IWOTH)))
        return;
    struct finding *finding = findings_add(check->findings, SEVERITY_WARNING, AREA, "key-open");
    buf_addf(&finding->what, "%s: everybody on this host can %s it", path,
             status.st_mode & S_IWOTH ? "change" : "read");
    buf_addf(&finding->meaning,
             "who has the key can pretend to be this server; the supervisor opens it with its own "
             "rights, and nobody else needs to");
    buf_addf(&finding->how, "its mode is %04o", (unsigned)status.st_mode & 07777);
    buf_addf(&finding->remedy, "chmod o= %s", path);
}

static void check_owner(struct check *check, const char *path, const struct stat *status)
{
    const char *user = check->config->user;
    const struct passwd *owner = user ? getpwnam(user) : NULL;
    /* An ordinary user who starts the server stays what it is. */
    if (!owner || status->st_uid == owner->pw_uid || geteuid() != 0)
        return;
    struct finding *finding = findings_add(check->findings, SEVERITY_PROBLEM, AREA, "owner");
    buf_addf(&finding->what, "%s does not belong to the server's user %s", path, user);
    buf_addf(&finding->meaning, "the server does not start");
    buf_addf(&finding->how, "its owner is %u, and %s is %u", (unsigned)status->st_uid, user,
             (unsigned)owner->pw_uid);
    buf_addf(&finding->remedy, "chown -R %s: %s", user, path);
}

static void check_user(struct check *check)
{
    const char *user = check->config->user;
    if (!user || getpwnam(user))
        return;
    struct finding *finding = findings_add(check->findings, SEVERITY_PROBLEM, AREA, "no-user");
    buf_addf(&finding->what, "%s: there is no user %s", check->config_path, user);
    buf_addf(&finding->meaning, "started as root, the server cannot become it and does not start");
    buf_addf(&finding->remedy, "useradd --system --shell /usr/sbin/nologin %s", user);
}

/* Who can write it decides where all mail goes. */
static void check_configuration(struct check *check)
{
    struct stat status;
    if (stat(check->config->path, &status) != 0 || !(status.st_mode & S_IWOTH))
        return;
    struct finding *finding =
        findings_add(check->findings, SEVERITY_PROBLEM, AREA, "configuration-open");
    buf_addf(&finding->what, "%s: everybody on this host can change it", check->config_path);
    buf_addf(&finding->meaning, "they can have mail delivered to themselves, and open the relay");
    buf_addf(&finding->how, "its mode is %04o", (unsigned)status.st_mode & 07777);
    buf_addf(&finding->remedy, "chmod o-w %s", check->config_path);
}

/* One of the server's folders. True: it is there, and may be looked at. */
static bool check_folder(struct check *check, const char *path, bool is_secret)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        if (errno == ENOENT) {
            struct finding *finding =
                findings_add(check->findings, SEVERITY_NOTE, AREA, "folder-missing");
            buf_addf(&finding->what, "%s is not there yet; the server makes it when it starts",
                     path);
        }
        return false;
    }
    check_owner(check, path, &status);
    /* Mailboxes may be shared with another server's group. */
    mode_t wrong = S_IWOTH | (is_secret ? S_IWGRP | S_IROTH | S_IXOTH : 0);
    mode_t open = status.st_mode & wrong;
    /* In a folder with the sticky bit others put files beside ours, and nothing in place of them.
     */
    if (!open || (status.st_mode & S_ISVTX && !is_secret))
        return true;
    bool can_write = open & (S_IWGRP | S_IWOTH);
    struct finding *finding = findings_add(
        check->findings, can_write ? SEVERITY_PROBLEM : SEVERITY_WARNING, AREA, "folder-open");
    buf_addf(&finding->what, "%s: others on this host can %s", path,
             can_write ? "put files into it" : "look into it");
    buf_addf(&finding->meaning, can_write ? "they can read, change and forge what the server keeps"
                                          : "keys and passwords' hashes are for nobody to see");
    buf_addf(&finding->how, "its mode is %04o", (unsigned)status.st_mode & 07777);
    buf_addf(&finding->remedy, "chmod %s %s", is_secret ? "go=" : "o-w", path);
    return true;
}

static void check_kind(struct check *check)
{
    const char *path = check->config->spool.path;
    struct statfs status;
    if (statfs(path, &status) != 0)
        return;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if ((unsigned long)(uint32_t)status.f_type != kinds[i].magic)
            continue;
        struct finding *finding =
            findings_add(check->findings, SEVERITY_WARNING, AREA, "spool-volatile");
        buf_addf(&finding->what, "%s: the spool is on %s", path, kinds[i].name);
        buf_addf(&finding->meaning, "%s", kinds[i].danger);
        buf_addf(&finding->how, "statfs says so");
        buf_addf(&finding->remedy,
                 "put spool.path on a disk of this machine (ext4, XFS, btrfs), or on a volume of "
                 "the container's");
    }
}

static void check_room(struct check *check)
{
    const char *path = check->config->spool.path;
    struct statvfs status;
    if (statvfs(path, &status) != 0)
        return;
    uint64_t room = (uint64_t)status.f_bavail * status.f_frsize;
    uint64_t least = check->config->spool.low_water_bytes;
    bool is_out = room < least, has_few_files = status.f_files && status.f_favail < 1000;
    if (!is_out && room / 2 >= least && !has_few_files) {
        struct finding *good = findings_add(check->findings, SEVERITY_GOOD, AREA, "spool-room");
        buf_addf(&good->what, "%s: the spool has ", path);
        paint_size(&good->what, room);
        buf_addf(&good->what, " of free space");
        return;
    }
    struct finding *finding = findings_add(
        check->findings, is_out ? SEVERITY_PROBLEM : SEVERITY_WARNING, AREA, "spool-room");
    buf_addf(&finding->what, "%s: the disk of the spool is %s", path,
             is_out ? "full" : "nearly full");
    buf_addf(&finding->meaning, is_out ? "new mail is refused with 452 4.3.1 until there is room"
                                       : "new mail will be refused with 452 4.3.1 soon");
    buf_addf(&finding->how, "free: ");
    paint_size(&finding->how, room);
    buf_addf(&finding->how,
             " and %llu files; spool.low_water: ", (unsigned long long)status.f_favail);
    paint_size(&finding->how, least);
    buf_addf(&finding->remedy, "make room there, or lower spool.low_water");
}

void check_files(struct check *check)
{
    const struct config *config = check->config;
    for (size_t i = 0; i < config->secret_count; i++)
        check_secret(check, config->secrets[i]);
    check_configuration(check);
    check_user(check);
    if (check_folder(check, config->spool.path, false)) {
        check_kind(check);
        check_room(check);
    }
    check_folder(check, config->accounts_folder, true);
    check_folder(check, config->keys_folder, true);
    if (config->mailbox_root)
        check_folder(check, config->mailbox_root, false);
}
