#include "daemon/orders.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

/* What of a configuration's problems fits a packet. */
enum { PROBLEMS_LIMIT = 32768 };

struct orders {
    struct child *child;
    const struct orders_events *events;
    void *context;
    struct watch *watch;
    struct config *next; /* came, waits for IPC_RELOAD; NULL: none or a bad one */
    struct buf problems;
    uint8_t packet[IPC_PAYLOAD_LIMIT];
};

static void take_config(struct orders *orders, const struct ipc_message *message)
{
    config_free(orders->next);
    buf_clear(&orders->problems);
    orders->next = child_config(message, &orders->problems);
}

static void reload(struct orders *orders)
{
    struct config *config = orders->next;
    orders->next = NULL;
    if (config) {
        log_init(orders->child->name, config->log_level, config->log_format);
        journal_set(orders->child->journal, &config->trace);
        orders->events->reload(orders->context, config);
    }
    /* Only now: who is told that it is done relies on it. */
    struct ipc_message done = {
        .type = IPC_RELOADED, .payload = buf_view(&orders->problems), .fd = -1};
    struct error err;
    if (!ipc_send(watch_fd(orders->watch), &done, &err))
        log_warning("ipc-error", LOG_TEXT("reason", err.text));
}

static void obey(struct orders *orders, struct ipc_message *message)
{
    switch (message->type) {
    case IPC_CONFIG: take_config(orders, message); break;
    case IPC_RELOAD: reload(orders); break;
    case IPC_STOP: orders->events->stop(orders->context); break;
    case IPC_PEER:
        if (orders->events->peer && message->fd >= 0) {
            orders->events->peer(orders->context, message->fd);
            message->fd = -1;
        }
        break;
    case IPC_KEEPER:
        if (orders->events->keeper && message->fd >= 0) {
            orders->events->keeper(orders->context, message->fd);
            message->fd = -1;
        }
        break;
    case IPC_SECRET:
        if (orders->events->secret) {
            orders->events->secret(orders->context, message->payload, message->fd,
                                   (int)message->number);
            message->fd = -1;
        }
        break;
    case IPC_CERTIFICATE:
        if (orders->next)
            config_set_certificate(orders->next, message->number, message->payload);
        break;
    /* Part of the hand-over before this, or not for children. */
    case IPC_LISTENER:
    case IPC_TOKEN:
    case IPC_START:
    case IPC_READY:
    case IPC_RELOADED:
    case IPC_REQUEST:
    case IPC_REPLY:
    case IPC_REPLY_END:
    case IPC_DIRECTORY: break;
    }
    if (message->fd >= 0)
        close(message->fd);
}

static void on_ready(void *context, unsigned events)
{
    struct orders *orders = context;
    struct ipc_message message;
    struct error err;
    for (;;) {
        switch (ipc_receive(watch_fd(orders->watch), orders->packet, &message, &err)) {
        case IPC_GOT: obey(orders, &message); continue;
        case IPC_AGAIN: return;
        case IPC_BROKEN: log_warning("ipc-error", LOG_TEXT("reason", err.text)); continue;
        case IPC_GONE:
            watch_want(orders->watch, 0);
            orders->events->gone(orders->context);
            return;
        }
    }
}

struct orders *orders_open(struct loop *loop, struct child *child,
                           const struct orders_events *events, void *context, struct error *err)
{
    struct orders *orders = NEW(struct orders);
    orders->child = child;
    orders->events = events;
    orders->context = context;
    buf_init(&orders->problems, PROBLEMS_LIMIT);
    orders->watch = watch_open(loop, child->supervisor_fd, on_ready, orders, err);
    if (!orders->watch) {
        free(orders);
        return NULL;
    }
    watch_want(orders->watch, WATCH_READ);
    return orders;
}

void orders_close(struct orders *orders_owned)
{
    if (!orders_owned)
        return;
    watch_close(orders_owned->watch);
    config_free(orders_owned->next);
    buf_done(&orders_owned->problems);
    free(orders_owned);
}
