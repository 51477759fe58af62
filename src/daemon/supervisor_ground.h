/* What must be there before any child starts: the user to become, the folders, and the lock that
 * keeps a spool to one server. */
#pragma once

#include <sys/types.h>

#include "daemon/config.h"

struct ground {
    bool has_user; /* children become it */
    uid_t uid;
    gid_t gid;
    int lock_fd; /* children inherit it: a spool is free when the last of them has ended */
};

/* False: err says what is missing and what to do. Waits up to 15 seconds for the children of a
 * server that was killed. */
MUST_CHECK bool ground_open(struct ground *ground, const struct config *config, struct error *err);
/* For a command that changes accounts, the server running or not: finds the user, and makes their
 * folder where it is missing; takes no lock. */
MUST_CHECK bool ground_open_accounts(struct ground *ground, const struct config *config,
                                     struct error *err);
void ground_close(struct ground *ground);
/* In the new process, before exec: becomes the user, for good. */
MUST_CHECK bool ground_become(const struct ground *ground, const char *user, struct error *err);
/* Is a server running with this spool, which its lock shows? */
bool ground_is_held(const char *spool);
