#include "daemon/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/memory.h"
#include "daemon/notify.h"
#include "daemon/supervisor_slots.h"
#include "daemon/token.h"
#include "daemon/trust.h"
#include "policy/keyring.h"

enum {
    STOP_GRACE_MS = 10 * 1000, /* beyond limits.drain, before children are killed */
    RELOAD_WAIT_MS = 10 * 1000,
    WARNINGS_LIMIT = 16 * 1024,
};

enum phase {
    PHASE_SERVING,
    PHASE_DRAINING, /* workers end; mailbox still takes what they deliver */
    PHASE_ENDING,   /* the others end */
};

struct supervisor {
    const char *config_path;
    struct config *config;
    struct notify notify;
    struct inherited inherited;
    struct ground ground;
    struct ports ports;
    struct slots slots;
    int signal_fd;
    enum phase phase;
    bool was_ready, cannot_start;
    int64_t stop_ms; /* children are killed then */
    struct {
        bool is_under_way, is_from_control;
        bool is_wanted_again; /* the file may have changed since it was read */
        int64_t deadline_ms;
        struct buf problems; /* of the children */
    } reload;
    uint8_t packet[IPC_PAYLOAD_LIMIT];
};

/* --- The configuration's text ----------------------------------------------------------------- */

/* A memory file that nobody can change any more; -1 and err on failure. */
static int seal_text(struct bytes text, struct error *err)
{
    int fd = memfd_create("postrider-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool is_good = fd >= 0;
    while (is_good && text.len) {
        ssize_t written = write(fd, text.at, text.len);
        is_good = written > 0;
        text = bytes_from(text, is_good ? (size_t)written : 0);
    }
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (is_good && fcntl(fd, F_ADD_SEALS, seals) == 0)
        return fd;
    error_set(err, errno, "keep the configuration in memory");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads the certificates, and warns of those that will not do for long. */
static bool load_certificates(struct config *config, struct buf *problems)
{
    struct buf warnings;
    buf_init(&warnings, WARNINGS_LIMIT);
    bool is_good = config_read_certificates(config, problems, &warnings);
    for (struct bytes rest = buf_view(&warnings), line; rest.len;) {
        bytes_cut(rest, '\n', &line, &rest);
        log_warning("certificate", LOG_BYTES("warning", line));
    }
    buf_done(&warnings);
    return is_good;
}

/* The text, and behind it what the children cannot read: the keyring, and the files of trusted
 * certificates. */
static int seal(const struct config *config, struct bytes text, struct error *err)
{
    struct buf whole;
    buf_init(&whole, SIZE_MAX);
    buf_add(&whole, text);
    buf_add_byte(&whole, 0);
    if (config->keyring)
        keyring_print(&whole, config->keyring);
    buf_add_byte(&whole, 0);
    config_pack_files(config, &whole);
    int fd = seal_text(buf_view(&whole), err);
    buf_done(&whole);
    return fd;
}

/* Reads the file; NULL: problems say why. */
static struct config *load(const char *path, int *text_fd, struct buf *problems)
{
    struct buf text;
    char *folder;
    struct error err;
    if (!config_read(path, &text, &folder, &err)) {
        buf_addf(problems, "%s\n", err.text);
        return NULL;
    }
    struct config *config = config_parse(buf_view(&text), path, folder, problems);
    bool is_good =
        config && config_read_anchor(config, problems) && config_read_files(config, problems);
    is_good =
        is_good && load_certificates(config, problems) && config_read_keyring(config, problems);
    *text_fd = is_good ? seal(config, buf_view(&text), &err) : -1;
    if (is_good && *text_fd < 0)
        buf_addf(problems, "%s\n", err.text);
    if (*text_fd < 0) {
        config_free(config);
        config = NULL;
    }
    buf_done(&text);
    free(folder);
    return config;
}

/* --- Reloading -------------------------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has_same_listeners(const struct config *a, const struct config *b)
{
    bool is_same = a->listener_count == b->listener_count;
    for (size_t i = 0; is_same && i < a->listener_count; i++)
        is_same = is_same_text(a->listeners[i].host, b->listeners[i].host) &&
                  a->listeners[i].port == b->listeners[i].port &&
                  a->listeners[i].role == b->listeners[i].role;
    return is_same;
}

/* What the running processes cannot take up. */
static void find_restarts(const struct config *old, const struct config *new, struct buf *problems)
{
    const struct {
        const char *key;
        bool is_same;
    } rows[] = {
        {"listen", has_same_listeners(old, new)},
        {"workers", old->workers == new->workers},
        {"spool", is_same_text(old->spool.path, new->spool.path)},
        {"run", is_same_text(old->run_folder, new->run_folder)},
        {"submission_socket", is_same_text(old->submission_socket, new->submission_socket)},
        {"user", is_same_text(old->user, new->user)},
        {"deliver", is_same_text(old->mailbox_root, new->mailbox_root)},
        {"accounts", is_same_text(old->accounts_folder, new->accounts_folder)},
        {"auth.dovecot", is_same_text(old->auth.dovecot, new->auth.dovecot)},
        {"keys", is_same_text(old->keys_folder, new->keys_folder)},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (!rows[i].is_same)
            buf_addf(problems,
                     "%s: \"%s\" has changed, which needs a restart: postrider stop, then serve; "
                     "nothing was reloaded\n",
                     new->path, rows[i].key);
}

/* Why it ends, for `systemctl status`: the first line of it. */
static void tell_failed(const struct notify *notify, struct bytes reasons)
{
    struct bytes first, rest;
    bytes_cut(reasons, '\n', &first, &rest);
    notify_send(notify, "STATUS=Cannot start: %.*s", BYTES_ARGS(first));
}

/* The line for `systemctl status`; problems are those of the last reload. A reload may end before
 * the server was ready, or when it is stopping. */
static void tell_serving(const struct supervisor *supervisor, struct bytes problems)
{
    const struct config *config = supervisor->config;
    struct bytes first, rest;
    if (!supervisor->was_ready || supervisor->phase != PHASE_SERVING)
        return;
    bytes_cut(problems, '\n', &first, &rest);
    notify_send(&supervisor->notify, "READY=1\nSTATUS=Serving %s on %s%s%s%.*s", config->hostname,
                config->listeners[0].address, config->listener_count > 1 ? " and more" : "",
                first.len ? "; the last reload failed: " : "", BYTES_ARGS(first));
}

static void log_problems(struct bytes problems)
{
    struct bytes line;
    while (problems.len) {
        bytes_cut(problems, '\n', &line, &problems);
        log_error("config-problem", LOG_BYTES("problem", line));
    }
}

static void begin_reload(struct supervisor *supervisor, bool is_from_control);

/* All have answered, or there is nothing to wait for. */
static void finish_reload(struct supervisor *supervisor)
{
    struct buf *problems = &supervisor->reload.problems;
    struct slot *control = slots_find(&supervisor->slots, CHILD_CONTROL, 0);
    struct error err;
    supervisor->reload.is_under_way = false;
    log_problems(buf_view(problems));
    if (problems->len)
        log_error("reload-failed", LOG_TEXT("config", supervisor->config_path));
    else
        log_info("reloaded", LOG_TEXT("config", supervisor->config_path));
    /* Whoever asked meanwhile wants to know of the file as it stands now, and is answered then. */
    if (supervisor->reload.is_wanted_again) {
        supervisor->reload.is_wanted_again = false;
        buf_clear(problems);
        begin_reload(supervisor, supervisor->reload.is_from_control);
        return;
    }
    tell_serving(supervisor, buf_view(problems));
    struct ipc_message reply = {.type = IPC_RELOADED,
                                .payload = bytes_sub(buf_view(problems), 0, IPC_PAYLOAD_LIMIT),
                                .fd = -1};
    if (supervisor->reload.is_from_control && control->fd >= 0 &&
        !ipc_send(control->fd, &reply, &err))
        log_warning("reload-unanswered", LOG_TEXT("reason", err.text));
    buf_clear(problems);
}

static void step_reload(struct supervisor *supervisor)
{
    if (!supervisor->reload.is_under_way)
        return;
    bool is_late = instant_steady_ms() >= supervisor->reload.deadline_ms;
    for (size_t i = 0; i < supervisor->slots.count; i++) {
        struct slot *slot = &supervisor->slots.rows[i];
        if (!slot->is_reloading)
            continue;
        if (!is_late)
            return;
        slot->is_reloading = false;
        buf_addf(&supervisor->reload.problems, "%s did not answer in time\n", slot->name);
    }
    finish_reload(supervisor);
}

static void put_in_force(struct supervisor *supervisor, struct config *config, int text_fd)
{
    config_free(supervisor->config);
    close(supervisor->slots.text_fd);
    supervisor->config = config;
    supervisor->slots.config = config;
    supervisor->slots.text_fd = text_fd;
    log_init("supervisor", config->log_level, config->log_format);
    trust_warn(config);
    for (size_t i = 0; i < supervisor->slots.count; i++) {
        struct slot *slot = &supervisor->slots.rows[i];
        if (slot->fd < 0)
            continue;
        slot_give_config(&supervisor->slots, slot);
        if (slot->role == CHILD_KEEPER)
            slot_give_secrets(&supervisor->slots, slot);
        slot_tell(slot, IPC_RELOAD);
        slot->is_reloading = slot->fd >= 0;
    }
}

static void begin_reload(struct supervisor *supervisor, bool is_from_control)
{
    if (supervisor->phase != PHASE_SERVING)
        return;
    if (supervisor->reload.is_under_way) {
        supervisor->reload.is_from_control |= is_from_control;
        supervisor->reload.is_wanted_again = true;
        return;
    }
    struct buf *problems = &supervisor->reload.problems;
    supervisor->reload.is_under_way = true;
    supervisor->reload.is_from_control = is_from_control;
    supervisor->reload.deadline_ms = instant_steady_ms() + RELOAD_WAIT_MS;
    if (supervisor->was_ready)
        notify_reloading(&supervisor->notify);
    int text_fd = -1;
    struct config *config = load(supervisor->config_path, &text_fd, problems);
    if (config)
        find_restarts(supervisor->config, config, problems);
    if (config && !problems->len) {
        put_in_force(supervisor, config, text_fd);
    } else if (config) {
        config_free(config);
        close(text_fd);
    }
    step_reload(supervisor);
}

/* --- Stopping --------------------------------------------------------------------------------- */

static void kill_all(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->slots.count; i++)
        slot_kill(&supervisor->slots.rows[i]);
}

/* Tells all workers, or all others, to end. */
static void tell_stop(struct supervisor *supervisor, bool is_workers)
{
    for (size_t i = 0; i < supervisor->slots.count; i++) {
        struct slot *slot = &supervisor->slots.rows[i];
        if (slot->state == SLOT_DOWN)
            slot->state = SLOT_ENDED;
        else if ((slot->role == CHILD_WORKER) == is_workers)
            slot_tell(slot, IPC_STOP);
    }
}

static void begin_stop(struct supervisor *supervisor)
{
    if (supervisor->phase != PHASE_SERVING) {
        kill_all(supervisor);
        return;
    }
    int64_t drain_ms = supervisor->config->limits.drain_ms;
    log_info("stopping", LOG_INT("drain_ms", drain_ms));
    /* Beyond both grace periods it would be right to kill. */
    notify_send(&supervisor->notify,
                "STOPPING=1\nSTATUS=Finishes what is under way\nEXTEND_TIMEOUT_USEC=%" PRId64,
                (drain_ms + 3 * STOP_GRACE_MS) * 1000);
    supervisor->phase = PHASE_DRAINING;
    supervisor->stop_ms = instant_steady_ms() + drain_ms + STOP_GRACE_MS;
    tell_stop(supervisor, true);
    /* With the workers' own gone too, a client is refused, and not left to hang in a backlog. */
    ports_close_listeners(&supervisor->ports);
}

/* True: all have ended. */
static bool step_stop(struct supervisor *supervisor)
{
    if (supervisor->phase == PHASE_SERVING)
        return false;
    if (supervisor->phase == PHASE_DRAINING &&
        !slots_have(&supervisor->slots, CHILD_WORKER, false)) {
        supervisor->phase = PHASE_ENDING;
        supervisor->stop_ms = instant_steady_ms() + STOP_GRACE_MS;
        tell_stop(supervisor, false);
    }
    if (supervisor->phase == PHASE_ENDING && !slots_have(&supervisor->slots, CHILD_WORKER, true))
        return true;
    if (instant_steady_ms() >= supervisor->stop_ms) {
        log_warning("stop-late", LOG_TEXT("remedy", "raise limits.drain"));
        kill_all(supervisor);
        supervisor->stop_ms = INT64_MAX;
    }
    return false;
}

/* --- The loop --------------------------------------------------------------------------------- */

static void note_ready(struct supervisor *supervisor, struct slot *slot)
{
    if (slot->state == SLOT_STARTING)
        slot->state = SLOT_READY;
    for (size_t i = 0; i < supervisor->slots.count; i++)
        if (supervisor->slots.rows[i].state != SLOT_READY)
            return;
    if (supervisor->was_ready || supervisor->phase != PHASE_SERVING)
        return;
    supervisor->was_ready = true;
    log_info("ready", LOG_INT("pid", getpid()), LOG_INT("workers", supervisor->config->workers),
             LOG_TEXT("config", supervisor->config_path));
    tell_serving(supervisor, (struct bytes){NULL, 0});
}

static void take_message(struct supervisor *supervisor, struct slot *slot,
                         const struct ipc_message *message)
{
    bool is_control = slot->role == CHILD_CONTROL;
    if (message->fd >= 0)
        close(message->fd);
    switch (message->type) {
    case IPC_READY: note_ready(supervisor, slot); return;
    case IPC_RELOAD:
        if (is_control)
            begin_reload(supervisor, true);
        return;
    case IPC_STOP:
        if (is_control && supervisor->phase == PHASE_SERVING)
            begin_stop(supervisor);
        return;
    case IPC_RELOADED:
        if (slot->is_reloading)
            buf_add(&supervisor->reload.problems, message->payload);
        slot->is_reloading = false;
        return;
    case IPC_CONFIG:
    case IPC_LISTENER:
    case IPC_PEER:
    case IPC_TOKEN:
    case IPC_START:
    case IPC_REQUEST:
    case IPC_REPLY:
    case IPC_REPLY_END:
    case IPC_KEEPER:
    case IPC_SECRET:
    case IPC_CERTIFICATE:
    case IPC_DIRECTORY:
        log_warning("ipc-unexpected", LOG_TEXT("child", slot->name),
                    LOG_INT("type", message->type));
        return;
    }
}

static void hear(struct supervisor *supervisor, struct slot *slot)
{
    struct ipc_message message;
    struct error err;
    while (slot->fd >= 0) {
        switch (ipc_receive(slot->fd, supervisor->packet, &message, &err)) {
        case IPC_GOT: take_message(supervisor, slot, &message); continue;
        case IPC_AGAIN: return;
        case IPC_GONE: slot_lose(slot); return;
        case IPC_BROKEN:
            log_error("ipc-broken", LOG_TEXT("child", slot->name), LOG_TEXT("reason", err.text));
            slot_lose(slot);
            return;
        }
    }
}

/* A process that gives up before the server was ever ready would do so again: whoever started the
 * server is to know. Later, and after a crash, it is started again. */
static void note_end(struct supervisor *supervisor, struct slot *slot, int status)
{
    bool gave_up = supervisor->phase == PHASE_SERVING && !supervisor->was_ready &&
                   slot->state == SLOT_STARTING && WIFEXITED(status) && WEXITSTATUS(status) != 0;
    slot_ended(slot, status, gave_up || supervisor->phase != PHASE_SERVING);
    if (!gave_up)
        return;
    char reason[80];
    snprintf(reason, sizeof reason, "%s cannot begin; a line of its own says why", slot->name);
    log_error("start-failed", LOG_TEXT("reason", reason));
    supervisor->cannot_start = true;
    begin_stop(supervisor);
    tell_failed(&supervisor->notify, bytes_of(reason));
}

static void reap(struct supervisor *supervisor)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < supervisor->slots.count; i++)
            if (supervisor->slots.rows[i].pid == pid)
                note_end(supervisor, &supervisor->slots.rows[i], status);
}

static void take_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo signal;
    while (read(supervisor->signal_fd, &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo == SIGHUP)
            begin_reload(supervisor, false);
        else if (signal.ssi_signo != SIGCHLD)
            begin_stop(supervisor);
    }
    /* Several ends may come as one signal. */
    reap(supervisor);
}

/* Starts what is due, ends what lingers. */
static void step_slots(struct supervisor *supervisor)
{
    int64_t now_ms = instant_steady_ms();
    for (size_t i = 0; i < supervisor->slots.count; i++) {
        struct slot *slot = &supervisor->slots.rows[i];
        if (slot->state == SLOT_DOWN && slot->restart_ms <= now_ms)
            slot_start(&supervisor->slots, slot);
        if (slot->kill_ms && slot->kill_ms <= now_ms) {
            slot_kill(slot);
            slot->kill_ms = 0;
        }
    }
}

static int64_t next_ms(const struct supervisor *supervisor)
{
    bool is_serving = supervisor->phase == PHASE_SERVING;
    int64_t next = is_serving ? INT64_MAX : supervisor->stop_ms;
    if (supervisor->notify.due_ms < next)
        next = supervisor->notify.due_ms;
    if (supervisor->reload.is_under_way && supervisor->reload.deadline_ms < next)
        next = supervisor->reload.deadline_ms;
    for (size_t i = 0; is_serving && i < supervisor->slots.count; i++) {
        const struct slot *slot = &supervisor->slots.rows[i];
        if (slot->state == SLOT_DOWN && slot->restart_ms < next)
            next = slot->restart_ms;
        if (slot->kill_ms && slot->kill_ms < next)
            next = slot->kill_ms;
    }
    return next;
}

static void wait_and_hear(struct supervisor *supervisor)
{
    struct pollfd polls[SLOT_LIMIT + 1] = {{supervisor->signal_fd, POLLIN, 0}};
    size_t count = supervisor->slots.count;
    for (size_t i = 0; i < count; i++)
        polls[i + 1] = (struct pollfd){supervisor->slots.rows[i].fd, POLLIN, 0};
    int64_t due_ms = next_ms(supervisor), now_ms = instant_steady_ms();
    int64_t wait_ms = due_ms == INT64_MAX ? -1 : due_ms > now_ms ? due_ms - now_ms : 0;
    log_flush();
    if (poll(polls, count + 1, wait_ms > 60000 ? 60000 : (int)wait_ms) <= 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (polls[i + 1].revents)
            hear(supervisor, &supervisor->slots.rows[i]);
    if (polls[0].revents)
        take_signals(supervisor);
}

static void serve(struct supervisor *supervisor)
{
    for (;;) {
        notify_watchdog(&supervisor->notify, instant_steady_ms());
        if (supervisor->phase == PHASE_SERVING)
            step_slots(supervisor);
        step_reload(supervisor);
        if (step_stop(supervisor))
            return;
        wait_and_hear(supervisor);
    }
}

/* --- From start to end ------------------------------------------------------------------------ */

static bool watch_signals(struct supervisor *supervisor, struct error *err)
{
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGHUP);
    sigaddset(&watched, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    supervisor->signal_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    return supervisor->signal_fd >= 0 || error_set(err, errno, "watch signals");
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("descriptor-limit", LOG_TEXT("reason", strerror(errno)));
}

static bool prepare(struct supervisor *supervisor, struct error *err)
{
    raise_descriptors();
    if (!watch_signals(supervisor, err) ||
        !ground_open(&supervisor->ground, supervisor->config, err) ||
        !ports_open(&supervisor->ports, supervisor->config, &supervisor->inherited, err))
        return false;
    inherited_done(&supervisor->inherited);
    supervisor->slots.token_fd = token_make(err);
    return supervisor->slots.token_fd >= 0;
}

static void clean_up(struct supervisor *supervisor)
{
    ports_close(&supervisor->ports, supervisor->config);
    ground_close(&supervisor->ground);
    const int fds[] = {supervisor->signal_fd, supervisor->slots.token_fd,
                       supervisor->slots.text_fd};
    for (size_t i = 0; i < COUNT(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    buf_done(&supervisor->reload.problems);
    config_free(supervisor->config);
    free(supervisor);
}

int supervisor_run(const char *config_path)
{
    struct buf problems;
    struct error err;
    struct inherited inherited;
    struct notify notify;
    int text_fd = -1;
    inherited_init(&inherited);
    notify_init(&notify);
    buf_init(&problems, IPC_PAYLOAD_LIMIT);
    struct config *config = load(config_path, &text_fd, &problems);
    if (!config) {
        fprintf(stderr, "%.*s", BYTES_ARGS(buf_view(&problems)));
        tell_failed(&notify, buf_view(&problems));
        buf_done(&problems);
        return EX_CONFIG;
    }
    log_init("supervisor", config->log_level, config->log_format);
    trust_warn(config);
    struct supervisor *supervisor = NEW(struct supervisor);
    supervisor->config_path = config_path;
    supervisor->config = config;
    supervisor->notify = notify;
    supervisor->inherited = inherited;
    supervisor->signal_fd = -1;
    supervisor->ground.lock_fd = -1;
    supervisor->ports = (struct ports){.mailbox = -1, .control = -1};
    supervisor->reload.problems = problems;
    slots_init(&supervisor->slots, config);
    supervisor->slots.text_fd = text_fd;
    supervisor->slots.ports = &supervisor->ports;
    supervisor->slots.ground = &supervisor->ground;
    bool is_good = prepare(supervisor, &err);
    if (is_good) {
        serve(supervisor);
        is_good = !supervisor->cannot_start;
        log_info("stopped", LOG_INT("pid", getpid()));
    } else {
        log_error("start-failed", LOG_TEXT("reason", err.text));
        tell_failed(&supervisor->notify, bytes_of(err.text));
    }
    clean_up(supervisor);
    return is_good ? 0 : 1;
}
