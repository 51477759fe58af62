/* What every child process begins with: its name, its place in the supervisor's table, its
 * configuration and sockets. */
#pragma once

#include "daemon/config.h"
#include "daemon/ipc.h"

enum child_role { CHILD_WORKER, CHILD_MAILBOX, CHILD_CONTROL };

enum { CHILD_LISTENER_LIMIT = 64 };

struct child {
    enum child_role role;
    unsigned index;     /* of a worker: its shard */
    char name[32];      /* "worker-0", "mailbox", "control" */
    int supervisor_fd;  /* IPC */
    int control_fd;     /* worker: IPC to control; -1: none */
    int token_fd;       /* worker: shared memory of the sync token */
    struct config *config;
    int listeners[CHILD_LISTENER_LIMIT]; /* by the config's listener number; mailbox, control: [0] */
    size_t listener_count;
};

/* In the new process: takes the hand-over from the supervisor up to IPC_START. */
MUST_CHECK bool child_begin(struct child *child, enum child_role role, unsigned index,
                            int supervisor_fd, struct error *err);
/* Tells the supervisor that the child serves. */
MUST_CHECK bool child_ready(struct child *child, struct error *err);

/* The processes; each runs until told to stop and gives the exit status. */
int worker_main(struct child *child);
int mailbox_main(struct child *child);
int control_main(struct child *child);
