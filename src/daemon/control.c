#include "daemon/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

/* --- Workers ---------------------------------------------------------------------------------- */

static void lose_worker(struct control_worker *worker)
{
    if (!worker->watch)
        return;
    watch_close(worker->watch);
    worker->watch = NULL;
    control_clients_lose(worker->control, worker->index);
}

static void on_worker(void *context, unsigned events)
{
    struct control_worker *worker = context;
    struct ipc_message message;
    struct error err;
    while (worker->watch) {
        switch (ipc_receive(watch_fd(worker->watch), worker->control->packet, &message, &err)) {
        case IPC_GOT:
            if (message.fd >= 0)
                close(message.fd);
            control_clients_reply(worker->control, &message);
            continue;
        case IPC_AGAIN: return;
        case IPC_GONE: lose_worker(worker); return;
        case IPC_BROKEN:
            log_error("ipc-broken", LOG_TEXT("reason", err.text));
            lose_worker(worker);
            return;
        }
    }
}

static void take_worker(struct control *control, unsigned index, int fd)
{
    struct error err;
    if (index >= CONFIG_WORKER_LIMIT || fd < 0)
        return;
    struct control_worker *worker = &control->workers[index];
    lose_worker(worker);
    worker->is_expected = true;
    worker->watch = watch_open(control->loop, fd, on_worker, worker, &err);
    if (worker->watch)
        watch_want(worker->watch, WATCH_READ);
    else
        log_error("peer-failed", LOG_TEXT("reason", err.text));
}

uint32_t control_ask(struct control *control, unsigned worker, struct bytes request)
{
    struct watch *watch = control->workers[worker].watch;
    struct error err;
    if (!watch)
        return 0;
    if (++control->serial == 0)
        control->serial = 1;
    struct ipc_message message = {
        .type = IPC_REQUEST, .number = control->serial, .payload = request, .fd = -1};
    if (ipc_send(watch_fd(watch), &message, &err))
        return control->serial;
    log_warning("ipc-error", LOG_TEXT("reason", err.text));
    return 0;
}

/* --- The supervisor --------------------------------------------------------------------------- */

bool control_tell(struct control *control, enum ipc_type type)
{
    struct error err;
    if (control->is_stopping)
        return false;
    if (ipc_send(watch_fd(control->supervisor), &(struct ipc_message){.type = type, .fd = -1},
                 &err))
        return true;
    log_warning("ipc-error", LOG_TEXT("reason", err.text));
    return false;
}

static void close_all(struct control *control)
{
    if (control->listener)
        watch_close(control->listener);
    if (control->supervisor)
        watch_close(control->supervisor);
    for (unsigned i = 0; i < CONFIG_WORKER_LIMIT; i++)
        if (control->workers[i].watch)
            watch_close(control->workers[i].watch);
    control_clients_close(control);
}

static void stop(struct control *control)
{
    if (control->is_stopping)
        return;
    control->is_stopping = true;
    close_all(control);
    loop_stop(control->loop);
}

/* The only thing that changes here is how to log. */
static void take_config(struct control *control, const struct ipc_message *message)
{
    struct buf problems;
    buf_init(&problems, IPC_PAYLOAD_LIMIT);
    struct config *config = child_config(message, &problems);
    if (config) {
        config_free(control->child->config);
        control->child->config = config;
        log_init(control->child->name, config->log_level, config->log_format);
        journal_set(control->child->journal, &config->trace);
    }
    buf_done(&problems);
}

static void obey(struct control *control, struct ipc_message *message)
{
    switch (message->type) {
    case IPC_CONFIG: take_config(control, message); break;
    case IPC_PEER:
        take_worker(control, message->number, message->fd);
        message->fd = -1;
        break;
    case IPC_RELOAD:
        if (!control_tell(control, IPC_RELOADED))
            stop(control);
        break;
    case IPC_RELOADED: control_clients_reloaded(control, message->payload); break;
    case IPC_STOP: stop(control); break;
    /* Part of the hand-over before this, or not for control. */
    case IPC_LISTENER:
    case IPC_TOKEN:
    case IPC_START:
    case IPC_READY:
    case IPC_REQUEST:
    case IPC_REPLY:
    case IPC_REPLY_END:
    case IPC_KEEPER:
    case IPC_SECRET:
    case IPC_CERTIFICATE:
    case IPC_DIRECTORY: break;
    }
    if (message->fd >= 0)
        close(message->fd);
}

static void on_supervisor(void *context, unsigned events)
{
    struct control *control = context;
    struct ipc_message message;
    struct error err;
    while (!control->is_stopping) {
        switch (ipc_receive(watch_fd(control->supervisor), control->packet, &message, &err)) {
        case IPC_GOT: obey(control, &message); continue;
        case IPC_AGAIN: return;
        case IPC_BROKEN: log_error("ipc-broken", LOG_TEXT("reason", err.text)); continue;
        case IPC_GONE: stop(control); return;
        }
    }
}

/* --- The socket ------------------------------------------------------------------------------- */

static void on_listener(void *context, unsigned events)
{
    struct control *control = context;
    while (control->client_count < CONTROL_CLIENT_LIMIT) {
        int fd = accept4(watch_fd(control->listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                log_warning("accept-failed", LOG_TEXT("reason", strerror(errno)));
            return;
        }
        control_client_open(control, fd);
    }
    /* Too many: the others wait in the backlog, where client_count wakes us (on_turn). */
    watch_want(control->listener, 0);
}

static void on_turn(void *context)
{
    struct control *control = context;
    if (!control->is_stopping && control->client_count < CONTROL_CLIENT_LIMIT)
        watch_want(control->listener, WATCH_READ);
    journal_flush(control->child->journal);
    log_flush();
}

static bool open_all(struct control *control, struct error *err)
{
    if (control->child->listener_count != 1)
        return error_set(err, 0, "no control socket was handed over");
    control->supervisor =
        watch_open(control->loop, control->child->supervisor_fd, on_supervisor, control, err);
    control->listener =
        watch_open(control->loop, control->child->listeners[0], on_listener, control, err);
    if (!control->supervisor || !control->listener)
        return false;
    watch_want(control->supervisor, WATCH_READ);
    watch_want(control->listener, WATCH_READ);
    loop_on_turn(control->loop, on_turn, control);
    return child_ready(control->child, err);
}

int control_main(struct child *child)
{
    struct error err;
    struct control *control = NEW(struct control);
    control->child = child;
    list_init(&control->clients);
    for (unsigned i = 0; i < CONFIG_WORKER_LIMIT; i++)
        control->workers[i] = (struct control_worker){
            .control = control, .index = i, .is_expected = i < child->config->workers};
    control->loop = loop_new(&err);
    bool is_good = control->loop && open_all(control, &err);
    if (is_good) {
        loop_run(control->loop);
    } else {
        log_error("start-failed", LOG_TEXT("reason", err.text));
        close_all(control);
    }
    loop_free(control->loop);
    config_free(child->config);
    child->config = NULL;
    free(control);
    return is_good ? 0 : 1;
}
