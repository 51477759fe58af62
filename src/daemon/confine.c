#include "daemon/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Renames from one folder to another, which a Maildir lives by, are refused by the first version
 * of Landlock whatever the rules say. */
enum { ABI_WITH_RENAMES = 2 };

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif

static const uint64_t READ_ACCESS =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE;
static const uint64_t WRITE_ACCESS = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                                     LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER;
static const uint64_t HANDLED_ACCESS =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;

/* Name service modules and their settings, and what a process may know of itself. */
static const struct confine_rule always[] = {
    {"/etc", CONFINE_READ},
    {"/usr", CONFINE_READ},
    {"/lib", CONFINE_READ},
    {"/lib64", CONFINE_READ},
    {"/run/systemd/resolve", CONFINE_READ},
    {"/proc/self", CONFINE_READ},
};

static uint64_t rights(enum confine_access access)
{
    switch (access) {
    case CONFINE_READ: return READ_ACCESS;
    case CONFINE_READ_FILE: return LANDLOCK_ACCESS_FS_READ_FILE;
    case CONFINE_LIST: return LANDLOCK_ACCESS_FS_READ_DIR;
    case CONFINE_WRITE: return WRITE_ACCESS;
    }
    return 0;
}

static bool add_rule(int ruleset, const struct confine_rule *rule, struct error *err)
{
    int fd = open(rule->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || error_set(err, errno, "confine to %s", rule->path);
    struct landlock_path_beneath_attr beneath = {.allowed_access = rights(rule->access),
                                                 .parent_fd = fd};
    long failed = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    int os = errno;
    close(fd);
    return !failed || error_set(err, os, "confine to %s", rule->path);
}

static bool add_rules(int ruleset, const struct confine_rule *rules, size_t count,
                      struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!add_rule(ruleset, &rules[i], err))
            return false;
    return true;
}

enum confine_result confine(const struct confine_rule *rules, size_t count, struct error *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < ABI_WITH_RENAMES)
        return CONFINE_NOT_OFFERED;
    struct landlock_ruleset_attr handled = {.handled_access_fs = HANDLED_ACCESS};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (ruleset < 0) {
        error_set(err, errno, "confine");
        return CONFINE_FAILED;
    }
    bool is_good =
        add_rules(ruleset, always, COUNT(always), err) && add_rules(ruleset, rules, count, err);
    if (is_good && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        is_good = error_set(err, errno, "no_new_privs");
    if (is_good && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        is_good = error_set(err, errno, "confine");
    close(ruleset);
    return is_good ? CONFINED : CONFINE_FAILED;
}

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

bool confine_network(enum confine_sockets sockets, struct error *err)
{
#ifdef OWN_ARCHITECTURE
    /* Another architecture's calls (32 bits) and x32's have other numbers: all of theirs are
     * refused. io_uring makes sockets too. */
    const uint32_t allowed = sockets == CONFINE_UNIX_SOCKETS ? AF_UNIX : UINT32_MAX;
    const struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 3),
        /* The low half of the first argument: both architectures are little-endian. */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {sizeof program / sizeof program[0],
                                      (struct sock_filter *)(uintptr_t)program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0)
        return error_set(err, errno, "refuse sockets");
#endif
    return true;
}
