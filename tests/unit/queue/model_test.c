/* The queue at random, under seeds: messages come, connections come and go, results, reports,
 * reloads, and crashes that leave what was saved. Held to: each recipient has one fate, is never
 * attempted after it, and whoever is to be told is told; a message is removed once, when all of
 * its recipients are done; and while there is one, something is always going to happen. */
#include <stdio.h>

#include "world.h"

#include "queue/queue_state.h"

enum { MESSAGES = 60, RECIPIENTS = 6, CONNECTIONS = 64, DOMAINS = 3, EVENTS = 600, SEEDS = 400 };

enum fate { FATE_OPEN, FATE_DELIVERED, FATE_FAILED };

struct fates {
    bool is_held;
    enum fate fate[RECIPIENTS];
    bool is_told[RECIPIENTS];
};

struct kept {
    struct envelope envelope;
    struct envelope_recipient recipients[RECIPIENTS];
    bool is_present, is_deleted, is_reporting;
    bool is_in_report[RECIPIENTS];
    struct fates now, saved; /* saved: what a crash goes back to */
    uint8_t *state;
    size_t state_len;
};

struct connection {
    struct lane *lane;
    bool is_opening;
    struct queue_delivery *delivery;
};

struct model {
    uint64_t random, seed;
    struct queue_settings settings;
    struct routes *routes[2];
    size_t routing;
    struct queue *queue;
    int64_t now_ms;
    struct kept kept[MESSAGES]; /* id - 1 */
    size_t count, removed;
    struct connection connections[CONNECTIONS];
    size_t connection_count;
    struct lane *asked[DOMAINS]; /* by QUEUE_RESOLVE, not answered yet */
    size_t asked_count;
    bool is_healed; /* all destinations answer, nothing else happens */
};

static const char *const addresses[] = {
    "u@a.example",     "u@also-a.example",    "u@b.example",         "u@local.example",
    "u@moves.example", "u@one.by-mx.example", "v@one.by-mx.example", "u@two.by-mx.example"};

static uint64_t dice(struct model *model, uint64_t sides)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % sides;
}

#define hold(model, condition)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("seed %llu: %s", (unsigned long long)(model)->seed, #condition);              \
    } while (0)

/* --- What the queue asks for -------------------------------------------------------------------
 */

static struct kept *find(struct model *model, uint64_t id)
{
    hold(model, id >= 1 && id <= model->count);
    struct kept *kept = &model->kept[id - 1];
    hold(model, kept->is_present);
    return kept;
}

static bool may_fail_unasked(const struct model *model, const struct kept *kept, size_t recipient)
{
    struct bytes address = kept->recipients[recipient].address;
    return model->now_ms >= kept->envelope.received_ms + model->settings.expire_ms ||
           (kept->envelope.by_mode == BY_RETURN && model->now_ms >= kept->envelope.by_ms) ||
           bytes_ends_nocase(address, BYTES("by-mx.example")) ||
           bytes_ends_nocase(address, BYTES("@moves.example"));
}

static void on_failed(struct model *model, const struct queue_task *task)
{
    struct kept *kept = find(model, task->id);
    size_t recipient = task->failure.recipient;
    hold(model, recipient < kept->envelope.recipient_count);
    hold(model, bytes_equal(task->failure.envelope->recipients[recipient].address,
                            kept->recipients[recipient].address));
    hold(model, task->failure.status.len > 0 && task->failure.reply.len > 0);
    hold(model, kept->now.fate[recipient] == FATE_OPEN);
    hold(model, may_fail_unasked(model, kept, recipient));
    kept->now.fate[recipient] = FATE_FAILED;
}

static void on_report(struct model *model, const struct queue_report *report)
{
    struct kept *kept = find(model, report->id);
    hold(model, !kept->is_reporting && kept->envelope.reverse_path.len > 0);
    hold(model, !kept->now.is_held);
    hold(model, report->recipient_count > 0);
    kept->is_reporting = true;
    memset(kept->is_in_report, 0, sizeof kept->is_in_report);
    for (size_t i = 0; i < report->recipient_count; i++) {
        const struct queue_report_recipient *each = &report->recipients[i];
        size_t recipient = (size_t)(each->recipient - report->envelope->recipients);
        uint8_t notify = each->recipient->notify;
        hold(model, recipient < kept->envelope.recipient_count);
        hold(model, !kept->now.is_told[recipient] && each->status.len > 0);
        kept->is_in_report[recipient] = true;
        if (each->outcome == DELIVERED) {
            hold(model, kept->now.fate[recipient] == FATE_DELIVERED && notify & NOTIFY_SUCCESS);
            continue;
        }
        hold(model, notify == 0 || notify & NOTIFY_FAILURE);
        hold(model, kept->now.fate[recipient] == FATE_FAILED);
    }
}

static bool is_active(const struct model *model, uint64_t id)
{
    for (size_t i = 0; i < model->connection_count; i++)
        if (model->connections[i].delivery && model->connections[i].delivery->id == id)
            return true;
    return false;
}

static void on_remove(struct model *model, uint64_t id)
{
    struct kept *kept = find(model, id);
    kept->is_present = false;
    model->removed++;
    for (size_t i = 0; i < kept->envelope.recipient_count && !kept->is_deleted; i++) {
        uint8_t notify = kept->recipients[i].notify;
        bool wants_failure = notify == 0 || notify & NOTIFY_FAILURE;
        hold(model, kept->now.fate[i] != FATE_OPEN);
        if (kept->now.fate[i] != FATE_DELIVERED && kept->envelope.reverse_path.len && wants_failure)
            hold(model, kept->now.is_told[i]);
    }
    hold(model, !is_active(model, id));
}

/* What is known of a message that nothing is being done for is saved. */
static void hold_saved(struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct kept *kept = &model->kept[i];
        if (!kept->is_present || kept->is_deleted || kept->is_reporting ||
            is_active(model, kept->envelope.id))
            continue;
        hold(model, kept->now.is_held == kept->saved.is_held);
        for (size_t j = 0; j < kept->envelope.recipient_count; j++) {
            hold(model, kept->now.is_told[j] == kept->saved.is_told[j]);
            hold(model, kept->now.fate[j] == kept->saved.fate[j]);
        }
    }
}

/* --- Inside ------------------------------------------------------------------------------------
 */

struct totals {
    size_t waiting, ready, active, held, open;
};

static void hold_message(struct model *model, const struct message *message, struct totals *totals)
{
    size_t active = 0;
    for (const struct delivery *each = &message->first; each; each = each->next) {
        size_t slots = 0;
        if (each->state == DELIVERY_UNUSED) {
            hold(model, each == &message->first);
            continue;
        }
        for (size_t i = 0; i < message->slot_count; i++)
            slots += message->slots[i].delivery == each;
        hold(model, each->message == message && (slots > 0 || each->state == DELIVERY_ACTIVE));
        hold(model, each->state != DELIVERY_NEW || message->flags & MESSAGE_HELD);
        hold(model, map_find(model->queue->lanes, each->lane->endpoint.name));
        totals->held += each->state == DELIVERY_NEW;
        totals->waiting += each->state == DELIVERY_WAITING;
        totals->ready += each->state == DELIVERY_READY;
        active += each->state == DELIVERY_ACTIVE;
    }
    for (size_t i = 0; i < message->slot_count; i++)
        totals->open += message->slots[i].state == SLOT_OPEN;
    for (size_t i = 0; i < message->slot_count; i++)
        hold(model, message->is_deleted || (message->slots[i].state == SLOT_OPEN) ==
                                               (message->slots[i].delivery != NULL));
    hold(model, active == message->active_count);
    totals->active += active;
}

static size_t length(const struct list *ring)
{
    size_t count = 0;
    for (const struct list *at = ring->next; at != ring; at = at->next)
        count++;
    return count;
}

static void hold_lane(struct model *model, struct lane *lane)
{
    size_t offered = 0, resolving = 0, turns = 0;
    hold(model, length(&lane->rows) == lane->row_count && lane->row_count <= lane->ready);
    hold(model, lane->ready <= lane->deliveries);
    hold(model, lane->connections >= lane->opening || lane_is_domain(lane));
    hold(model, !lane->is_suspended || lane->failure);
    hold(model, (rows_any(lane) != NULL) == (lane->ready > 0));
    hold(model, list_is_empty(&lane->linger) || lane->deliveries == 0);
    if (!lane_is_domain(lane)) {
        offered = lane->ready;
        turns = lane->ready > 0;
    }
    LIST_EACH (&lane->members, struct lane, member, member) {
        hold(model, member->site == lane && lane_is_domain(member));
        offered += member->ready;
        resolving += member->opening;
        turns += member->ready > 0;
    }
    hold(model, offered == lane->offered && resolving == lane->resolving);
    hold(model, (turns == 0) == list_is_empty(&lane->turns));
    /* Something is going to happen. */
    bool is_timed = lane->due.place != 0;
    bool may_rest = lane->ready == 0 || lane->opening > 0 || is_timed || lane->site;
    bool may_idle = lane->offered == 0 || lane->connections > 0 || lane->resolving > 0 ||
                    lane->due.place != 0 || lane->token.place != 0;
    hold(model, may_rest && may_idle);
    hold(model, !lane_is_fresh(lane, model->now_ms) || is_timed);
}

static void hold_whole(struct model *model)
{
    struct totals totals = {0};
    size_t deliveries = 0, place = 0;
    LIST_EACH (&model->queue->by_arrival, struct message, by_arrival, message)
        hold_message(model, message, &totals);
    for (void *value; map_next(model->queue->lanes, &place, &value);) {
        hold_lane(model, value);
        deliveries += ((struct lane *)value)->deliveries;
    }
    struct queue_stats stats = queue_stats(model->queue);
    hold(model, stats.deliveries_waiting == totals.waiting);
    hold(model, stats.deliveries_ready == totals.ready);
    hold(model, stats.deliveries_active == totals.active);
    hold(model, deliveries == totals.waiting + totals.ready + totals.active + totals.held);
    hold(model, stats.recipients_waiting >= totals.open);
    hold(model, length(&model->queue->lingering) == model->queue->lingering_count);
}

/* --- What the queue asks for, one after the other ----------------------------------------------
 */

static void pump(struct model *model)
{
    struct queue_task task;
    for (size_t tasks = 0;; tasks++) {
        hold(model, tasks < 1000);
        switch (queue_step(model->queue, model->now_ms, &task)) {
        case QUEUE_IDLE:
            if (queue_deadline(model->queue) <= model->now_ms)
                continue;
            hold_saved(model);
            hold_whole(model);
            return;
        case QUEUE_RESOLVE:
            hold(model, model->asked_count < DOMAINS);
            model->asked[model->asked_count++] = task.lane;
            continue;
        case QUEUE_CONNECT:
            hold(model, model->connection_count < CONNECTIONS);
            model->connections[model->connection_count++] =
                (struct connection){.lane = task.lane, .is_opening = true};
            continue;
        case QUEUE_FAILED: on_failed(model, &task); continue;
        case QUEUE_SAVE: {
            struct kept *kept = find(model, task.id);
            free(kept->state);
            kept->state = malloc(task.state.len);
            assert_non_null(kept->state);
            memcpy(kept->state, task.state.at, task.state.len);
            kept->state_len = task.state.len;
            kept->saved = kept->now;
            continue;
        }
        case QUEUE_REPORT: on_report(model, task.report); continue;
        case QUEUE_REMOVE: on_remove(model, task.id); continue;
        }
    }
}

/* --- What happens ------------------------------------------------------------------------------
 */

static void add_message(struct model *model)
{
    static const uint8_t notifies[] = {0, 0, NOTIFY_NEVER, NOTIFY_SUCCESS | NOTIFY_FAILURE,
                                       NOTIFY_FAILURE};
    static const char *const senders[] = {"", "s@example.org", "t+1@example.org",
                                          "t+2@example.org"};
    if (model->count == MESSAGES)
        return;
    struct kept *kept = &model->kept[model->count++];
    kept->is_present = true;
    kept->envelope = (struct envelope){
        .id = model->count,
        .received_ms = model->now_ms,
        .reverse_path = bytes_of(senders[dice(model, COUNT(senders))]),
        .recipients = kept->recipients,
        .recipient_count = 1 + dice(model, RECIPIENTS),
    };
    if (dice(model, 10) == 0)
        kept->envelope.hold_until_ms = model->now_ms + (int64_t)dice(model, 10) * HOUR_MS;
    if (dice(model, 10) == 0) {
        kept->envelope.by_mode = BY_RETURN;
        kept->envelope.by_ms = model->now_ms + (int64_t)dice(model, 3) * HOUR_MS;
    }
    for (size_t i = 0; i < kept->envelope.recipient_count; i++)
        kept->recipients[i] = (struct envelope_recipient){
            .address = bytes_of(addresses[dice(model, COUNT(addresses))]),
            .notify = notifies[dice(model, COUNT(notifies))]};
    assert_true(queue_add(model->queue, &kept->envelope, model->now_ms));
}

static void close_connection(struct model *model, size_t at, bool has_failed)
{
    struct connection *connection = &model->connections[at];
    struct delivery_result failure = {
        .outcome = DEFERRED, .status = "4.4.1", .reply = BYTES("no answer")};
    queue_disconnected(model->queue, connection->lane, has_failed ? &failure : NULL, model->now_ms);
    *connection = model->connections[--model->connection_count];
}

static void take(struct model *model, struct connection *connection)
{
    connection->delivery =
        queue_take(model->queue, connection->lane, 1 + dice(model, 4), model->now_ms);
    if (!connection->delivery)
        return;
    struct kept *kept = find(model, connection->delivery->id);
    hold(model, !kept->is_deleted && connection->delivery->recipient_count > 0);
    hold(model, !kept->now.is_held);
    for (size_t i = 0; i < connection->delivery->recipient_count; i++)
        hold(model, kept->now.fate[connection->delivery->recipients[i]] == FATE_OPEN);
}

static void some_results(struct model *model, struct connection *connection)
{
    struct queue_delivery *delivery = connection->delivery;
    struct kept *kept = find(model, delivery->id);
    for (size_t i = 0; i < delivery->recipient_count; i++) {
        size_t recipient = delivery->recipients[i];
        uint64_t sides = dice(model, model->is_healed ? 2 : 5);
        if (sides > 2 || kept->now.fate[recipient] != FATE_OPEN)
            continue;
        struct delivery_result result = {.recipient = recipient,
                                         .outcome = sides == 0   ? DELIVERED
                                                    : sides == 1 ? FAILED
                                                                 : DEFERRED,
                                         .reply = BYTES("said so"),
                                         .has_dsn = dice(model, 2)};
        if (result.outcome != DEFERRED)
            kept->now.fate[recipient] = result.outcome == DELIVERED ? FATE_DELIVERED : FATE_FAILED;
        queue_result(model->queue, delivery, &result, model->now_ms);
    }
}

static void drive_connection(struct model *model)
{
    if (model->connection_count == 0)
        return;
    size_t at = dice(model, model->connection_count);
    struct connection *connection = &model->connections[at];
    if (connection->is_opening) {
        if (!model->is_healed && dice(model, 2)) {
            close_connection(model, at, dice(model, 8));
            return;
        }
        connection->is_opening = false;
        queue_connected(model->queue, connection->lane, model->now_ms);
    } else if (connection->delivery) {
        some_results(model, connection);
        if (!model->is_healed && dice(model, 2))
            return;
        if (!model->is_healed && dice(model, 6) == 0)
            queue_put_back(model->queue, connection->delivery, model->now_ms);
        else
            queue_finish(model->queue, connection->delivery, model->now_ms);
        connection->delivery = NULL;
    } else if (!model->is_healed && dice(model, 6) == 0) {
        close_connection(model, at, false);
    } else {
        take(model, connection);
    }
}

static void answer(struct model *model)
{
    static const struct mx_host hosts[] = {{BYTES_INIT("mx1.example"), 10},
                                           {BYTES_INIT("mx2.example"), 20}};
    if (model->asked_count == 0)
        return;
    size_t at = dice(model, model->asked_count), first = dice(model, 2);
    struct lane *lane = model->asked[at];
    struct mx_result result = {.hosts = &hosts[first],
                               .host_count = 1 + dice(model, 2 - first),
                               .ttl_ms = (int64_t)dice(model, 2 * MX_TTL_LEAST_MS),
                               .status = "4.4.3",
                               .reason = BYTES("the DNS said so")};
    enum mx_outcome outcome = MX_FOUND;
    if (!model->is_healed && dice(model, 3) == 0)
        outcome = dice(model, 2) ? MX_FAILED : MX_DEFERRED;
    model->asked[at] = model->asked[--model->asked_count];
    queue_resolved(model->queue, lane, outcome, &result, model->now_ms);
}

static void end_a_report(struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        struct kept *kept = &model->kept[i];
        if (!kept->is_reporting || (!model->is_healed && dice(model, 3)))
            continue;
        bool was_stored = model->is_healed || dice(model, 2);
        kept->is_reporting = false;
        for (size_t j = 0; j < RECIPIENTS && was_stored; j++)
            kept->now.is_told[j] |= kept->is_in_report[j];
        queue_reported(model->queue, kept->envelope.id, was_stored, model->now_ms);
        return;
    }
}

static void crash(struct model *model)
{
    queue_free(model->queue);
    model->queue = queue_new(&model->settings, model->routes[model->routing]);
    model->connection_count = model->asked_count = 0;
    size_t start = model->count ? dice(model, model->count) : 0;
    for (size_t i = 0; i < model->count; i++) {
        struct kept *kept = &model->kept[(start + i * 7) % model->count];
        if (model->count % 7 == 0)
            kept = &model->kept[i];
        if (!kept->is_present)
            continue;
        kept->now = kept->saved;
        kept->is_reporting = kept->is_deleted = false;
        assert_true(queue_restore(model->queue, &kept->envelope,
                                  (struct bytes){kept->state, kept->state_len}, model->now_ms));
    }
}

static void operate(struct model *model, uint64_t id)
{
    struct bytes lane = dice(model, 2) ? BYTES("SMTP://b:25") : BYTES_NONE;
    struct kept *kept = model->count ? &model->kept[id - 1] : NULL;
    switch (dice(model, 3)) {
    case 0:
        if (queue_retry(model->queue, id, lane, model->now_ms, model->now_ms))
            hold(model, !kept->now.is_held);
        break;
    case 1:
        if (queue_hold(model->queue, id))
            kept->now.is_held = true;
        break;
    default:
        if (queue_release(model->queue, id, model->now_ms))
            kept->now.is_held = false;
    }
}

static void random_event(struct model *model)
{
    uint64_t id = model->count ? 1 + dice(model, model->count) : 1;
    switch (dice(model, 40)) {
    case 0:
    case 1:
    case 2: add_message(model); break;
    case 3: model->now_ms += (int64_t)dice(model, 600000); break;
    case 4: {
        int64_t deadline_ms = queue_deadline(model->queue);
        if (deadline_ms != INT64_MAX && deadline_ms > model->now_ms)
            model->now_ms = deadline_ms;
        break;
    }
    case 5:
    case 6: end_a_report(model); break;
    case 7: operate(model, id); break;
    case 8:
        if (dice(model, 4) == 0 && queue_delete(model->queue, id))
            model->kept[id - 1].is_deleted = true;
        break;
    case 9:
        if (dice(model, 3) == 0)
            crash(model);
        break;
    case 10: answer(model); break;
    case 11:
        if (dice(model, 2))
            break;
        model->routing ^= 1;
        queue_reload(model->queue, &model->settings, model->routes[model->routing], model->now_ms);
        break;
    default: drive_connection(model); break;
    }
}

/* Nothing new happens and all destinations answer: all that is left comes to its end. */
static void heal(struct model *model)
{
    model->is_healed = true;
    for (uint64_t id = 1; id <= model->count; id++)
        if (queue_release(model->queue, id, model->now_ms))
            model->kept[id - 1].now.is_held = false;
    hold(model, queue_stats(model->queue).held == 0);
    for (size_t turns = 0; model->removed < model->count; turns++) {
        hold(model, turns < 20000);
        pump(model);
        answer(model);
        end_a_report(model);
        for (size_t i = 0; i < model->connection_count; i++)
            drive_connection(model);
        pump(model);
        int64_t deadline_ms = queue_deadline(model->queue);
        hold(model, model->removed == model->count || deadline_ms < INT64_MAX ||
                        model->connection_count > 0 || model->asked_count > 0);
        if (deadline_ms < INT64_MAX && dice(model, 4) == 0)
            model->now_ms = deadline_ms;
    }
    struct queue_stats stats = queue_stats(model->queue);
    hold(model, stats.messages == 0 && stats.recipients_waiting == 0);
    hold(model, stats.deliveries_ready + stats.deliveries_waiting + stats.deliveries_active == 0);
    hold(model, stats.connections == model->connection_count);
    while (model->connection_count > 0)
        close_connection(model, 0, false);
    pump(model);
    stats = queue_stats(model->queue);
    hold(model, stats.lanes == 0 && stats.lanes_suspended == 0 && stats.connections == 0);
    while (model->asked_count > 0)
        answer(model);
    model->now_ms += MX_TTL_MOST_MS;
    pump(model);
    hold(model, map_count(model->queue->lanes) == 0);
    hold(model, table_count(model->queue->rows) + table_count(model->queue->shares) == 0);
}

static void run(uint64_t seed)
{
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    model->seed = seed;
    model->random = seed * 0x9e3779b97f4a7c15 + 1;
    model->now_ms = START_MS;
    model->settings =
        (struct queue_settings){.retry_first_ms = MINUTE_MS,
                                .retry_max_ms = HOUR_MS,
                                .expire_ms = 24 * HOUR_MS,
                                .lane_connections = 1 + dice(model, 5),
                                .rate = {.messages = (uint32_t)dice(model, 3), .period_ms = 1000},
                                .transaction_recipients = 1 + dice(model, 6),
                                .seed = seed};
    for (size_t i = 0; i < 2; i++) {
        model->routes[i] = routes_new(seed);
        world_route(model->routes[i], "a.example", "smtp://a:25");
        world_route(model->routes[i], "also-a.example", i ? "smtp://other:25" : "smtp://a:25");
        world_route(model->routes[i], "b.example", "smtp://b:25");
        world_route(model->routes[i], "local.example", "lmtp:unix:/run/lmtp");
    }
    world_route(model->routes[0], "moves.example", "smtp://b:25");
    model->queue = queue_new(&model->settings, model->routes[0]);
    for (size_t i = 0; i < EVENTS; i++) {
        random_event(model);
        if (dice(model, 3))
            pump(model);
    }
    heal(model);
    for (size_t i = 0; i < model->count; i++)
        free(model->kept[i].state);
    queue_free(model->queue);
    routes_free(model->routes[0]);
    routes_free(model->routes[1]);
    free(model);
}

static void random_lives(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
