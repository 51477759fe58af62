#include "daemon/desk.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"

/* A page ends behind the message that passes this; one message may be larger than a page (10,000
 * recipients with long replies have 8 MiB). */
enum { PAGE_BYTES = 48 << 10, REPLY_LIMIT_BYTES = 32 << 20 };

static const char *const state_words[] = {
    [RECIPIENT_QUEUED] = "queued",     [RECIPIENT_ACTIVE] = "active",
    [RECIPIENT_DEFERRED] = "deferred", [RECIPIENT_DELIVERED] = "delivered",
    [RECIPIENT_FAILED] = "failed",
};

/* Replies of peers may hold any bytes; JSON holds text. */
static json_t *make_text(struct bytes text)
{
    if (bytes_is_utf8(text))
        return json_stringn(text.len ? (const char *)text.at : "", text.len);
    char *copy = memory_new(text.len + 1, 1);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = text.at[i] < 0x80 ? (char)text.at[i] : '?';
    json_t *result = json_stringn(copy, text.len);
    free(copy);
    return result;
}

static json_t *make_instant(int64_t instant_ms)
{
    uint8_t room[32];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    instant_print(&text, instant_ms);
    return make_text(buf_view(&text));
}

static json_t *make_id(uint64_t id)
{
    uint8_t room[ID_TEXT];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    id_print(&text, id);
    return make_text(buf_view(&text));
}

static json_t *make_recipient(const struct queue_entry_recipient *recipient, bool has_lane)
{
    json_t *result = json_object();
    json_object_set_new(result, "address", make_text(recipient->address));
    json_object_set_new(result, "status", json_string(state_words[recipient->state]));
    json_object_set_new(result, "attempts", json_integer(recipient->attempts));
    json_object_set_new(result, "next",
                        recipient->next_ms ? make_instant(recipient->next_ms) : json_null());
    json_object_set_new(result, "reply",
                        recipient->reply.len ? make_text(recipient->reply) : json_null());
    if (has_lane)
        json_object_set_new(result, "lane", make_text(recipient->lane));
    return result;
}

struct page {
    struct buf *out;
    bool has_lanes, has_more;
    size_t count;
};

static void add_json(struct buf *out, json_t *json_owned)
{
    char *text = json_dumps(json_owned, JSON_COMPACT);
    ASSERT(text);
    buf_add(out, bytes_of(text));
    free(text);
    json_decref(json_owned);
}

static bool add_entry(void *context, const struct queue_entry *entry)
{
    struct page *page = context;
    if (page->out->len >= PAGE_BYTES) {
        page->has_more = true;
        return false;
    }
    json_t *message = json_object();
    json_t *recipients = json_array();
    const struct envelope *envelope = entry->envelope;
    json_object_set_new(message, "id", make_id(entry->id));
    json_object_set_new(message, "from", make_text(envelope->reverse_path));
    json_object_set_new(message, "size", json_integer((json_int_t)envelope->size));
    json_object_set_new(message, "received", make_instant(envelope->received_ms));
    for (size_t i = 0; i < envelope->recipient_count; i++)
        json_array_append_new(recipients, make_recipient(&entry->recipients[i], page->has_lanes));
    json_object_set_new(message, "recipients", recipients);
    if (page->count++)
        buf_add_byte(page->out, ',');
    add_json(page->out, message);
    return true;
}

/* --- Requests --------------------------------------------------------------------------------- */

struct call {
    struct queue *queue;
    const struct spool_stats *stats;
    uint64_t id; /* 0: none given */
    int64_t wall_ms;
    struct buf *out;
};

static void do_list(const struct call *call)
{
    struct page page = {.out = call->out};
    buf_add(call->out, BYTES("{\"messages\":["));
    queue_list(call->queue, call->id, add_entry, &page);
    buf_addf(call->out, "],\"more\":%s}", page.has_more ? "true" : "false");
}

static void do_show(const struct call *call)
{
    struct page page = {.out = call->out, .has_lanes = true};
    buf_add(call->out, BYTES("{\"messages\":["));
    /* Not here: the list stays empty, another worker may have it. */
    bool is_here = queue_show(call->queue, call->id, add_entry, &page);
    buf_addf(call->out, "],\"more\":false,\"count\":%d}", is_here);
}

static void do_retry(const struct call *call)
{
    buf_addf(call->out, "{\"count\":%zu}", queue_retry(call->queue, call->id, call->wall_ms));
}

static void do_delete(const struct call *call)
{
    bool is_here = queue_delete(call->queue, call->id);
    /* The end of its story, which nothing else tells. */
    if (is_here)
        log_info("deleted", LOG_ID(call->id));
    buf_addf(call->out, "{\"count\":%d}", is_here);
}

static void do_stats(const struct call *call)
{
    struct queue_stats queue = queue_stats(call->queue);
    const struct spool_stats *spool = call->stats;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"messages", queue.messages},
        {"recipients_waiting", queue.recipients_waiting},
        {"deliveries_ready", queue.deliveries_ready},
        {"deliveries_waiting", queue.deliveries_waiting},
        {"deliveries_active", queue.deliveries_active},
        {"lanes", queue.lanes},
        {"lanes_suspended", queue.lanes_suspended},
        {"connections", queue.connections},
        {"delivered", queue.delivered},
        {"deferred", queue.deferred},
        {"failed", queue.failed},
        {"oldest_ms", (uint64_t)queue.oldest_ms},
        {"spool_messages", spool->messages},
        {"spool_live_bytes", spool->live_bytes},
        {"spool_segments", spool->segment_count},
        {"spool_free_segments", spool->free_segments},
        {"spool_batches", spool->batches},
        {"spool_appends", spool->appends},
    };
    json_t *stats = json_object();
    for (size_t i = 0; i < COUNT(rows); i++)
        json_object_set_new(stats, rows[i].name, json_integer((json_int_t)rows[i].value));
    buf_add(call->out, BYTES("{\"stats\":"));
    add_json(call->out, stats);
    buf_add_byte(call->out, '}');
}

static const struct {
    const char *name, *id_key;
    bool needs_id;
    void (*run)(const struct call *call);
} calls[] = {
    {"list", "after", false, do_list}, {"show", "id", true, do_show},
    {"retry", "id", false, do_retry},  {"delete", "id", true, do_delete},
    {"stats", NULL, false, do_stats},
};

/* Finds the call and its id. NULL, or what is wrong with the request. */
static const char *run(const json_t *request, struct call *call)
{
    const char *name = json_string_value(json_object_get(request, "do"));
    for (size_t i = 0; name && i < COUNT(calls); i++) {
        if (!bytes_equal(bytes_of(name), bytes_of(calls[i].name)))
            continue;
        const json_t *id = calls[i].id_key ? json_object_get(request, calls[i].id_key) : NULL;
        if (id && !id_scan(bytes_of(json_string_value(id)), &call->id))
            return "the id is none";
        if (calls[i].needs_id && call->id == 0)
            return "an id is needed";
        calls[i].run(call);
        return NULL;
    }
    return "no such request";
}

void desk_request(struct queue *queue, const struct spool_stats *stats, struct bytes request,
                  int64_t wall_ms, desk_reply *reply, void *context)
{
    struct buf out;
    struct call call = {.queue = queue, .stats = stats, .wall_ms = wall_ms, .out = &out};
    buf_init(&out, REPLY_LIMIT_BYTES);
    json_t *json = json_loadb((const char *)request.at, request.len, JSON_REJECT_DUPLICATES, NULL);
    const char *problem = run(json, &call);
    json_decref(json);
    if (out.overflowed) {
        buf_clear(&out);
        problem = "the reply is too long";
    }
    if (problem)
        buf_addf(&out, "{\"error\":\"%s\"}", problem);
    struct bytes rest = buf_view(&out);
    while (rest.len > DESK_CHUNK_LIMIT) {
        reply(context, bytes_sub(rest, 0, DESK_CHUNK_LIMIT), false);
        rest = bytes_from(rest, DESK_CHUNK_LIMIT);
    }
    reply(context, rest, true);
    buf_done(&out);
}
