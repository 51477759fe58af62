#include "daemon/desk.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "queue/select.h"

/* A page ends behind the message that passes this; one message may be larger than a page (10,000
 * recipients with long replies have 8 MiB). */
enum { PAGE_BYTES = 48 << 10, REPLY_LIMIT_BYTES = 32 << 20 };

/* Messages that one page looks at: some milliseconds. */
enum { PAGE_MESSAGES = 2000 };

static const char *const state_words[] = {
    [RECIPIENT_QUEUED] = "queued",     [RECIPIENT_ACTIVE] = "active",
    [RECIPIENT_DEFERRED] = "deferred", [RECIPIENT_DELIVERED] = "delivered",
    [RECIPIENT_FAILED] = "failed",     [RECIPIENT_HELD] = "held",
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

/* What a walk does with the messages that it comes to. */
struct page {
    struct buf *out;
    bool has_lanes;
    size_t count;
    uint64_t ids[PAGE_MESSAGES];
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
    if (page->out->len >= PAGE_BYTES)
        return false;
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
    const json_t *request;
    bool has_select;
    struct queue_select select;
    uint64_t id; /* 0: none given */
    uint64_t after;
    int64_t wall_ms, since_ms;
    struct buf *out;
};

static void end_page(const struct call *call, const struct queue_walk *walk, size_t matched,
                     size_t count)
{
    buf_addf(call->out, "\"matched\":%zu,\"count\":%zu,\"more\":%s,\"after\":\"", matched, count,
             walk->has_more ? "true" : "false");
    id_print(call->out, walk->after);
    buf_add(call->out, BYTES("\"}"));
}

static struct queue_walk walk_of(const struct call *call)
{
    return (struct queue_walk){
        .select = &call->select, .after = call->after, .limit = PAGE_MESSAGES};
}

static void do_list(const struct call *call)
{
    struct page page = {.out = call->out};
    struct queue_walk walk = walk_of(call);
    walk.needs_envelopes = true;
    buf_add(call->out, BYTES("{\"messages\":["));
    queue_walk(call->queue, &walk, call->wall_ms, add_entry, &page);
    buf_add(call->out, BYTES("],"));
    end_page(call, &walk, page.count, 0);
}

static void do_show(const struct call *call)
{
    struct page page = {.out = call->out, .has_lanes = true};
    buf_add(call->out, BYTES("{\"messages\":["));
    /* Not here: the list stays empty, another worker may have it. */
    bool is_here = queue_show(call->queue, call->id, add_entry, &page);
    buf_addf(call->out, "],\"more\":false,\"count\":%d}", is_here);
}

/* --- Doing ------------------------------------------------------------------------------------ */

static bool note_id(void *context, const struct queue_entry *entry)
{
    struct page *page = context;
    page->ids[page->count++] = entry->id;
    return true;
}

/* What the operator did is a part of a message's story, and nothing else tells it. (A retry shows
 * in its attempt.) */

static bool hold(const struct call *call, uint64_t id)
{
    if (!queue_hold(call->queue, id))
        return false;
    log_info("held", LOG_ID(id));
    return true;
}

static bool release(const struct call *call, uint64_t id)
{
    if (!queue_release(call->queue, id, call->wall_ms))
        return false;
    log_info("released", LOG_ID(id));
    return true;
}

static bool retry(const struct call *call, uint64_t id)
{
    return queue_retry(call->queue, id, call->select.lane, call->since_ms, call->wall_ms);
}

static bool drop(const struct call *call, uint64_t id)
{
    if (!queue_delete(call->queue, id))
        return false;
    log_info("deleted", LOG_ID(id));
    return true;
}

/* A dry run. */
static bool leave(const struct call *call, uint64_t id)
{
    return false;
}

static const struct {
    const char *name;
    bool (*act)(const struct call *call, uint64_t id);
} acts[] = {
    {"count", leave}, {"hold", hold}, {"release", release}, {"retry", retry}, {"delete", drop},
};

static size_t act_on(const struct call *call, size_t act, const uint64_t *ids, size_t count)
{
    size_t done = 0;
    for (size_t i = 0; i < count; i++)
        done += acts[act].act(call, ids[i]);
    return done;
}

static bool see_nothing(void *context, const struct queue_entry *entry)
{
    return true;
}

static void do_act(const struct call *call, size_t act)
{
    if (call->id) {
        bool is_here = queue_show(call->queue, call->id, see_nothing, NULL);
        size_t count = act_on(call, act, &call->id, 1);
        buf_addf(call->out, "{\"matched\":%d,\"count\":%zu}", is_here, count);
        return;
    }
    struct page *page = NEW(struct page);
    struct queue_walk walk = walk_of(call);
    queue_walk(call->queue, &walk, call->wall_ms, note_id, page);
    size_t count = act_on(call, act, page->ids, page->count);
    buf_add_byte(call->out, '{');
    end_page(call, &walk, page->count, count);
    free(page);
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
        {"held", queue.held},
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

/* --- Reading a request ------------------------------------------------------------------------ */

static struct bytes text_of(const json_t *value)
{
    return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static bool take_states(struct bytes word, unsigned *out)
{
    for (size_t i = 0; i < COUNT(state_words); i++)
        if (bytes_equal(word, bytes_of(state_words[i])))
            *out = 1U << i;
    return *out != 0;
}

/* One criterion. What is not understood is refused: to leave it out would select more. */
static bool take_criterion(struct queue_select *select, const char *name, const json_t *value)
{
    const struct {
        const char *name;
        struct bytes *text;
        int64_t *ms;
    } rows[] = {
        {"from", &select->from, NULL},
        {"to", &select->to, NULL},
        {"domain", &select->domain, NULL},
        {"reply", &select->reply, NULL},
        {"lane", &select->lane, NULL},
        {"older_ms", NULL, &select->older_ms},
        {"younger_ms", NULL, &select->younger_ms},
    };
    if (bytes_equal(bytes_of(name), BYTES("status")))
        return take_states(text_of(value), &select->states);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!bytes_equal(bytes_of(name), bytes_of(rows[i].name)))
            continue;
        if (rows[i].ms)
            return (*rows[i].ms = json_integer_value(value)) > 0;
        return (*rows[i].text = text_of(value)).len > 0;
    }
    return false;
}

static bool take_select(struct call *call)
{
    json_t *select = json_object_get(call->request, "select");
    const char *name;
    json_t *value;
    call->has_select = json_is_object(select);
    json_object_foreach(select, name, value)
    {
        if (!take_criterion(&call->select, name, value))
            return false;
    }
    return !select || call->has_select;
}

/* Absent is fine; 0 is no message's id. */
static bool take_id(const json_t *request, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(request, key);
    return !value || (id_scan(text_of(value), out) && *out);
}

static const struct {
    const char *name;
    bool needs_id, needs_select;
    void (*run)(const struct call *call);
} calls[] = {
    {"list", false, true, do_list},
    {"show", true, false, do_show},
    {"stats", false, false, do_stats},
};

/* Finds the call and runs it. NULL, or what is wrong with the request. */
static const char *run(struct call *call)
{
    struct bytes name = text_of(json_object_get(call->request, "do"));
    call->since_ms = json_integer_value(json_object_get(call->request, "since"));
    if (!take_id(call->request, "id", &call->id) || !take_id(call->request, "after", &call->after))
        return "the id is none";
    if (!take_select(call))
        return "the selection is none";
    for (size_t i = 0; i < COUNT(calls); i++) {
        if (!bytes_equal(name, bytes_of(calls[i].name)))
            continue;
        if (calls[i].needs_id && !call->id)
            return "an id is needed";
        if (calls[i].needs_select && !call->has_select)
            return "a selection is needed";
        calls[i].run(call);
        return NULL;
    }
    for (size_t i = 0; i < COUNT(acts); i++) {
        if (!bytes_equal(name, bytes_of(acts[i].name)))
            continue;
        if (!call->id == !call->has_select)
            return "an id or a selection is needed";
        do_act(call, i);
        return NULL;
    }
    return "no such request";
}

void desk_request(struct queue *queue, const struct spool_stats *stats, struct bytes request,
                  int64_t wall_ms, desk_reply *reply, void *context)
{
    struct buf out;
    buf_init(&out, REPLY_LIMIT_BYTES);
    json_t *json = json_loadb((const char *)request.at, request.len, JSON_REJECT_DUPLICATES, NULL);
    struct call call = {
        .queue = queue, .stats = stats, .request = json, .wall_ms = wall_ms, .out = &out};
    const char *problem = run(&call);
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
