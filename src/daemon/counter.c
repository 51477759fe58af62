#include "daemon/counter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/desk.h"
#include "daemon/ipc.h"

/* The control process asks for one page at a time; more than this unsent means it has stopped
 * reading, and the channel is not worth keeping. */
enum { UNSENT_LIMIT = 8 << 20 };

/* A reply that could not be sent yet. */
struct unsent {
    struct list link;
    enum ipc_type type;
    uint32_t serial;
    size_t len;
    uint8_t bytes[];
};

struct counter {
    struct worker *worker;
    struct watch *watch;
    struct list unsent;
    size_t unsent_bytes;
    uint32_t serial; /* of the request being answered */
    bool is_broken;
    uint8_t packet[IPC_PAYLOAD_LIMIT];
};

static void settle(struct counter *counter)
{
    bool has_unsent = !list_is_empty(&counter->unsent);
    watch_want(counter->watch,
               counter->is_broken ? 0U : WATCH_READ | (has_unsent ? WATCH_WRITE : 0U));
}

/* False: the channel takes no more now. */
static bool send_reply(struct counter *counter, enum ipc_type type, uint32_t serial,
                       struct bytes payload)
{
    struct ipc_message message = {.type = type, .number = serial, .payload = payload, .fd = -1};
    struct error err;
    if (counter->is_broken || ipc_send(watch_fd(counter->watch), &message, &err))
        return true;
    if (err.os == EAGAIN)
        return false;
    log_warning("ipc-error", LOG_TEXT("reason", err.text));
    counter->is_broken = true;
    return true;
}

static void on_reply(void *context, struct bytes chunk, bool is_last)
{
    struct counter *counter = context;
    enum ipc_type type = is_last ? IPC_REPLY_END : IPC_REPLY;
    if (list_is_empty(&counter->unsent) && send_reply(counter, type, counter->serial, chunk))
        return;
    if (counter->unsent_bytes > UNSENT_LIMIT) {
        counter->is_broken = true;
        return;
    }
    struct unsent *unsent = memory_new(1, sizeof *unsent + chunk.len);
    unsent->type = type;
    unsent->serial = counter->serial;
    unsent->len = chunk.len;
    if (chunk.len)
        memcpy(unsent->bytes, chunk.at, chunk.len);
    list_append(&counter->unsent, &unsent->link);
    counter->unsent_bytes += chunk.len;
}

static void send_unsent(struct counter *counter)
{
    LIST_EACH (&counter->unsent, struct unsent, link, unsent) {
        if (!send_reply(counter, unsent->type, unsent->serial,
                        (struct bytes){unsent->bytes, unsent->len}))
            return;
        list_remove(&unsent->link);
        counter->unsent_bytes -= unsent->len;
        free(unsent);
    }
}

static void answer(struct counter *counter, const struct ipc_message *request)
{
    struct worker *worker = counter->worker;
    struct spool_stats stats = spool_stats(worker->spool);
    counter->serial = request->number;
    desk_request(worker->queue, &stats, request->payload, loop_wall_ms(worker->loop), on_reply,
                 counter);
}

static void receive(struct counter *counter)
{
    struct ipc_message message;
    struct error err;
    while (!counter->is_broken) {
        switch (ipc_receive(watch_fd(counter->watch), counter->packet, &message, &err)) {
        case IPC_GOT:
            if (message.fd >= 0)
                close(message.fd);
            if (message.type == IPC_REQUEST)
                answer(counter, &message);
            continue;
        case IPC_BROKEN: log_warning("ipc-error", LOG_TEXT("reason", err.text)); continue;
        case IPC_AGAIN: return;
        /* The supervisor starts the control process again and sends a new channel. */
        case IPC_GONE: counter->is_broken = true; return;
        }
    }
}

static void on_ready(void *context, unsigned events)
{
    struct counter *counter = context;
    if (events & WATCH_WRITE)
        send_unsent(counter);
    if (events & WATCH_READ)
        receive(counter);
    settle(counter);
}

struct counter *counter_open(struct worker *worker, int fd_owned, struct error *err)
{
    struct counter *counter = NEW(struct counter);
    counter->worker = worker;
    list_init(&counter->unsent);
    counter->watch = watch_open(worker->loop, fd_owned, on_ready, counter, err);
    if (!counter->watch) {
        free(counter);
        return NULL;
    }
    settle(counter);
    return counter;
}

void counter_close(struct counter *counter_owned)
{
    if (!counter_owned)
        return;
    LIST_EACH (&counter_owned->unsent, struct unsent, link, unsent)
        free(unsent);
    watch_close(counter_owned->watch);
    free(counter_owned);
}
