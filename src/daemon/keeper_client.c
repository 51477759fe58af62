#include "daemon/keeper_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/table.h"
#include "daemon/ipc.h"

struct keeper_call {
    struct list link; /* of the client's unsent ones, or of those sent */
    struct keeper_client *client;
    uint32_t serial;
    struct timer deadline;
    keeper_done *done;
    void *context;
    size_t len; /* of the packet, while it is not sent; it is wiped then */
    uint8_t *packet;
};

struct keeper_client {
    struct loop *loop;
    struct watch *watch; /* NULL: no channel at the moment */
    struct list unsent, sent;
    struct table *by_serial; /* of those sent */
    uint32_t serial;
    struct buf scratch;
    keeper_directory *directory; /* NULL: nobody listens */
    void *directory_context;
    uint8_t packet[IPC_PAYLOAD_LIMIT];
};

static void forget_packet(struct keeper_call *call)
{
    if (!call->packet)
        return;
    OPENSSL_cleanse(call->packet, call->len);
    free(call->packet);
    call->packet = NULL;
}

static void release(struct keeper_call *call_owned)
{
    list_remove(&call_owned->link);
    (void)table_take(call_owned->client->by_serial, call_owned->serial);
    timer_clear(&call_owned->deadline);
    forget_packet(call_owned);
    free(call_owned);
}

static void answer(struct keeper_call *call_owned, const struct keeper_answer *answer)
{
    keeper_done *done = call_owned->done;
    void *context = call_owned->context;
    release(call_owned);
    done(context, answer);
}

static void fail(struct keeper_call *call_owned, const char *reason)
{
    answer(call_owned,
           &(struct keeper_answer){.status = KEEPER_UNAVAILABLE, .reason = bytes_of(reason)});
}

/* --- The channel ------------------------------------------------------------------------------ */

static void lose_channel(struct keeper_client *client)
{
    if (!client->watch)
        return;
    watch_close(client->watch);
    client->watch = NULL;
    /* Whoever is told may ask again at once, which goes to the other list. */
    for (struct keeper_call *call; (call = LIST_FIRST(&client->sent, struct keeper_call, link));)
        fail(call, "the keeper has ended, and is started again");
}

static void want(struct keeper_client *client)
{
    bool has_unsent = !list_is_empty(&client->unsent);
    watch_want(client->watch, WATCH_READ | (has_unsent ? WATCH_WRITE : 0U));
}

/* False: the channel takes no more now. */
static bool send_call(struct keeper_client *client, struct keeper_call *call)
{
    struct ipc_message message = {.type = IPC_REQUEST,
                                  .number = call->serial,
                                  .payload = {call->packet, call->len},
                                  .fd = -1};
    struct error err;
    /* That it is gone, reading will find: the call waits for the next channel. */
    if (!ipc_send(watch_fd(client->watch), &message, &err))
        return false;
    forget_packet(call);
    list_remove(&call->link);
    list_append(&client->sent, &call->link);
    (void)table_add(client->by_serial, call->serial, call);
    timer_set(&call->deadline, loop_now_ms(client->loop) + KEEPER_ANSWER_MS);
    return true;
}

static void send_unsent(struct keeper_client *client)
{
    for (struct keeper_call *call; (call = LIST_FIRST(&client->unsent, struct keeper_call, link));)
        if (!send_call(client, call))
            break;
    want(client);
}

static void take_answer(struct keeper_client *client, const struct ipc_message *message)
{
    struct keeper_answer found;
    struct keeper_call *call = table_find(client->by_serial, message->number);
    if (message->type == IPC_DIRECTORY && message->fd >= 0 && client->directory) {
        client->directory(client->directory_context, message->fd);
        return;
    }
    if (message->fd >= 0)
        close(message->fd);
    if (message->type != IPC_REPLY_END || !call)
        return; /* cancelled meanwhile */
    if (keeper_answer_scan(message->payload, &found))
        answer(call, &found);
    else
        fail(call, "the keeper's answer is none");
}

static void receive(struct keeper_client *client)
{
    struct ipc_message message;
    struct error err;
    while (client->watch) {
        switch (ipc_receive(watch_fd(client->watch), client->packet, &message, &err)) {
        case IPC_GOT:
            take_answer(client, &message);
            OPENSSL_cleanse(client->packet, message.payload.len);
            continue;
        case IPC_BROKEN: log_warning("ipc-error", LOG_TEXT("reason", err.text)); continue;
        case IPC_AGAIN: return;
        case IPC_GONE: lose_channel(client); return;
        }
    }
}

static void on_ready(void *context, unsigned events)
{
    struct keeper_client *client = context;
    if (events & WATCH_READ)
        receive(client);
    if (client->watch)
        send_unsent(client);
}

bool keeper_client_join(struct keeper_client *client, int fd_owned, struct error *err)
{
    lose_channel(client);
    client->watch = watch_open(client->loop, fd_owned, on_ready, client, err);
    if (!client->watch)
        return false;
    send_unsent(client);
    return true;
}

/* --- Questions -------------------------------------------------------------------------------- */

static void on_deadline(void *context)
{
    struct keeper_call *call = context;
    fail(call, call->packet ? "the keeper is not there" : "the keeper does not answer");
}

struct keeper_call *keeper_ask(struct keeper_client *client, const struct keeper_request *request,
                               keeper_done *done, void *context)
{
    if (!client)
        return NULL;
    struct keeper_call *call = NEW(struct keeper_call);
    call->client = client;
    call->serial = ++client->serial;
    call->done = done;
    call->context = context;
    timer_init(&call->deadline, client->loop, on_deadline, call);
    list_init(&call->link);
    buf_clear(&client->scratch);
    if (!keeper_request_print(&client->scratch, request)) {
        timer_set(&call->deadline, loop_now_ms(client->loop));
        return call;
    }
    call->len = client->scratch.len;
    call->packet = memory_new(call->len, 1);
    memcpy(call->packet, client->scratch.at, call->len);
    OPENSSL_cleanse(client->scratch.at, client->scratch.len);
    bool is_first = list_is_empty(&client->unsent);
    list_append(&client->unsent, &call->link);
    timer_set(&call->deadline, loop_now_ms(client->loop) + KEEPER_JOIN_MS);
    if (client->watch && (!is_first || !send_call(client, call)))
        want(client);
    return call;
}

void keeper_cancel(struct keeper_call *call_owned)
{
    if (call_owned)
        release(call_owned);
}

void keeper_client_listen(struct keeper_client *client, keeper_directory *directory, void *context)
{
    client->directory = directory;
    client->directory_context = context;
}

struct keeper_client *keeper_client_new(struct loop *loop)
{
    struct keeper_client *client = NEW(struct keeper_client);
    client->loop = loop;
    list_init(&client->unsent);
    list_init(&client->sent);
    client->by_serial = table_new(0);
    keeper_packet_init(&client->scratch);
    return client;
}

static void release_all(struct list *calls)
{
    for (struct keeper_call *call; (call = LIST_FIRST(calls, struct keeper_call, link));)
        release(call);
}

void keeper_client_free(struct keeper_client *client)
{
    if (!client)
        return;
    release_all(&client->unsent);
    release_all(&client->sent);
    if (client->watch)
        watch_close(client->watch);
    table_free(client->by_serial);
    keeper_packet_done(&client->scratch);
    free(client);
}
