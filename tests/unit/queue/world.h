/* A queue with routes, for the queue's tests: shorthands for messages, steps and results. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "queue/queue.h"

static const int64_t START_MS = 1790000000000, MINUTE_MS = 60000, HOUR_MS = 3600000;

enum { ADDRESS_LIMIT = 2000 };

struct world {
    struct queue_settings settings;
    struct routes *routes;
    struct queue *queue;
    int64_t now_ms;
    struct envelope envelope; /* for world_add; its recipients are cleared each time */
    struct envelope_recipient recipients[ADDRESS_LIMIT];
};

static inline void world_route(struct routes *routes, const char *pattern, const char *via)
{
    struct endpoint endpoint;
    struct error err;
    assert_true(endpoint_scan(bytes_of(via), &endpoint, &err));
    assert_true(routes_add(routes, bytes_of(pattern), &endpoint));
}

static inline struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->settings = (struct queue_settings){
        .hostname = BYTES("mx.example.org"),
        .retry_first_ms = 5 * MINUTE_MS,
        .retry_max_ms = HOUR_MS,
        .expire_ms = 120 * HOUR_MS,
        .lane_connections = 4,
        .connection_messages = 100,
        .transaction_recipients = 100,
        .seed = 1,
    };
    world->routes = routes_new(1);
    world_route(world->routes, "a.example", "smtp://a:25");
    world_route(world->routes, "also-a.example", "smtp://a:25");
    world_route(world->routes, "b.example", "smtp://b:25");
    world_route(world->routes, "local.example", "lmtp:unix:/run/lmtp");
    world->queue = queue_new(&world->settings, world->routes);
    world->now_ms = START_MS;
    world->envelope = (struct envelope){.received_ms = START_MS,
                                        .reverse_path = BYTES("sender@example.org"),
                                        .recipients = world->recipients,
                                        .size = 1000};
    return world;
}

static inline void world_free(struct world *world)
{
    queue_free(world->queue);
    routes_free(world->routes);
    free(world);
}

/* Recipients, from a text with spaces between them, with world->recipients[0].notify for all. */
static inline const struct envelope *world_envelope(struct world *world, uint64_t id,
                                                    const char *to)
{
    struct bytes rest = bytes_of(to), address;
    uint8_t notify = world->recipients[0].notify;
    size_t count = 0;
    for (bool has_more = rest.len > 0; has_more;) {
        has_more = bytes_cut(rest, ' ', &address, &rest);
        world->recipients[count++] =
            (struct envelope_recipient){.address = address, .notify = notify};
    }
    world->envelope.id = id;
    world->envelope.recipient_count = count;
    return &world->envelope;
}

static inline void world_add(struct world *world, uint64_t id, const char *to)
{
    assert_true(queue_add(world->queue, world_envelope(world, id, to), world->now_ms));
}

static inline enum queue_effect world_step(struct world *world, struct queue_task *task)
{
    enum queue_effect effect;
    size_t steps = 0;
    do
        effect = queue_step(world->queue, world->now_ms, task);
    while (effect == QUEUE_IDLE && queue_deadline(world->queue) <= world->now_ms &&
           ++steps < 100000);
    return effect;
}

#define expect_step(world, task, effect) assert_int_equal(world_step(world, task), effect)

/* Expects a QUEUE_CONNECT and greets. */
static inline struct lane *world_connect(struct world *world)
{
    struct queue_task task;
    expect_step(world, &task, QUEUE_CONNECT);
    queue_connected(world->queue, task.lane, world->now_ms);
    return task.lane;
}

/* Answers for a domain's lane: MX_FOUND with the hosts in the text ("10=mx1.example,20=…"), else
 * with the status and reason in it ("5.1.2 no such domain"). */
static inline void world_resolved(struct world *world, struct lane *lane, enum mx_outcome outcome,
                                  const char *text)
{
    struct mx_host hosts[MX_HOST_LIMIT];
    struct mx_result result = {.hosts = hosts, .ttl_ms = 10 * MINUTE_MS, .status = ""};
    struct bytes rest = bytes_of(text), item, number;
    char status[12] = "";
    if (outcome == MX_FOUND) {
        for (bool has_more = true; has_more;) {
            uint64_t preference;
            has_more = bytes_cut(rest, ',', &item, &rest);
            struct mx_host *host = &hosts[result.host_count++];
            bytes_cut(item, '=', &number, &host->name);
            assert_true(scan_u64(number, UINT16_MAX, &preference));
            host->preference = (uint16_t)preference;
        }
    } else {
        bytes_cut(rest, ' ', &item, &result.reason);
        memcpy(status, item.at, item.len);
        result.status = status;
    }
    queue_resolved(world->queue, lane, outcome, &result, world->now_ms);
}

/* Expects a QUEUE_RESOLVE for the domain and answers it. */
static inline struct lane *world_resolve(struct world *world, const char *domain,
                                         enum mx_outcome outcome, const char *text)
{
    struct queue_task task;
    expect_step(world, &task, QUEUE_RESOLVE);
    assert_true(bytes_equal(lane_endpoint(task.lane)->host, bytes_of(domain)));
    world_resolved(world, task.lane, outcome, text);
    return task.lane;
}

static inline void world_result(struct world *world, struct queue_delivery *delivery,
                                size_t recipient, enum delivery_outcome outcome, const char *reply)
{
    uint64_t code = 0;
    struct delivery_result result = {
        .recipient = recipient, .outcome = outcome, .reply = bytes_of(reply)};
    if (!scan_u64(bytes_sub(result.reply, 0, 3), 999, &code))
        code = 0;
    result.code = (int)code;
    memcpy(result.status,
           outcome == DELIVERED ? "2.0.0"
           : outcome == FAILED  ? "5.1.1"
                                : "4.3.0",
           6);
    queue_result(world->queue, delivery, &result, world->now_ms);
}

/* Takes the next delivery, gives all its recipients this fate, finishes it. The message's id. */
static inline uint64_t world_attempt(struct world *world, struct lane *lane,
                                     enum delivery_outcome outcome, const char *reply)
{
    struct queue_delivery *delivery = queue_take(world->queue, lane, SIZE_MAX, world->now_ms);
    assert_non_null(delivery);
    uint64_t id = delivery->id;
    for (size_t i = 0; i < delivery->recipient_count; i++)
        world_result(world, delivery, delivery->recipients[i], outcome, reply);
    queue_finish(world->queue, delivery, world->now_ms);
    return id;
}

static inline void world_fail_connection(struct world *world, struct lane *lane, const char *reason)
{
    struct delivery_result failure = {
        .outcome = DEFERRED, .status = "4.4.1", .reply = bytes_of(reason), .was_connection = true};
    queue_disconnected(world->queue, lane, &failure, world->now_ms);
}

/* The queue has given up this recipient. */
static inline void expect_failed(struct world *world, uint64_t id, const char *address,
                                 const char *status)
{
    struct queue_task task;
    expect_step(world, &task, QUEUE_FAILED);
    assert_int_equal(task.id, id);
    const struct envelope *envelope = task.failure.envelope;
    assert_true(
        bytes_equal(envelope->recipients[task.failure.recipient].address, bytes_of(address)));
    assert_true(bytes_equal(task.failure.status, bytes_of(status)));
    assert_true(task.failure.reply.len > 0);
}

static inline void expect_report(struct world *world, uint64_t id, const char *status,
                                 const char *reply)
{
    struct queue_task task;
    expect_step(world, &task, QUEUE_REPORT);
    assert_int_equal(task.report->id, id);
    assert_int_equal(task.report->recipient_count, 1);
    const struct queue_report_recipient *recipient = task.report->recipients;
    assert_true(bytes_equal(recipient->status, bytes_of(status)));
    assert_true(bytes_equal(recipient->reply, bytes_of(reply)));
    assert_true(bytes_equal(task.report->envelope->reverse_path, BYTES("sender@example.org")));
}

/* A listing's entry, as one copy of what the tests look at. */
struct seen {
    size_t count;
    uint64_t ids[100];
    enum recipient_state states[100]; /* of the last message */
    unsigned attempts[100];
    int64_t next_ms[100];
    char replies[100][200];
    char lanes[100][300];
};

static inline bool world_see(void *context, const struct queue_entry *entry)
{
    struct seen *seen = context;
    seen->ids[seen->count++] = entry->id;
    for (size_t i = 0; i < entry->envelope->recipient_count && i < 100; i++) {
        const struct queue_entry_recipient *recipient = &entry->recipients[i];
        seen->states[i] = recipient->state;
        seen->attempts[i] = recipient->attempts;
        seen->next_ms[i] = recipient->next_ms;
        size_t len = recipient->reply.len < 199 ? recipient->reply.len : 199;
        memset(seen->replies[i], 0, sizeof seen->replies[i]);
        if (len)
            memcpy(seen->replies[i], recipient->reply.at, len);
        assert_true(recipient->lane.len < 300);
        memset(seen->lanes[i], 0, sizeof seen->lanes[i]);
        if (recipient->lane.len)
            memcpy(seen->lanes[i], recipient->lane.at, recipient->lane.len);
        assert_true(bytes_equal(recipient->address, entry->envelope->recipients[i].address));
    }
    return seen->count < 100;
}

static inline struct seen world_show(struct world *world, uint64_t id)
{
    struct seen seen = {0};
    assert_true(queue_show(world->queue, id, world_see, &seen));
    return seen;
}
