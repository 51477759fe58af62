/* Takes away what a process does not need: after this it reaches only the folders named, and no
 * program it starts gets more (Landlock, no_new_privs). Nothing here can be undone. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

enum confine_access { CONFINE_READ, CONFINE_WRITE, CONFINE_READ_FILE, CONFINE_LIST };

struct confine_rule {
    const char *path; /* a folder and all below it (CONFINE_LIST: its names, but no file), or for
                         CONFINE_READ_FILE that file alone; one that does not exist is left out */
    enum confine_access access;
};

enum confine_result {
    CONFINED,
    CONFINE_NOT_OFFERED, /* the kernel has no Landlock, or one too old to allow renames */
    CONFINE_FAILED,      /* err says why */
};
/* What every process needs besides (programs, libraries and settings of the system, to read) is
 * allowed by itself. */
enum confine_result confine(const struct confine_rule *rules, size_t count, struct error *err);
/* No socket can be made from now on, but Unix ones where that is said; those that are there stay
 * (seccomp). Elsewhere than on x86-64 and AArch64 it does nothing. */
enum confine_sockets { CONFINE_NO_SOCKETS, CONFINE_UNIX_SOCKETS };
MUST_CHECK bool confine_network(enum confine_sockets sockets, struct error *err);
