/* The control process's clients: one request each. */
#include "daemon/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/instant.h"
#include "base/memory.h"

enum {
    REQUEST_LIMIT = 16 << 10,     /* bytes of a request's line */
    REPLY_LIMIT_BYTES = 32 << 20, /* of one worker's reply to one request */
    OUT_LIMIT = 64 << 20,
    OUT_MARK = 256 << 10, /* with more than this unsent the next page is not asked for */
    IDLE_LIMIT_MS = 60 * 1000,
    WORKER_LIMIT_MS = 30 * 1000, /* a worker that does not answer within this is left out */
};

enum client_state {
    CLIENT_READING, /* the request */
    CLIENT_ASKING,  /* its worker: waits for the reply with its serial */
    CLIENT_PAGING,  /* waits until its peer has read, then asks on */
    CLIENT_WAITING, /* for the supervisor */
    CLIENT_LEAVING, /* sends what is left, then closes */
};

struct client {
    struct list link;
    struct control *control;
    struct watch *watch;
    struct timer timer;
    enum client_state state;
    struct buf in, out, reply;
    json_t *request;
    unsigned worker; /* asked now */
    uint32_t serial;
    json_int_t count, matched;
    json_t *stats;
};

static void client_free(struct client *client)
{
    list_remove(&client->link);
    client->control->client_count--;
    timer_clear(&client->timer);
    watch_close(client->watch);
    buf_done(&client->in);
    buf_done(&client->out);
    buf_done(&client->reply);
    json_decref(client->request);
    json_decref(client->stats);
    free(client);
}

static void set_timer(struct client *client, int64_t wait_ms)
{
    timer_set(&client->timer, loop_now_ms(client->control->loop) + wait_ms);
}

/* --- Output ----------------------------------------------------------------------------------- */

static void add_line(struct client *client, const char *key, json_t *value)
{
    json_t *line = json_pack("{s:O}", key, value);
    char *text = json_dumps(line, JSON_COMPACT);
    ASSERT(text);
    buf_addf(&client->out, "%s\n", text);
    free(text);
    json_decref(line);
}

static void add_text_line(struct client *client, const char *key, const char *text)
{
    json_t *value = json_string(text);
    add_line(client, key, value);
    json_decref(value);
}

static void finish(struct client *client)
{
    json_t *last =
        json_pack("{s:b,s:I,s:I}", "done", 1, "count", client->count, "matched", client->matched);
    if (client->stats)
        json_object_set(last, "stats", client->stats);
    char *text = json_dumps(last, JSON_COMPACT);
    ASSERT(text);
    buf_addf(&client->out, "%s\n", text);
    free(text);
    json_decref(last);
    client->state = CLIENT_LEAVING;
}

static void fail(struct client *client, const char *problem)
{
    add_text_line(client, "error", problem);
    client->state = CLIENT_LEAVING;
}

/* --- Workers' replies ----------------------------------------------------------------------------
 */

static void ask_next(struct client *client);

/* Without this worker. */
static void skip_worker(struct client *client)
{
    char name[16];
    snprintf(name, sizeof name, "worker-%u", client->worker);
    add_text_line(client, "missing", name);
    client->serial = 0;
    client->worker++;
    json_object_del(client->request, "after");
    client->state = CLIENT_PAGING;
}

static void ask(struct client *client)
{
    char *text = json_dumps(client->request, JSON_COMPACT);
    ASSERT(text);
    buf_clear(&client->reply);
    client->serial = control_ask(client->control, client->worker, bytes_of(text));
    free(text);
    client->state = CLIENT_ASKING;
    if (client->serial)
        set_timer(client, WORKER_LIMIT_MS);
    else
        skip_worker(client);
}

/* As long as the peer reads, on to the next page or worker. */
static void ask_next(struct client *client)
{
    const struct control_worker *workers = client->control->workers;
    while (client->state == CLIENT_PAGING && client->out.len <= OUT_MARK) {
        if (client->worker >= CONFIG_WORKER_LIMIT)
            finish(client);
        else if (!workers[client->worker].is_expected)
            client->worker++;
        else
            ask(client);
    }
}

static void add_stats(struct client *client, json_t *stats)
{
    const char *name;
    json_t *value;
    if (!client->stats)
        client->stats = json_object();
    json_object_foreach(stats, name, value)
    {
        json_int_t sum = json_integer_value(json_object_get(client->stats, name));
        json_int_t more = json_integer_value(value);
        bool is_instant = strcmp(name, "oldest_ms") == 0;
        if (is_instant)
            sum = sum && (!more || sum < more) ? sum : more;
        else
            sum += more;
        json_object_set_new(client->stats, name, json_integer(sum));
    }
}

/* One worker's reply is complete. */
static void take_reply(struct client *client)
{
    json_t *reply = json_loadb((const char *)client->reply.at, client->reply.len, 0, NULL);
    json_t *messages = json_object_get(reply, "messages");
    const char *problem = json_string_value(json_object_get(reply, "error"));
    size_t i;
    json_t *message, *after;
    client->serial = 0;
    if (!reply || problem || client->reply.overflowed) {
        fail(client, problem ? problem : "a worker's answer cannot be read");
        json_decref(reply);
        return;
    }
    json_array_foreach(messages, i, message) add_line(client, "message", message);
    client->matched += json_integer_value(json_object_get(reply, "matched"));
    client->count += json_integer_value(json_object_get(reply, "count"));
    if (json_object_get(reply, "stats"))
        add_stats(client, json_object_get(reply, "stats"));
    after = json_object_get(reply, "after");
    if (after && json_is_true(json_object_get(reply, "more"))) {
        json_object_set(client->request, "after", after);
    } else {
        json_object_del(client->request, "after");
        client->worker++;
    }
    json_decref(reply);
    client->state = CLIENT_PAGING;
}

/* --- Requests --------------------------------------------------------------------------------- */

static void begin(struct client *client)
{
    const char *name = json_string_value(json_object_get(client->request, "do"));
    if (!name) {
        fail(client, "the request is no JSON object with \"do\"");
    } else if (strcmp(name, "reload") == 0 || strcmp(name, "stop") == 0) {
        bool is_stop = name[0] == 's';
        client->state = CLIENT_WAITING;
        if (!control_tell(client->control, is_stop ? IPC_STOP : IPC_RELOAD))
            fail(client, "the server is stopping");
        else if (is_stop)
            buf_addf(&client->out, "{\"done\":true}\n");
        timer_clear(&client->timer);
    } else {
        json_object_set_new(client->request, "since", json_integer(instant_now_ms()));
        client->state = CLIENT_PAGING;
    }
}

static void take_request(struct client *client)
{
    struct bytes line, rest;
    if (client->state != CLIENT_READING)
        return;
    if (!bytes_cut(buf_view(&client->in), '\n', &line, &rest)) {
        if (client->in.overflowed || client->in.len >= REQUEST_LIMIT)
            fail(client, "the request is too long");
        return;
    }
    client->request = json_loadb((const char *)line.at, line.len, JSON_REJECT_DUPLICATES, NULL);
    begin(client);
}

/* --- The connection -----------------------------------------------------------------------------
 */

/* False: the peer is gone. */
static bool send_out(struct client *client)
{
    while (client->out.len) {
        ssize_t sent = send(watch_fd(client->watch), client->out.at, client->out.len,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        buf_drop(&client->out, (size_t)sent);
        if (client->state != CLIENT_WAITING && client->state != CLIENT_ASKING)
            set_timer(client, IDLE_LIMIT_MS);
    }
    return true;
}

/* False: the peer is gone. A peer that only reads may have shut its sending side. */
static bool read_in(struct client *client)
{
    uint8_t *room = buf_reserve(&client->in, REQUEST_LIMIT - client->in.len);
    if (client->state != CLIENT_READING || client->in.len >= REQUEST_LIMIT || !room) {
        uint8_t surplus[256];
        ssize_t got = recv(watch_fd(client->watch), surplus, sizeof surplus, MSG_DONTWAIT);
        return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
    }
    ssize_t got = recv(watch_fd(client->watch), room, REQUEST_LIMIT - client->in.len, MSG_DONTWAIT);
    if (got > 0)
        buf_grow(&client->in, (size_t)got);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Does what can be done now; frees the client at its end. */
static void settle(struct client *client, bool is_there)
{
    while (is_there && client->state == CLIENT_PAGING && client->out.len <= OUT_MARK) {
        ask_next(client);
        is_there = send_out(client);
    }
    is_there = is_there && send_out(client) && !client->out.overflowed;
    if (!is_there || (client->state == CLIENT_LEAVING && client->out.len == 0)) {
        client_free(client);
        return;
    }
    watch_want(client->watch, WATCH_READ | (client->out.len ? WATCH_WRITE : 0));
}

static void on_ready(void *context, unsigned events)
{
    struct client *client = context;
    bool is_there = !(events & WATCH_READ) || read_in(client);
    if (is_there)
        take_request(client);
    settle(client, is_there);
}

static void on_timer(void *context)
{
    struct client *client = context;
    bool is_asking = client->state == CLIENT_ASKING;
    if (is_asking)
        skip_worker(client);
    settle(client, is_asking);
}

void control_client_open(struct control *control, int fd_owned)
{
    struct error err;
    struct client *client = NEW(struct client);
    client->control = control;
    client->watch = watch_open(control->loop, fd_owned, on_ready, client, &err);
    if (!client->watch) {
        log_warning("accept-failed", LOG_TEXT("reason", err.text));
        free(client);
        return;
    }
    buf_init(&client->in, REQUEST_LIMIT);
    buf_init(&client->out, OUT_LIMIT);
    buf_init(&client->reply, REPLY_LIMIT_BYTES);
    timer_init(&client->timer, control->loop, on_timer, client);
    list_append(&control->clients, &client->link);
    control->client_count++;
    set_timer(client, IDLE_LIMIT_MS);
    watch_want(client->watch, WATCH_READ);
}

/* --- From outside -------------------------------------------------------------------------------
 */

void control_clients_reply(struct control *control, const struct ipc_message *message)
{
    if (message->type != IPC_REPLY && message->type != IPC_REPLY_END)
        return;
    LIST_EACH (&control->clients, struct client, link, client) {
        if (client->state != CLIENT_ASKING || client->serial != message->number)
            continue;
        buf_add(&client->reply, message->payload);
        if (message->type == IPC_REPLY)
            return;
        take_reply(client);
        settle(client, true);
        return;
    }
}

void control_clients_lose(struct control *control, unsigned worker)
{
    LIST_EACH (&control->clients, struct client, link, client)
        if (client->state == CLIENT_ASKING && client->worker == worker) {
            skip_worker(client);
            settle(client, true);
        }
}

void control_clients_reloaded(struct control *control, struct bytes problems)
{
    json_t *lines = json_array();
    struct bytes line;
    while (problems.len) {
        bytes_cut(problems, '\n', &line, &problems);
        json_array_append_new(lines, bytes_is_utf8(line)
                                         ? json_stringn((const char *)line.at, line.len)
                                         : json_string("a problem whose text is not UTF-8"));
    }
    json_t *last = json_pack("{s:b,s:o}", "done", 1, "problems", lines);
    char *text = json_dumps(last, JSON_COMPACT);
    ASSERT(text);
    LIST_EACH (&control->clients, struct client, link, client)
        if (client->state == CLIENT_WAITING && client->out.len == 0 &&
            strcmp(json_string_value(json_object_get(client->request, "do")), "reload") == 0) {
            buf_addf(&client->out, "%s\n", text);
            client->state = CLIENT_LEAVING;
            set_timer(client, IDLE_LIMIT_MS);
            settle(client, true);
        }
    free(text);
    json_decref(last);
}

void control_clients_close(struct control *control)
{
    LIST_EACH (&control->clients, struct client, link, client)
        client_free(client);
}
