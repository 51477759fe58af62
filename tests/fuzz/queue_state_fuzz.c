/* The state of a message: what is read is printed the same, and a queue restored with any bytes
 * goes on and comes to an end. The first byte is the number of recipients. */
#include <stdlib.h>

#include "base/memory.h"
#include "queue/queue_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECIPIENTS = 8 };

/* What was printed is read and printed as the same; instants lose their milliseconds once. */
static size_t print_again(struct outcomes *outcomes, struct bytes state, size_t count,
                          struct buf *printed)
{
    struct slot slots[RECIPIENTS] = {{0}};
    int64_t next_ms[RECIPIENTS];
    uint8_t flags = 0;
    bool is_good = state_scan(outcomes, state, &flags, slots, next_ms, count);
    if (is_good)
        state_print(printed, flags, slots, next_ms, count);
    for (size_t i = 0; i < count; i++) {
        ASSERT(is_good || (!slots[i].outcome && slots[i].state == SLOT_OPEN));
        outcome_leave(outcomes, slots[i].outcome);
    }
    return printed->len;
}

static void check_round_trip(struct bytes state, size_t count)
{
    struct outcomes outcomes;
    struct buf once, twice;
    outcomes_init(&outcomes, 1);
    buf_init(&once, SIZE_MAX);
    buf_init(&twice, SIZE_MAX);
    if (print_again(&outcomes, state, count, &once)) {
        print_again(&outcomes, buf_view(&once), count, &twice);
        ASSERT(once.len == state.len && bytes_equal(buf_view(&once), buf_view(&twice)));
    }
    ASSERT(table_count(outcomes.by_hash) == 0);
    outcomes_done(&outcomes);
    buf_done(&once);
    buf_done(&twice);
}

/* Every connection works, every delivery is answered alike, every report is stored. */
static bool drive(struct queue *queue, int64_t now_ms, enum delivery_outcome outcome)
{
    struct queue_task task;
    struct queue_delivery *delivery;
    switch (queue_step(queue, now_ms, &task)) {
    case QUEUE_IDLE: return false;
    case QUEUE_FAILED: ASSERT(task.failure.reply.len > 0); return true;
    case QUEUE_SAVE: return true;
    case QUEUE_REMOVE: return true;
    case QUEUE_REPORT: queue_reported(queue, task.report->id, true, now_ms); return true;
    case QUEUE_RESOLVE: {
        struct mx_host host = {BYTES("mx.nowhere.example"), 10};
        struct mx_result result = {.hosts = &host, .host_count = 1, .ttl_ms = now_ms, .status = ""};
        queue_resolved(queue, task.lane, outcome == DELIVERED ? MX_FOUND : MX_DEFERRED, &result,
                       now_ms);
        return true;
    }
    case QUEUE_CONNECT: break;
    }
    queue_connected(queue, task.lane, now_ms);
    while ((delivery = queue_take(queue, task.lane, 3, now_ms))) {
        for (size_t i = 0; i < delivery->recipient_count; i++) {
            struct delivery_result result = {.recipient = delivery->recipients[i],
                                             .outcome = outcome};
            queue_result(queue, delivery, &result, now_ms);
        }
        queue_finish(queue, delivery, now_ms);
    }
    queue_disconnected(queue, task.lane, NULL, now_ms);
    return true;
}

static void check_queue(struct bytes state, size_t count)
{
    struct envelope_recipient recipients[RECIPIENTS];
    for (size_t i = 0; i < count; i++)
        recipients[i] = (struct envelope_recipient){
            .address = i % 3 == 2 ? BYTES("u@nowhere.example") : BYTES("u@a.example"),
            .notify = i % 2 ? NOTIFY_SUCCESS | NOTIFY_FAILURE : 0};
    struct envelope envelope = {.id = 1,
                                .received_ms = 1000,
                                .reverse_path = BYTES("s@example.org"),
                                .recipients = recipients,
                                .recipient_count = count};
    struct queue_settings settings = {.retry_first_ms = 1000,
                                      .retry_max_ms = 9000,
                                      .expire_ms = 60000,
                                      .lane_connections = 2,
                                      .transaction_recipients = 2};
    struct routes *routes = routes_new(1);
    struct endpoint endpoint = {.host = BYTES("a"), .port = 25, .name = BYTES("smtp://a")};
    ASSERT(routes_add(routes, BYTES("a.example"), &endpoint));
    struct queue *queue = queue_new(&settings, routes);
    int64_t now_ms = 2000;
    /* A state that does not fit is a message as new: either way it is there. */
    bool is_good = queue_restore(queue, &envelope, state, now_ms);
    ASSERT(is_good || state.len > 0);
    if (queue_release(queue, 1, now_ms))
        ASSERT(is_good && state.at[0] == 2);
    for (int turns = 0; queue_stats(queue).messages > 0; turns++) {
        ASSERT(turns < 1000);
        while (drive(queue, now_ms, turns < 3 ? DEFERRED : DELIVERED))
            continue;
        int64_t deadline_ms = queue_deadline(queue);
        ASSERT(deadline_ms > now_ms);
        if (deadline_ms < INT64_MAX)
            now_ms = deadline_ms;
    }
    ASSERT(queue_stats(queue).lanes == 0 && queue_stats(queue).recipients_waiting == 0);
    queue_free(queue);
    routes_free(routes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes state = {data + 1, size - 1};
    check_round_trip(state, data[0] % (RECIPIENTS + 1));
    check_queue(state, data[0] % (RECIPIENTS + 1));
    return 0;
}
