/* What every child process begins with: its name, its place in the supervisor's table, its
 * configuration and sockets.
 *
 * A child ignores SIGTERM, SIGINT, SIGHUP and SIGPIPE: it ends when told so by IPC, or when the
 * supervisor's end of the IPC is gone. */
#pragma once

#include "daemon/config.h"
#include "daemon/ipc.h"
#include "daemon/journal.h"

enum child_role { CHILD_WORKER, CHILD_MAILBOX, CHILD_CONTROL, CHILD_KEEPER };

/* The word that names a role on the command line and in process names. */
const char *child_role_word(enum child_role role);

enum { CHILD_LISTENER_LIMIT = CONFIG_LISTENER_LIMIT };

/* A secret file as the supervisor hands it over: opened, or why it could not be. */
struct child_secret {
    char *name; /* owned */
    int fd;     /* -1: none */
    int os;     /* errno, then */
};

struct child {
    enum child_role role;
    unsigned index;    /* of a worker: its shard */
    char name[32];     /* "worker-0", "mailbox", "control", "keeper" */
    int supervisor_fd; /* IPC */
    int control_fd;    /* worker: IPC to control; -1: none */
    int keeper_fd;     /* IPC to the keeper; -1: none yet */
    int token_fd;      /* worker: shared memory of the sync token */
    struct config *config;
    struct journal *journal; /* where the log's lines go too: journal_flush() each turn */
    int listeners[CHILD_LISTENER_LIMIT]; /* by the config's listener number; mailbox, control: [0]
                                          */
    size_t listener_count;
    struct child_secret secrets[CONFIG_SECRET_LIMIT]; /* keeper */
    size_t secret_count;
};

/* In the new process: takes the hand-over from the supervisor up to IPC_START, and begins the log
 * and the trace journal. */
MUST_CHECK bool child_begin(struct child *child, enum child_role role, unsigned index,
                            int supervisor_fd, struct error *err);
/* Tells the supervisor that the child serves. */
MUST_CHECK bool child_ready(struct child *child, struct error *err);

/* Reads the configuration that an IPC_CONFIG carries; the descriptor stays the caller's. NULL:
 * problems say why. */
struct config *child_config(const struct ipc_message *message, struct buf *problems);
/* The hidden subcommand `child ROLE INDEX`: descriptor 3 leads to the supervisor. The process's
 * whole life; gives the exit status. */
int child_run(const char *role_word, const char *index);

/* The processes; each takes over child->config, runs until told to stop and gives the exit
 * status. */
int worker_main(struct child *child);
int mailbox_main(struct child *child);
int control_main(struct child *child);
int keeper_main(struct child *child);
