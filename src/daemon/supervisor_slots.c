#include "daemon/supervisor_slots.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/instant.h"

enum {
    CHILD_FD = 3,           /* where a child finds its IPC */
    SAFE_FD = 10,           /* above the descriptors that are put in place */
    BACKOFF_FIRST_MS = 100, /* the first restart is at once */
    BACKOFF_MAX_MS = 10000,
    STEADY_AFTER_MS = 60000, /* then a child has proved itself, and its next end counts as first */
    LINGER_MS = 5000,        /* without IPC, a child has this long to end */
};

static void add_row(struct slots *slots, enum child_role role, unsigned index)
{
    struct slot *slot = &slots->rows[slots->count++];
    *slot = (struct slot){.role = role, .index = index, .fd = -1};
    if (role == CHILD_WORKER)
        snprintf(slot->name, sizeof slot->name, "worker-%u", index);
    else
        snprintf(slot->name, sizeof slot->name, "%s", child_role_word(role));
}

/* A shard from a time with more workers: a worker without listeners delivers what is in it. */
static bool has_shard(const struct config *config, unsigned index)
{
    char shard[4096];
    snprintf(shard, sizeof shard, "%s/%u", config->spool.path, index);
    return access(shard, F_OK) == 0;
}

void slots_init(struct slots *slots, const struct config *config)
{
    *slots = (struct slots){.config = config, .text_fd = -1, .token_fd = -1};
    add_row(slots, CHILD_KEEPER, 0);
    if (config->mailbox_root)
        add_row(slots, CHILD_MAILBOX, 0);
    add_row(slots, CHILD_CONTROL, 0);
    for (unsigned i = 0; i < CONFIG_WORKER_LIMIT; i++)
        if (i < config->workers || has_shard(config, i))
            add_row(slots, CHILD_WORKER, i);
}

struct slot *slots_find(struct slots *slots, enum child_role role, unsigned index)
{
    for (size_t i = 0; i < slots->count; i++)
        if (slots->rows[i].role == role && slots->rows[i].index == index)
            return &slots->rows[i];
    return NULL;
}

bool slots_have(const struct slots *slots, enum child_role role, bool is_other)
{
    for (size_t i = 0; i < slots->count; i++)
        if ((slots->rows[i].role == role) != is_other && slots->rows[i].state != SLOT_ENDED)
            return true;
    return false;
}

/* --- The new process, up to exec ----------------------------------------------------------------
 */

static void put_in_place(int ipc_fd, int lock_fd)
{
    /* First out of the way of each other, then in place; what F_DUPFD gives is inherited, and the
     * copy of the lock is meant to be. */
    int ipc_copy = fcntl(ipc_fd, F_DUPFD_CLOEXEC, SAFE_FD);
    if (fcntl(lock_fd, F_DUPFD, SAFE_FD) < 0 || ipc_copy < 0 || dup2(ipc_copy, CHILD_FD) < 0)
        _exit(1);
}

_Noreturn static void become_child(const struct slots *slots, const struct slot *slot, int ipc_fd)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    struct error err;
    char index[16];
    char role[16];
    char program[] = "postrider", command[] = "child";
    char *arguments[] = {program, command, role, index, NULL};
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < COUNT(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(role, sizeof role, "%s", child_role_word(slot->role));
    snprintf(index, sizeof index, "%u", slot->index);
    put_in_place(ipc_fd, slots->ground->lock_fd);
    if (ground_become(slots->ground, slots->config->user, &err)) {
        execv("/proc/self/exe", arguments);
        error_set(&err, errno, "start itself again (/proc/self/exe)");
    }
    log_error("child-failed", LOG_TEXT("child", slot->name), LOG_TEXT("reason", err.text));
    _exit(1);
}

/* --- Handing over
 * --------------------------------------------------------------------------------- */

void slot_kill(const struct slot *slot)
{
    if (slot->pid)
        kill(slot->pid, SIGKILL);
}

void slot_lose(struct slot *slot)
{
    if (slot->fd < 0)
        return;
    close(slot->fd);
    slot->fd = -1;
    slot->kill_ms = instant_steady_ms() + LINGER_MS;
}

static void send_or_end(struct slot *slot, const struct ipc_message *message)
{
    struct error err;
    if (slot->fd < 0 || ipc_send(slot->fd, message, &err))
        return;
    if (err.os == EAGAIN) {
        log_error("child-hangs", LOG_TEXT("child", slot->name));
        slot_kill(slot);
    }
    slot_lose(slot);
}

void slot_tell(struct slot *slot, enum ipc_type type)
{
    send_or_end(slot, &(struct ipc_message){.type = type, .fd = -1});
}

void slot_give_config(const struct slots *slots, struct slot *slot)
{
    struct buf places;
    buf_init(&places, IPC_PAYLOAD_LIMIT);
    buf_add(&places, bytes_of(slots->config->path));
    buf_add_byte(&places, 0);
    buf_add(&places, bytes_of(slots->config->folder));
    buf_add_byte(&places, 0);
    buf_add(&places, slots->config->resolver.anchor_records);
    send_or_end(slot, &(struct ipc_message){
                          .type = IPC_CONFIG, .payload = buf_view(&places), .fd = slots->text_fd});
    buf_done(&places);
    for (size_t i = 0; slot->role == CHILD_WORKER && i < slots->config->tls.certificate_count; i++)
        send_or_end(slot, &(struct ipc_message){.type = IPC_CERTIFICATE,
                                                .number = (uint32_t)i,
                                                .payload = slots->config->tls.certificates[i].chain,
                                                .fd = -1});
}

static void give_fd(struct slot *slot, enum ipc_type type, size_t number, int fd)
{
    send_or_end(slot, &(struct ipc_message){.type = type, .number = (uint32_t)number, .fd = fd});
}

/* A new pair between a child and control or the keeper; both take it at any time. */
static void join_peers(struct slot *child, struct slot *server)
{
    int fds[2];
    struct error err;
    if (child->fd < 0 || server->fd < 0)
        return;
    if (!ipc_pair(fds, &err)) {
        log_error("peer-failed", LOG_TEXT("reason", err.text));
        return;
    }
    give_fd(child, server->role == CHILD_KEEPER ? IPC_KEEPER : IPC_PEER, 0, fds[0]);
    give_fd(server, IPC_PEER, child->index, fds[1]);
    close(fds[0]);
    close(fds[1]);
}

void slot_give_secrets(const struct slots *slots, struct slot *keeper)
{
    for (size_t i = 0; i < slots->config->secret_count; i++) {
        const char *name = slots->config->secrets[i];
        int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        send_or_end(keeper, &(struct ipc_message){.type = IPC_SECRET,
                                                  .number = fd < 0 ? (uint32_t)errno : 0,
                                                  .payload = bytes_of(name),
                                                  .fd = fd});
        if (fd >= 0)
            close(fd);
    }
}

static void hand_over(struct slots *slots, struct slot *slot)
{
    slot_give_config(slots, slot);
    switch (slot->role) {
    case CHILD_WORKER:
        for (size_t i = 0; i < slots->ports->listener_count && slot->index < slots->ports->workers;
             i++)
            give_fd(slot, IPC_LISTENER, i, slots->ports->listeners[slot->index][i]);
        give_fd(slot, IPC_TOKEN, 0, slots->token_fd);
        join_peers(slot, slots_find(slots, CHILD_CONTROL, 0));
        join_peers(slot, slots_find(slots, CHILD_KEEPER, 0));
        slot_tell(slot, IPC_START);
        return;
    case CHILD_MAILBOX:
        give_fd(slot, IPC_LISTENER, 0, slots->ports->mailbox);
        slot_tell(slot, IPC_START);
        return;
    case CHILD_CONTROL:
        give_fd(slot, IPC_LISTENER, 0, slots->ports->control);
        slot_tell(slot, IPC_START);
        for (size_t i = 0; i < slots->count; i++)
            if (slots->rows[i].role == CHILD_WORKER)
                join_peers(&slots->rows[i], slot);
        return;
    case CHILD_KEEPER:
        slot_give_secrets(slots, slot);
        slot_tell(slot, IPC_START);
        for (size_t i = 0; i < slots->count; i++)
            if (slots->rows[i].role == CHILD_WORKER)
                join_peers(&slots->rows[i], slot);
        return;
    }
}

/* --- Starting and ending ---------------------------------------------------------------------- */

static void plan_restart(struct slot *slot, int64_t now_ms)
{
    int64_t wait_ms = slot->restarts == 0  ? 0
                      : slot->restarts > 7 ? BACKOFF_MAX_MS
                                           : BACKOFF_FIRST_MS << (slot->restarts - 1);
    slot->restarts++;
    slot->state = SLOT_DOWN;
    slot->restart_ms = now_ms + (wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS);
}

void slot_start(struct slots *slots, struct slot *slot)
{
    int fds[2];
    struct error err;
    slot->started_ms = instant_steady_ms();
    if (!ipc_pair(fds, &err)) {
        log_error("child-failed", LOG_TEXT("child", slot->name), LOG_TEXT("reason", err.text));
        plan_restart(slot, slot->started_ms);
        return;
    }
    log_flush();
    pid_t pid = fork();
    if (pid == 0)
        become_child(slots, slot, fds[1]);
    close(fds[1]);
    if (pid < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
        error_set(&err, errno, "start a process");
        log_error("child-failed", LOG_TEXT("child", slot->name), LOG_TEXT("reason", err.text));
        close(fds[0]);
        plan_restart(slot, slot->started_ms);
        return;
    }
    slot->pid = pid;
    slot->fd = fds[0];
    slot->kill_ms = 0;
    slot->is_reloading = false;
    slot->state = SLOT_STARTING;
    log_info("child-started", LOG_TEXT("child", slot->name), LOG_INT("pid", pid));
    hand_over(slots, slot);
}

void slot_ended(struct slot *slot, int status, bool is_stopping)
{
    int64_t now_ms = instant_steady_ms();
    bool is_signal = WIFSIGNALED(status);
    int code = is_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    enum log_level level = is_stopping && !is_signal && code == 0 ? LOG_INFO : LOG_ERROR;
    log_write(level, "child-exited",
              LOG_FIELDS(LOG_TEXT("child", slot->name), LOG_INT("pid", slot->pid),
                         LOG_INT(is_signal ? "signal" : "status", code)));
    if (slot->fd >= 0)
        close(slot->fd);
    slot->fd = -1;
    slot->pid = 0;
    slot->kill_ms = 0;
    slot->is_reloading = false;
    slot->state = SLOT_ENDED;
    if (now_ms - slot->started_ms >= STEADY_AFTER_MS)
        slot->restarts = 0;
    if (!is_stopping)
        plan_restart(slot, now_ms);
}
