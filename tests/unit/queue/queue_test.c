/* The queue, case by case; tests/unit/queue/model_test.c drives it at random. */
#include "world.h"

#include "queue/kept.h"
#include "queue/queue_state.h"

/* --- One message -------------------------------------------------------------------------------
 */

static void delivered_is_removed(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    assert_int_equal(queue_deadline(world->queue), INT64_MAX);
    world_add(world, 1, "ann@a.example");
    assert_false(queue_add(world->queue, &world->envelope, world->now_ms));
    assert_true(queue_deadline(world->queue) <= world->now_ms);
    struct lane *lane = world_connect(world);
    assert_true(bytes_equal(lane_endpoint(lane)->name, BYTES("smtp://a:25")));
    expect_step(world, &task, QUEUE_IDLE);
    assert_true(queue_has_ready(world->queue, lane));
    struct queue_delivery *delivery = queue_take(world->queue, lane, SIZE_MAX, world->now_ms);
    assert_non_null(delivery);
    assert_int_equal(delivery->id, 1);
    assert_int_equal(delivery->recipient_count, 1);
    assert_true(bytes_equal(delivery->envelope->recipients[0].address, BYTES("ann@a.example")));
    assert_false(queue_has_ready(world->queue, lane));
    assert_null(queue_take(world->queue, lane, SIZE_MAX, world->now_ms));
    assert_int_equal(world_show(world, 1).states[0], RECIPIENT_ACTIVE);
    world_result(world, delivery, 0, DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_IDLE);
    queue_finish(world->queue, delivery, world->now_ms);
    expect_step(world, &task, QUEUE_REMOVE);
    assert_int_equal(task.id, 1);
    expect_step(world, &task, QUEUE_IDLE);
    queue_disconnected(world->queue, lane, NULL, world->now_ms);
    expect_step(world, &task, QUEUE_IDLE);
    struct queue_stats stats = queue_stats(world->queue);
    assert_true(stats.messages == 0 && stats.lanes == 0 && stats.connections == 0);
    assert_true(stats.delivered == 1 && stats.recipients_waiting == 0 && stats.oldest_ms == 0);
    assert_int_equal(queue_deadline(world->queue), INT64_MAX);
    world_free(world);
}

static void deferred_waits_with_backoff(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example");
    struct lane *lane = world_connect(world);
    int64_t pause_ms = world->settings.retry_first_ms;
    for (unsigned attempts = 1; attempts < 10; attempts++) {
        assert_int_equal(world_attempt(world, lane, DEFERRED, "451 greylisted"), 1);
        expect_step(world, &task, QUEUE_SAVE);
        assert_true(task.id == 1 && task.state.len > 0);
        expect_step(world, &task, QUEUE_IDLE);
        struct seen seen = world_show(world, 1);
        assert_int_equal(seen.states[0], RECIPIENT_DEFERRED);
        assert_int_equal(seen.attempts[0], attempts);
        assert_string_equal(seen.replies[0], "451 greylisted");
        int64_t next_ms = queue_deadline(world->queue), after_ms = next_ms - world->now_ms;
        assert_true(seen.next_ms[0] == next_ms);
        if (after_ms < pause_ms * 8 / 10 || after_ms > pause_ms * 12 / 10)
            fail_msg("attempt %u: %lld ms", attempts, (long long)after_ms);
        world->now_ms = next_ms - 1;
        expect_step(world, &task, QUEUE_IDLE);
        assert_false(queue_has_ready(world->queue, lane));
        world->now_ms = next_ms;
        expect_step(world, &task, QUEUE_IDLE);
        assert_true(queue_has_ready(world->queue, lane));
        pause_ms = pause_ms * 2 < HOUR_MS ? pause_ms * 2 : HOUR_MS;
    }
    world_free(world);
}

static void failed_is_reported_and_removed(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example");
    struct lane *lane = world_connect(world);
    world_attempt(world, lane, FAILED, "550 no such user");
    expect_step(world, &task, QUEUE_SAVE);
    expect_report(world, 1, "5.1.1", "550 no such user");
    expect_step(world, &task, QUEUE_IDLE);
    /* It could not be stored: again later. */
    queue_reported(world->queue, 1, false, world->now_ms);
    expect_step(world, &task, QUEUE_IDLE);
    world->now_ms = queue_deadline(world->queue);
    assert_true(world->now_ms > START_MS);
    expect_report(world, 1, "5.1.1", "550 no such user");
    queue_reported(world->queue, 1, true, world->now_ms);
    expect_step(world, &task, QUEUE_REMOVE);
    expect_step(world, &task, QUEUE_IDLE);
    world_free(world);
}

static const struct {
    const char *name, *to, *reverse_path;
    uint8_t notify;
    enum delivery_outcome outcome;
    bool has_dsn, is_reported, was_relayed;
    enum deliver_by by_mode;
    bool by_trace;
    int64_t by_after_ms; /* behind the delivery */
    bool has_by;
} told_rows[] = {
    {"failed, nothing said", "x@a.example", "s@e.example", 0, FAILED, 0, true, 0, BY_NONE, 0, 0, 0},
    {"failed, FAILURE", "x@a.example", "s@e.example", NOTIFY_FAILURE, FAILED, 0, true, 0, BY_NONE,
     0, 0, 0},
    {"failed, NEVER", "x@a.example", "s@e.example", NOTIFY_NEVER, FAILED, 0, false, 0, BY_NONE, 0,
     0, 0},
    {"failed, SUCCESS only", "x@a.example", "s@e.example", NOTIFY_SUCCESS, FAILED, 0, false, 0,
     BY_NONE, 0, 0, 0},
    {"failed, null reverse-path", "x@a.example", "", NOTIFY_FAILURE, FAILED, 0, false, 0, BY_NONE,
     0, 0, 0},
    {"delivered, nothing said", "x@a.example", "s@e.example", 0, DELIVERED, 0, false, 0, BY_NONE, 0,
     0, 0},
    {"relayed, SUCCESS", "x@a.example", "s@e.example", NOTIFY_SUCCESS, DELIVERED, 0, true, true,
     BY_NONE, 0, 0, 0},
    {"relayed to one with DSN", "x@a.example", "s@e.example", NOTIFY_SUCCESS, DELIVERED, true,
     false, 0, BY_NONE, 0, 0, 0},
    {"delivered by LMTP, SUCCESS", "x@local.example", "s@e.example", NOTIFY_SUCCESS, DELIVERED, 0,
     true, false, BY_NONE, 0, 0, 0},
    {"delivered, null reverse-path", "x@a.example", "", NOTIFY_SUCCESS, DELIVERED, 0, false, 0,
     BY_NONE, 0, 0, 0},
    {"relayed beyond DELIVERBY", "x@a.example", "s@e.example", 0, DELIVERED, true, true, true,
     BY_NOTIFY, 0, 1, 0},
    {"the same, FAILURE", "x@a.example", "s@e.example", NOTIFY_FAILURE, DELIVERED, true, true, true,
     BY_NOTIFY, 0, 1, 0},
    {"the same, NEVER", "x@a.example", "s@e.example", NOTIFY_NEVER, DELIVERED, 0, false, 0,
     BY_NOTIFY, 0, 1, 0},
    {"the same, null reverse-path", "x@a.example", "", 0, DELIVERED, 0, false, 0, BY_NOTIFY, 0, 1,
     0},
    {"the same, late", "x@a.example", "s@e.example", NOTIFY_FAILURE, DELIVERED, 0, false, 0,
     BY_NOTIFY, 0, 0, 0},
    {"relayed with DELIVERBY", "x@a.example", "s@e.example", 0, DELIVERED, true, false, 0,
     BY_NOTIFY, 0, 1, true},
    {"a trace", "x@a.example", "s@e.example", 0, DELIVERED, true, true, true, BY_RETURN, true, 1,
     true},
    {"a trace, SUCCESS", "x@a.example", "s@e.example", NOTIFY_SUCCESS, DELIVERED, true, true, true,
     BY_NOTIFY, true, 1, true},
    {"a trace, NEVER", "x@a.example", "s@e.example", NOTIFY_NEVER, DELIVERED, true, false, 0,
     BY_RETURN, true, 1, true},
    {"a trace to the mailbox", "x@local.example", "s@e.example", 0, DELIVERED, 0, false, 0,
     BY_NOTIFY, true, 1, 0},
};

static void notify_decides_who_is_told(void **state)
{
    for (size_t i = 0; i < COUNT(told_rows); i++) {
        struct world *world = world_new();
        struct queue_task task;
        world->recipients[0].notify = told_rows[i].notify;
        world->envelope.reverse_path = bytes_of(told_rows[i].reverse_path);
        world->envelope.by_mode = told_rows[i].by_mode;
        world->envelope.by_trace = told_rows[i].by_trace;
        world->envelope.by_ms = world->now_ms + told_rows[i].by_after_ms;
        world_add(world, 1, told_rows[i].to);
        struct lane *lane = world_connect(world);
        struct queue_delivery *delivery = queue_take(world->queue, lane, 1, world->now_ms);
        struct delivery_result result = {.outcome = told_rows[i].outcome,
                                         .has_dsn = told_rows[i].has_dsn,
                                         .has_by = told_rows[i].has_by};
        queue_result(world->queue, delivery, &result, world->now_ms);
        queue_finish(world->queue, delivery, world->now_ms);
        enum queue_effect effect = world_step(world, &task);
        /* A delivery that is to be reported is kept before that. */
        if (told_rows[i].is_reported) {
            assert_int_equal(effect, QUEUE_SAVE);
            effect = world_step(world, &task);
        }
        if (effect != (told_rows[i].is_reported ? QUEUE_REPORT : QUEUE_REMOVE))
            fail_msg("%s: effect %d", told_rows[i].name, effect);
        if (effect == QUEUE_REPORT) {
            const struct queue_report_recipient *recipient = task.report->recipients;
            if (recipient->outcome != told_rows[i].outcome ||
                recipient->was_relayed != told_rows[i].was_relayed || recipient->status.len == 0 ||
                !bytes_equal(recipient->remote, lane_endpoint(lane)->name))
                fail_msg("%s: reported otherwise", told_rows[i].name);
            queue_reported(world->queue, 1, true, world->now_ms);
            expect_step(world, &task, QUEUE_REMOVE);
        }
        world_free(world);
    }
}

static void unroutable_fails_at_once(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@");
    expect_failed(world, 1, "ann@", "5.4.4");
    expect_step(world, &task, QUEUE_SAVE);
    expect_report(world, 1, "5.4.4",
                  "no route: the address has no domain, or one that is too long");
    queue_reported(world->queue, 1, true, world->now_ms);
    expect_step(world, &task, QUEUE_REMOVE);
    world->envelope.reverse_path = BYTES_NONE;
    world_add(world, 2, "ann");
    expect_failed(world, 2, "ann", "5.4.4");
    expect_step(world, &task, QUEUE_REMOVE);
    world_add(world, 3, "");
    expect_step(world, &task, QUEUE_REMOVE);
    world_free(world);
}

/* --- Several recipients ------------------------------------------------------------------------
 */

static void lanes_share_a_message(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example bob@b.example cat@also-a.example");
    struct lane *a = world_connect(world), *b = world_connect(world);
    struct queue_delivery *to_a = queue_take(world->queue, a, SIZE_MAX, world->now_ms);
    assert_int_equal(to_a->recipient_count, 2);
    assert_true(to_a->recipients[0] == 0 && to_a->recipients[1] == 2);
    struct queue_delivery *to_b = queue_take(world->queue, b, SIZE_MAX, world->now_ms);
    assert_true(to_b->recipient_count == 1 && to_b->recipients[0] == 1);
    world_result(world, to_a, 2, FAILED, "550 no");
    world_result(world, to_a, 2, DELIVERED, "250 said twice: the first word counts");
    queue_finish(world->queue, to_a, world->now_ms);
    /* Recipient 0 had no result: deferred. B is under way: no report yet, but it is saved. */
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_IDLE);
    world_result(world, to_b, 1, DELIVERED, "250 ok");
    queue_finish(world->queue, to_b, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_REPORT);
    assert_int_equal(task.report->recipient_count, 1);
    assert_true(
        bytes_equal(task.report->recipients[0].recipient->address, BYTES("cat@also-a.example")));
    queue_reported(world->queue, 1, true, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_IDLE);
    struct seen seen = world_show(world, 1);
    assert_int_equal(seen.states[0], RECIPIENT_DEFERRED);
    assert_int_equal(seen.states[1], RECIPIENT_DELIVERED);
    assert_int_equal(seen.states[2], RECIPIENT_FAILED);
    world->now_ms = queue_deadline(world->queue);
    expect_step(world, &task, QUEUE_IDLE);
    world_attempt(world, a, DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_REMOVE);
    world_free(world);
}

static void large_lists_go_in_parts(void **state)
{
    enum { RECIPIENTS = 1000 };
    struct world *world = world_new();
    struct queue_task task;
    char *to = calloc(RECIPIENTS, 20);
    assert_non_null(to);
    for (int i = 0, at = 0; i < RECIPIENTS; i++)
        at += snprintf(to + at, 20, "%su%d@a.example", i ? " " : "", i);
    world_add(world, 1, to);
    struct lane *lane = world_connect(world);
    bool seen[RECIPIENTS] = {0};
    for (size_t round = 0, left = RECIPIENTS, saves = 0; left > 0; round++) {
        size_t recipient_max = round % 2 ? 30 : SIZE_MAX;
        struct queue_delivery *delivery =
            queue_take(world->queue, lane, recipient_max, world->now_ms);
        assert_non_null(delivery);
        assert_int_equal(delivery->recipient_count,
                         left < 30 || !(round % 2) ? (left < 100 ? left : 100) : 30);
        for (size_t i = 0; i < delivery->recipient_count; i++) {
            assert_false(seen[delivery->recipients[i]]);
            seen[delivery->recipients[i]] = true;
            world_result(world, delivery, delivery->recipients[i], DELIVERED, "250 ok");
        }
        left -= delivery->recipient_count;
        queue_finish(world->queue, delivery, world->now_ms);
        if (left == 0)
            expect_step(world, &task, QUEUE_REMOVE);
        else if (world_step(world, &task) == QUEUE_SAVE)
            assert_true(++saves < RECIPIENTS / 30);
    }
    expect_step(world, &task, QUEUE_IDLE);
    free(to);
    world_free(world);
}

/* --- Time --------------------------------------------------------------------------------------
 */

static void too_old_fails_after_a_last_attempt(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example");
    struct lane *lane = world_connect(world);
    int64_t end_ms = START_MS + world->settings.expire_ms;
    int attempts = 0;
    for (; world->now_ms < end_ms; attempts++) {
        world_attempt(world, lane, DEFERRED, "451 later");
        expect_step(world, &task, QUEUE_SAVE);
        expect_step(world, &task, QUEUE_IDLE);
        world->now_ms = queue_deadline(world->queue);
        expect_step(world, &task, QUEUE_IDLE);
    }
    assert_true(world->now_ms == end_ms && attempts > 100);
    world_attempt(world, lane, DEFERRED, "451 still");
    expect_failed(world, 1, "ann@a.example", "5.4.7");
    expect_step(world, &task, QUEUE_SAVE);
    expect_report(world, 1, "5.4.7", "not delivered within 5 days; the last attempt: 451 still");
    queue_reported(world->queue, 1, true, world->now_ms);
    expect_step(world, &task, QUEUE_REMOVE);
    world_free(world);
}

static void held_until_its_time(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    int64_t until_ms = START_MS + 200 * HOUR_MS;
    world->envelope.hold_until_ms = until_ms;
    world_add(world, 1, "ann@a.example");
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(queue_deadline(world->queue), until_ms);
    assert_int_equal(world_show(world, 1).states[0], RECIPIENT_QUEUED);
    world->now_ms = until_ms;
    struct lane *lane = world_connect(world);
    /* Its age counts from the release: it is older than expire_ms now. */
    world_attempt(world, lane, DEFERRED, "451 later");
    expect_step(world, &task, QUEUE_SAVE);
    world_free(world);
}

static void deliver_by_returns_in_time(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world->envelope.by_mode = BY_RETURN;
    world->envelope.by_ms = START_MS + MINUTE_MS;
    world_add(world, 1, "ann@a.example");
    world_add(world, 2, "ann@a.example");
    struct lane *lane = world_connect(world);
    world_attempt(world, lane, DEFERRED, "451 later");
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(queue_deadline(world->queue), START_MS + MINUTE_MS);
    world->now_ms += MINUTE_MS;
    /* One waits for its next attempt, the other for the connection: neither is made. */
    assert_null(queue_take(world->queue, lane, 1, world->now_ms));
    expect_failed(world, 2, "ann@a.example", "5.4.7");
    expect_step(world, &task, QUEUE_SAVE);
    expect_report(world, 2, "5.4.7", "not delivered by the time the sender set");
    expect_failed(world, 1, "ann@a.example", "5.4.7");
    expect_step(world, &task, QUEUE_SAVE);
    expect_report(world, 1, "5.4.7",
                  "not delivered by the time the sender set; the last attempt: 451 later");
    expect_step(world, &task, QUEUE_IDLE);
    world->envelope.by_mode = BY_NOTIFY;
    world_add(world, 3, "ann@a.example");
    assert_int_equal(world_attempt(world, lane, DELIVERED, "250 ok"), 3);
    world_free(world);
}

/* --- Restart and reload ------------------------------------------------------------------------
 */

static void state_survives_a_restart(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    const char *to = "ann@a.example bob@a.example cat@a.example dan@b.example";
    world_add(world, 7, to);
    struct lane *a = world_connect(world);
    struct queue_delivery *delivery = queue_take(world->queue, a, 9, world->now_ms);
    world_result(world, delivery, 0, DELIVERED, "250 ok");
    world_result(world, delivery, 1, FAILED, "550 no such user");
    world_result(world, delivery, 2, DEFERRED, "451 later");
    queue_finish(world->queue, delivery, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    uint8_t kept[1000];
    struct bytes saved = {kept, task.state.len};
    memcpy(kept, task.state.at, task.state.len);
    int64_t next_ms = world_show(world, 7).next_ms[2];

    queue_free(world->queue);
    world->queue = queue_new(&world->settings, world->routes);
    assert_true(queue_restore(world->queue, world_envelope(world, 7, to), saved, world->now_ms));
    assert_false(queue_restore(world->queue, &world->envelope, saved, world->now_ms));
    assert_int_equal(world_attempt(world, world_connect(world), DELIVERED, "250 b"), 7);
    expect_step(world, &task, QUEUE_SAVE);
    expect_report(world, 7, "5.1.1", "550 no such user");
    queue_reported(world->queue, 7, true, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    struct seen seen = world_show(world, 7);
    assert_int_equal(seen.states[0], RECIPIENT_DELIVERED);
    assert_int_equal(seen.states[1], RECIPIENT_FAILED);
    assert_int_equal(seen.states[2], RECIPIENT_DEFERRED);
    assert_int_equal(seen.states[3], RECIPIENT_DELIVERED);
    assert_true(seen.next_ms[2] == next_ms && seen.attempts[2] == 1);
    assert_string_equal(seen.replies[2], "451 later");
    world_free(world);
}

static void foreign_state_means_new(void **state)
{
    struct world *world = world_new();
    const struct envelope *envelope = world_envelope(world, 1, "ann@a.example");
    assert_false(queue_restore(world->queue, envelope, BYTES("rubbish"), world->now_ms));
    envelope = world_envelope(world, 2, "ann@a.example");
    assert_true(queue_restore(world->queue, envelope, BYTES_NONE, world->now_ms));
    struct lane *lane = world_connect(world);
    assert_int_equal(world_attempt(world, lane, DELIVERED, "250 ok"), 1);
    assert_int_equal(world_attempt(world, lane, DELIVERED, "250 ok"), 2);
    world_free(world);
}

static void reload_routes_anew(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example");
    world_add(world, 2, "bob@b.example ann@a.example");
    world_add(world, 3, "ann@a.example");
    struct lane *a = world_connect(world), *b = world_connect(world);
    assert_int_equal(world_attempt(world, a, DEFERRED, "451 later"), 1);
    int64_t next_ms = world_show(world, 1).next_ms[0];
    struct queue_delivery *active = queue_take(world->queue, a, 1, world->now_ms);
    assert_int_equal(active->id, 2);

    struct routes *routes = routes_new(2);
    world_route(routes, "a.example", "smtp://elsewhere:25");
    queue_reload(world->queue, &world->settings, routes, world->now_ms);
    /* What waited keeps its time; what was under way goes by the new route once it is deferred;
     * b.example goes by MX now. */
    expect_step(world, &task, QUEUE_SAVE);
    assert_int_equal(task.id, 1);
    expect_step(world, &task, QUEUE_RESOLVE);
    struct lane *domain = task.lane, *elsewhere = world_connect(world);
    assert_true(bytes_equal(lane_endpoint(elsewhere)->host, BYTES("elsewhere")));
    expect_step(world, &task, QUEUE_IDLE);
    assert_true(world_show(world, 1).next_ms[0] == next_ms);
    assert_false(queue_has_ready(world->queue, a) || queue_has_ready(world->queue, b));
    queue_finish(world->queue, active, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    assert_int_equal(task.id, 2);
    world_resolved(world, domain, MX_FAILED, "5.1.2 no such domain");
    expect_failed(world, 2, "bob@b.example", "5.1.2");
    expect_step(world, &task, QUEUE_SAVE);
    expect_report(world, 2, "5.1.2", "no such domain");
    queue_reported(world->queue, 2, true, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    assert_int_equal(world_attempt(world, elsewhere, DELIVERED, "250 ok"), 3);
    expect_step(world, &task, QUEUE_REMOVE);
    expect_step(world, &task, QUEUE_IDLE);
    world->now_ms += HOUR_MS;
    /* Two are due, one connection is idle. */
    expect_step(world, &task, QUEUE_CONNECT);
    expect_step(world, &task, QUEUE_IDLE);
    uint64_t first = world_attempt(world, elsewhere, DELIVERED, "250 ok");
    uint64_t second = world_attempt(world, elsewhere, DELIVERED, "250 ok");
    assert_true(first + second == 3);
    queue_disconnected(world->queue, a, NULL, world->now_ms);
    queue_disconnected(world->queue, b, NULL, world->now_ms);
    assert_int_equal(queue_stats(world->queue).lanes, 1);
    world_free(world);
    routes_free(routes);
}

/* --- The operator ------------------------------------------------------------------------------
 */

static void listing_is_by_id(void **state)
{
    static const uint64_t order[] = {5, 9, 2, 7, UINT64_MAX, 3};
    static const uint64_t want[] = {2, 3, 5, 7, 9, UINT64_MAX};
    struct world *world = world_new();
    for (size_t i = 0; i < COUNT(order); i++) {
        const struct envelope *envelope = world_envelope(world, order[i], "ann@a.example");
        assert_true(i % 2 ? queue_add(world->queue, envelope, world->now_ms)
                          : queue_restore(world->queue, envelope, BYTES_NONE, world->now_ms));
    }
    assert_true(world->queue->is_unsorted);
    queue_sort(world->queue);
    assert_false(world->queue->is_unsorted);
    for (uint64_t after = 0; after < 11; after++) {
        struct seen seen = {0};
        size_t skipped = 0;
        while (want[skipped] <= after)
            skipped++;
        struct queue_walk walk = {.after = after, .limit = 100, .needs_envelopes = true};
        queue_walk(world->queue, &walk, world->now_ms, world_see, &seen);
        assert_false(walk.has_more);
        assert_int_equal(seen.count, COUNT(want) - skipped);
        for (size_t i = 0; i < seen.count; i++)
            assert_true(seen.ids[i] == want[skipped + i]);
    }
    struct seen full = {.count = 99};
    struct queue_walk walk = {.limit = 100, .needs_envelopes = true};
    queue_walk(world->queue, &walk, world->now_ms, world_see, &full);
    assert_int_equal(full.count, 100);
    assert_true(walk.has_more && walk.after == 0);
    assert_false(queue_show(world->queue, 4, world_see, &full));
    assert_true(queue_stats(world->queue).oldest_ms == START_MS);
    world_free(world);
}

static void retry_goes_at_once(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example");
    world_add(world, 2, "ann@b.example");
    struct lane *a = world_connect(world);
    world_attempt(world, a, DEFERRED, "451 later");
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_CONNECT);
    world_fail_connection(world, task.lane, "cannot connect");
    expect_step(world, &task, QUEUE_IDLE);
    int64_t since_ms = world->now_ms + 1;
    assert_true(queue_retry(world->queue, 1, BYTES_NONE, since_ms, world->now_ms));
    assert_true(queue_has_ready(world->queue, a));
    expect_step(world, &task, QUEUE_IDLE);
    assert_false(queue_retry(world->queue, 77, BYTES_NONE, since_ms, world->now_ms));
    assert_false(queue_retry(world->queue, 2, BYTES("smtp://a:25"), since_ms, world->now_ms));
    /* The lane has failed since: one attempt is enough. */
    assert_true(queue_retry(world->queue, 2, BYTES_NONE, world->now_ms, world->now_ms));
    expect_step(world, &task, QUEUE_IDLE);
    assert_true(queue_retry(world->queue, 2, BYTES("smtp://B:25"), since_ms, world->now_ms));
    expect_step(world, &task, QUEUE_CONNECT);
    assert_true(bytes_equal(lane_endpoint(task.lane)->host, BYTES("b")));
    assert_int_equal(queue_stats(world->queue).lanes_suspended, 0);
    world_free(world);
}

static void deleted_is_removed_without_report(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example");
    world_add(world, 2, "ann@a.example bob@b.example");
    world_add(world, 3, "ann@");
    struct lane *lane = NULL;
    while (world_step(world, &task) != QUEUE_IDLE)
        if (task.lane && bytes_equal(lane_endpoint(task.lane)->host, BYTES("a")))
            queue_connected(world->queue, lane = task.lane, world->now_ms);
    assert_true(queue_delete(world->queue, 1));
    assert_false(queue_delete(world->queue, 1));
    assert_false(queue_delete(world->queue, 4));
    expect_step(world, &task, QUEUE_REMOVE);
    struct queue_delivery *active = queue_take(world->queue, lane, 9, world->now_ms);
    assert_int_equal(active->id, 2);
    assert_true(queue_delete(world->queue, 2));
    /* Its report is with the driver. */
    assert_true(queue_delete(world->queue, 3));
    expect_step(world, &task, QUEUE_IDLE);
    struct seen seen = {0};
    struct queue_walk walk = {.limit = 10};
    queue_walk(world->queue, &walk, world->now_ms, world_see, &seen);
    assert_true(seen.count == 0 && !walk.has_more);
    world_result(world, active, 0, FAILED, "550 no");
    queue_finish(world->queue, active, world->now_ms);
    expect_step(world, &task, QUEUE_REMOVE);
    assert_int_equal(task.id, 2);
    queue_reported(world->queue, 3, false, world->now_ms);
    expect_step(world, &task, QUEUE_REMOVE);
    assert_int_equal(task.id, 3);
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(queue_stats(world->queue).messages, 0);
    assert_int_equal(queue_stats(world->queue).recipients_waiting, 0);
    world_free(world);
}

static void held_waits_for_release(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example bob@b.example");
    struct lane *a = world_connect(world);
    struct queue_delivery *active = queue_take(world->queue, a, 9, world->now_ms);
    assert_true(queue_hold(world->queue, 1));
    assert_false(queue_hold(world->queue, 1) || queue_hold(world->queue, 2));
    /* What is under way finishes; the other lane has nothing to do. */
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_IDLE);
    world_result(world, active, 0, DEFERRED, "451 later");
    queue_finish(world->queue, active, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    uint8_t kept[512];
    size_t kept_len = task.state.len;
    memcpy(kept, task.state.at, kept_len);
    /* No attempt, no end. */
    world->now_ms += 10 * world->settings.expire_ms;
    expect_step(world, &task, QUEUE_IDLE);
    assert_false(queue_has_ready(world->queue, a));
    assert_false(queue_retry(world->queue, 1, BYTES_NONE, world->now_ms, world->now_ms));
    struct seen seen = world_show(world, 1);
    assert_int_equal(seen.states[0], RECIPIENT_HELD);
    assert_int_equal(seen.attempts[0], 1);
    assert_int_equal(seen.states[1], RECIPIENT_HELD);
    assert_int_equal(queue_stats(world->queue).held, 1);
    /* Nor after a restart, with other routes. */
    queue_free(world->queue);
    world->queue = queue_new(&world->settings, world->routes);
    assert_true(queue_restore(world->queue, world_envelope(world, 1, "ann@a.example bob@b.example"),
                              (struct bytes){kept, kept_len}, world->now_ms));
    queue_reload(world->queue, &world->settings, world->routes, world->now_ms);
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(queue_stats(world->queue).held, 1);
    assert_true(queue_deadline(world->queue) == INT64_MAX);
    /* Released: one attempt, then its age counts. */
    assert_true(queue_release(world->queue, 1, world->now_ms));
    assert_false(queue_release(world->queue, 1, world->now_ms));
    expect_step(world, &task, QUEUE_SAVE);
    assert_int_equal(queue_stats(world->queue).held, 0);
    expect_step(world, &task, QUEUE_CONNECT);
    queue_connected(world->queue, task.lane, world->now_ms);
    struct lane *second = world_connect(world);
    world_attempt(world, task.lane, DEFERRED, "451 later");
    world_attempt(world, second, DELIVERED, "250 ok");
    expect_failed(world, 1, "ann@a.example", "5.4.7");
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_REPORT);
    assert_int_equal(task.report->recipient_count, 1);
    assert_true(bytes_equal(task.report->recipients[0].status, BYTES("5.4.7")));
    world_free(world);
}

static void held_is_not_reported_and_can_be_deleted(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example ann@also-a.example");
    struct lane *lane = world_connect(world);
    struct queue_delivery *active = queue_take(world->queue, lane, 9, world->now_ms);
    world_result(world, active, 0, FAILED, "550 no");
    world_result(world, active, 1, DEFERRED, "450 later");
    assert_true(queue_hold(world->queue, 1));
    queue_finish(world->queue, active, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_IDLE);
    assert_true(queue_delete(world->queue, 1));
    expect_step(world, &task, QUEUE_REMOVE);
    assert_int_equal(queue_stats(world->queue).held, 0);
    assert_int_equal(queue_stats(world->queue).messages, 0);
    world_free(world);
}

/* Pages of a walk, while what they went by comes and goes. */
static void a_walk_goes_on_where_it_was(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    for (uint64_t id = 10; id <= 60; id += 10)
        world_add(world, id, "ann@a.example");
    struct seen seen = {0};
    struct queue_walk walk = {.limit = 2, .needs_envelopes = true};
    queue_walk(world->queue, &walk, world->now_ms, world_see, &seen);
    assert_true(walk.has_more && walk.after == 20);
    /* The place itself and what is before it go, another comes in between. */
    assert_true(queue_delete(world->queue, 20) && queue_delete(world->queue, 10));
    while (world_step(world, &task) != QUEUE_IDLE)
        continue;
    world_add(world, 25, "ann@a.example");
    queue_walk(world->queue, &walk, world->now_ms, world_see, &seen);
    assert_true(walk.has_more && walk.after == 30);
    assert_true(seen.count == 4 && seen.ids[2] == 25 && seen.ids[3] == 30);
    /* Others walk too; a place that is forgotten is found again. */
    for (uint64_t i = 0; i < 2 * MARKS; i++) {
        struct queue_walk other = {.after = 31 + i, .limit = 1, .needs_envelopes = true};
        struct seen others = {0};
        queue_walk(world->queue, &other, world->now_ms, world_see, &others);
        assert_true(others.count == 1 && other.has_more);
    }
    assert_true(queue_delete(world->queue, 30));
    queue_walk(world->queue, &walk, world->now_ms, world_see, &seen);
    queue_walk(world->queue, &walk, world->now_ms, world_see, &seen);
    assert_false(walk.has_more);
    assert_true(seen.count == 7 && seen.ids[6] == 60);
    world_free(world);
}

/* --- Size --------------------------------------------------------------------------------------
 */

static void a_waiting_message_is_small(void **state)
{
    struct world *world = world_new();
    world->envelope.client = BYTES("192.0.2.123");
    world->envelope.helo = BYTES("mail.example.org");
    struct buf printed;
    buf_init(&printed, 4096);
    kept_print(&printed, world_envelope(world, 1, "somebody@a.example"));
    size_t size = sizeof(struct message) + sizeof(struct slot) + printed.len;
    if (size > 184)
        fail_msg("%zu bytes, %zu of them the envelope", size, printed.len);
    buf_done(&printed);
    world_free(world);
}

static void what_ended_alike_is_kept_once(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    for (uint64_t id = 1; id <= 100; id++)
        world_add(world, id, "ann@a.example");
    struct lane *lane = world_connect(world);
    for (uint64_t id = 1; id <= 100; id++)
        world_attempt(world, lane, DEFERRED, id % 2 ? "451 later" : "450 greylisted");
    assert_int_equal(table_count(world->queue->outcomes.by_hash), 2);
    assert_string_equal(world_show(world, 99).replies[0], "451 later");
    assert_string_equal(world_show(world, 100).replies[0], "450 greylisted");
    for (uint64_t id = 1; id <= 100; id++)
        assert_true(queue_delete(world->queue, id));
    while (world_step(world, &task) != QUEUE_IDLE)
        continue;
    assert_int_equal(table_count(world->queue->outcomes.by_hash), 0);
    world_free(world);
}

static void a_hundred_thousand(void **state)
{
    enum { MESSAGES = 100000 };
    struct world *world = world_new();
    struct queue_task task;
    world->envelope.reverse_path = BYTES_NONE;
    for (uint64_t id = 1; id <= MESSAGES; id++)
        world_add(world, id, "ann@a.example");
    struct lane *lane = world_connect(world);
    for (uint64_t id = 1; id <= MESSAGES; id++)
        assert_int_equal(
            world_attempt(world, lane, id % 2 ? DELIVERED : DEFERRED, "250 or 450, as may be"), id);
    size_t saved = 0, removed = 0;
    for (enum queue_effect effect; (effect = world_step(world, &task)) != QUEUE_IDLE;) {
        saved += effect == QUEUE_SAVE;
        removed += effect == QUEUE_REMOVE;
    }
    assert_true(saved == MESSAGES / 2 && removed == MESSAGES / 2);
    queue_disconnected(world->queue, lane, NULL, world->now_ms);
    /* All come due while the lane does not answer; a failure costs the same with each of them. */
    world->now_ms += HOUR_MS;
    for (int i = 0; i < 50; i++) {
        expect_step(world, &task, QUEUE_CONNECT);
        expect_step(world, &task, QUEUE_IDLE);
        world_fail_connection(world, task.lane, "no answer");
        expect_step(world, &task, QUEUE_IDLE);
        world->now_ms = queue_deadline(world->queue);
    }
    assert_int_equal(queue_stats(world->queue).deliveries_ready, MESSAGES / 2);
    assert_int_equal(world_show(world, MESSAGES).attempts[0], 51);
    world->now_ms += world->settings.expire_ms;
    expect_step(world, &task, QUEUE_CONNECT);
    world_fail_connection(world, task.lane, "no answer");
    size_t failed = removed = 0;
    for (enum queue_effect effect; (effect = world_step(world, &task)) != QUEUE_IDLE;) {
        failed += effect == QUEUE_FAILED;
        removed += effect == QUEUE_REMOVE;
    }
    assert_true(failed == MESSAGES / 2 && removed == MESSAGES / 2);
    assert_int_equal(queue_stats(world->queue).lanes, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivered_is_removed),
        cmocka_unit_test(deferred_waits_with_backoff),
        cmocka_unit_test(failed_is_reported_and_removed),
        cmocka_unit_test(notify_decides_who_is_told),
        cmocka_unit_test(unroutable_fails_at_once),
        cmocka_unit_test(lanes_share_a_message),
        cmocka_unit_test(large_lists_go_in_parts),
        cmocka_unit_test(too_old_fails_after_a_last_attempt),
        cmocka_unit_test(held_until_its_time),
        cmocka_unit_test(deliver_by_returns_in_time),
        cmocka_unit_test(state_survives_a_restart),
        cmocka_unit_test(foreign_state_means_new),
        cmocka_unit_test(reload_routes_anew),
        cmocka_unit_test(listing_is_by_id),
        cmocka_unit_test(retry_goes_at_once),
        cmocka_unit_test(deleted_is_removed_without_report),
        cmocka_unit_test(held_waits_for_release),
        cmocka_unit_test(held_is_not_reported_and_can_be_deleted),
        cmocka_unit_test(a_walk_goes_on_where_it_was),
        cmocka_unit_test(a_waiting_message_is_small),
        cmocka_unit_test(what_ended_alike_is_kept_once),
        cmocka_unit_test(a_hundred_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
