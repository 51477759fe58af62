/* The supervisor's table of children: one row each, started, watched and ended by its role. */
#pragma once

#include <sys/types.h>

#include "daemon/child.h"
#include "daemon/supervisor_ground.h"
#include "daemon/supervisor_ports.h"

enum slot_state {
    SLOT_DOWN,     /* to be started at restart_ms */
    SLOT_STARTING, /* handed over to, not ready yet */
    SLOT_READY,
    SLOT_ENDED, /* not to be started again */
};

struct slot {
    enum child_role role;
    unsigned index;
    char name[32];
    enum slot_state state;
    pid_t pid; /* 0: none */
    int fd;    /* IPC; -1: none */
    unsigned restarts;
    int64_t started_ms, restart_ms; /* steady */
    int64_t kill_ms;                /* its IPC has gone, yet it lives: ended then; 0: no */
    bool is_reloading;              /* its IPC_RELOADED is awaited */
};

enum { SLOT_LIMIT = CONFIG_WORKER_LIMIT + 3 };

struct slots {
    struct slot rows[SLOT_LIMIT];
    size_t count;
    /* What is handed over; borrowed. */
    const struct config *config;
    const struct ports *ports;
    const struct ground *ground;
    int text_fd, token_fd;
};

/* The rows for the configuration, all down and due now. */
void slots_init(struct slots *slots, const struct config *config);
/* Starts the child and hands over; on failure it is due again later. */
void slot_start(struct slots *slots, struct slot *slot);
/* Sends a message without payload; a child that cannot take it has hung, and is ended. */
void slot_tell(struct slot *slot, enum ipc_type type);
/* Hands the configuration's text over. */
void slot_give_config(const struct slots *slots, struct slot *slot);
/* Opens the configuration's secret files, with the supervisor's own rights, and hands them to the
 * keeper. */
void slot_give_secrets(const struct slots *slots, struct slot *keeper);
/* Its process has ended (waitpid's status): logs it and says when it is due again. */
void slot_ended(struct slot *slot, int status, bool is_stopping);
/* Forgets the IPC; the process should end of itself within moments. */
void slot_lose(struct slot *slot);
void slot_kill(const struct slot *slot);
struct slot *slots_find(struct slots *slots, enum child_role role, unsigned index);
/* Is any of the role (or of another, when is_other) not ended yet? */
bool slots_have(const struct slots *slots, enum child_role role, bool is_other);
