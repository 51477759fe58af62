/* Lanes: their connections, their rates, and what happens while a destination does not answer. */
#include "world.h"

#include "queue/queue_state.h"

static void suspended_lane_is_probed(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    for (uint64_t id = 1; id <= 50; id++)
        world_add(world, id, "ann@a.example");
    int64_t pause_ms = world->settings.retry_first_ms;
    for (unsigned failures = 1; failures <= 8; failures++) {
        expect_step(world, &task, QUEUE_CONNECT);
        struct lane *lane = task.lane;
        expect_step(world, &task, QUEUE_IDLE);
        world_fail_connection(world, lane, "cannot connect");
        expect_step(world, &task, QUEUE_IDLE);
        struct seen seen = world_show(world, 50);
        assert_int_equal(seen.states[0], RECIPIENT_DEFERRED);
        assert_int_equal(seen.attempts[0], failures);
        assert_string_equal(seen.replies[0], "cannot connect");
        assert_int_equal(queue_stats(world->queue).lanes_suspended, 1);
        int64_t next_ms = queue_deadline(world->queue), after_ms = next_ms - world->now_ms;
        assert_true(seen.next_ms[0] == next_ms);
        assert_true(after_ms >= pause_ms * 8 / 10 && after_ms <= pause_ms * 12 / 10);
        world->now_ms = next_ms;
        pause_ms = pause_ms * 2 < HOUR_MS ? pause_ms * 2 : HOUR_MS;
    }
    /* What comes now has not failed with the lane, but waits for the same reason. */
    world_add(world, 51, "new@a.example");
    struct seen new = world_show(world, 51);
    assert_int_equal(new.states[0], RECIPIENT_DEFERRED);
    assert_int_equal(new.attempts[0], 0);
    assert_string_equal(new.replies[0], "cannot connect");
    assert_true(new.next_ms[0] == world->now_ms);
    struct lane *lane = world_connect(world);
    assert_int_equal(queue_stats(world->queue).lanes_suspended, 0);
    assert_int_equal(world_attempt(world, lane, DEFERRED, "451 later"), 1);
    struct seen seen = world_show(world, 1);
    assert_int_equal(seen.attempts[0], 9);
    assert_string_equal(seen.replies[0], "451 later");
    world_free(world);
}

static void suspended_lane_expires_its_row(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example");
    world->envelope.received_ms = START_MS + HOUR_MS;
    world_add(world, 2, "ann@a.example");
    int64_t end_ms = START_MS + world->settings.expire_ms;
    while (world_step(world, &task) == QUEUE_CONNECT) {
        world_fail_connection(world, task.lane, "cannot connect");
        if (world->now_ms >= end_ms)
            break;
        expect_step(world, &task, QUEUE_IDLE);
        world->now_ms = queue_deadline(world->queue);
    }
    assert_true(world->now_ms >= end_ms && world->now_ms < end_ms + 2 * HOUR_MS);
    expect_failed(world, 1, "ann@a.example", "5.4.7");
    expect_step(world, &task, QUEUE_SAVE);
    expect_report(world, 1, "5.4.7",
                  "not delivered within 5 days; the last attempt: cannot connect");
    queue_reported(world->queue, 1, true, world->now_ms);
    expect_step(world, &task, QUEUE_REMOVE);
    if (world->now_ms < end_ms + HOUR_MS)
        assert_int_equal(world_show(world, 2).states[0], RECIPIENT_DEFERRED);
    world_free(world);
}

/* Takes the next delivery of each of so many connections, then ends them with this fate; what is
 * to be removed or saved then is. */
static void round_of(struct world *world, struct lane *lane, size_t connections,
                     enum delivery_outcome outcome, const char *reply)
{
    struct queue_delivery *taken[20];
    struct queue_task task;
    for (size_t i = 0; i < connections; i++) {
        taken[i] = queue_take(world->queue, lane, 1, world->now_ms);
        assert_non_null(taken[i]);
    }
    for (size_t i = 0; i < connections; i++) {
        world_result(world, taken[i], 0, outcome, reply);
        queue_finish(world->queue, taken[i], world->now_ms);
    }
    for (size_t i = 0; i < connections; i++)
        expect_step(world, &task, outcome == DELIVERED ? QUEUE_REMOVE : QUEUE_SAVE);
}

static void connections_grow_with_the_work(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    for (uint64_t id = 1; id <= 50; id++)
        world_add(world, id, "ann@a.example");
    /* One, then two, then one more with each answer, never over the limit. */
    struct lane *lane = world_connect(world);
    expect_step(world, &task, QUEUE_CONNECT);
    expect_step(world, &task, QUEUE_IDLE);
    queue_connected(world->queue, lane, world->now_ms);
    expect_step(world, &task, QUEUE_IDLE);
    round_of(world, lane, 2, DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_CONNECT);
    expect_step(world, &task, QUEUE_IDLE);
    queue_connected(world->queue, lane, world->now_ms);
    round_of(world, lane, 3, DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_CONNECT);
    expect_step(world, &task, QUEUE_IDLE);
    queue_connected(world->queue, lane, world->now_ms);
    round_of(world, lane, 4, DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(queue_stats(world->queue).connections, 4);
    /* One gone is replaced. */
    queue_disconnected(world->queue, lane, NULL, world->now_ms);
    expect_step(world, &task, QUEUE_CONNECT);
    /* Where others work, a refused connection suspends nothing, but no more are tried now. */
    world_fail_connection(world, lane, "too many connections");
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(queue_stats(world->queue).lanes_suspended, 0);
    assert_int_equal(world_show(world, 50).states[0], RECIPIENT_QUEUED);
    for (int i = 0; i < 3; i++)
        round_of(world, lane, 3, DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_IDLE);
    world->now_ms = queue_deadline(world->queue);
    expect_step(world, &task, QUEUE_CONNECT);
    expect_step(world, &task, QUEUE_IDLE);
    world_free(world);
}

static const struct {
    const char *name, *reply;
    enum delivery_outcome outcome;
    bool balks;
} balk_rows[] = {
    {"delivered", "250 ok", DELIVERED, false},
    {"refused", "550 no", FAILED, false},
    {"greylisted", "450 later", DEFERRED, false},
    {"too much", "421 too many messages", DEFERRED, true},
    {"nothing said", "the connection was lost", DEFERRED, true},
};

static void connections_shrink_when_it_balks(void **state)
{
    for (size_t i = 0; i < COUNT(balk_rows); i++) {
        struct world *world = world_new();
        struct queue_task task;
        for (uint64_t id = 1; id <= 50; id++)
            world_add(world, id, "ann@a.example");
        struct lane *lane = world_connect(world);
        expect_step(world, &task, QUEUE_CONNECT);
        queue_connected(world->queue, lane, world->now_ms);
        struct queue_delivery *first = queue_take(world->queue, lane, 1, world->now_ms);
        struct queue_delivery *second = queue_take(world->queue, lane, 1, world->now_ms);
        assert_true(first && second);
        assert_false(queue_has_ready(world->queue, lane));
        world_result(world, first, 0, balk_rows[i].outcome, balk_rows[i].reply);
        queue_finish(world->queue, first, world->now_ms);
        if (queue_has_ready(world->queue, lane) == balk_rows[i].balks)
            fail_msg("%s: %s", balk_rows[i].name, balk_rows[i].balks ? "goes on" : "stops");
        world_free(world);
    }
}

static void the_rate_is_kept(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world->settings.rate = (struct rate){.messages = 60, .period_ms = MINUTE_MS};
    for (uint64_t id = 1; id <= 3; id++)
        world_add(world, id, "ann@a.example");
    struct lane *lane = world_connect(world);
    world_attempt(world, lane, DELIVERED, "250 ok");
    assert_false(queue_has_ready(world->queue, lane));
    assert_null(queue_take(world->queue, lane, 1, world->now_ms));
    expect_step(world, &task, QUEUE_REMOVE);
    expect_step(world, &task, QUEUE_IDLE);
    assert_true(queue_deadline(world->queue) == START_MS + 1000);
    world->now_ms = START_MS + 1000;
    expect_step(world, &task, QUEUE_IDLE);
    assert_true(queue_has_ready(world->queue, lane));
    /* What is put back was not sent. */
    struct queue_delivery *delivery = queue_take(world->queue, lane, 1, world->now_ms);
    queue_put_back(world->queue, delivery, world->now_ms);
    world_attempt(world, lane, DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_REMOVE);
    queue_disconnected(world->queue, lane, NULL, world->now_ms);
    expect_step(world, &task, QUEUE_IDLE);
    world->now_ms = queue_deadline(world->queue);
    assert_true(world->now_ms == START_MS + 2000);
    world_attempt(world, world_connect(world), DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_REMOVE);
    queue_disconnected(world->queue, lane, NULL, world->now_ms);
    /* An empty lane keeps its account, for as long as that says something. */
    world_add(world, 4, "ann@a.example");
    expect_step(world, &task, QUEUE_IDLE);
    assert_true(queue_delete(world->queue, 4));
    expect_step(world, &task, QUEUE_REMOVE);
    world->now_ms = queue_deadline(world->queue);
    assert_true(world->now_ms == START_MS + 3000);
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(map_count(world->queue->lanes), 0);
    world_free(world);
}

static void routes_have_limits_of_their_own(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    struct endpoint endpoint;
    struct error err;
    assert_true(endpoint_scan(BYTES("smtp://a:25"), &endpoint, &err));
    endpoint.limits = (struct endpoint_limits){
        .connections = 1, .connection_messages = 5, .rate = {.messages = 10, .period_ms = 1000}};
    assert_true(routes_add(world->routes, BYTES("slow.example"), &endpoint));
    world_add(world, 1, "ann@a.example bob@slow.example");
    for (uint64_t id = 2; id <= 20; id++)
        world_add(world, id, "bob@slow.example");
    expect_step(world, &task, QUEUE_CONNECT);
    assert_true(bytes_equal(lane_endpoint(task.lane)->name, BYTES("smtp://a:25")));
    assert_int_equal(queue_connection_messages(world->queue, task.lane), 100);
    struct lane *slow = world_connect(world);
    assert_true(bytes_equal(lane_endpoint(slow)->name,
                            BYTES("smtp://a:25;connections=1;messages_per_connection=5;"
                                  "rate=10/s")));
    assert_int_equal(queue_connection_messages(world->queue, slow), 5);
    for (uint64_t id = 1; id <= 10; id++)
        assert_int_equal(world_attempt(world, slow, DELIVERED, "250 ok"), id);
    assert_null(queue_take(world->queue, slow, 1, world->now_ms));
    world_free(world);
}

static void idle_connections_cover_work(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example");
    struct lane *lane = world_connect(world);
    world_attempt(world, lane, DELIVERED, "250 ok");
    expect_step(world, &task, QUEUE_REMOVE);
    world_add(world, 2, "ann@a.example");
    expect_step(world, &task, QUEUE_IDLE);
    assert_true(queue_has_ready(world->queue, lane));
    world_add(world, 3, "ann@a.example");
    expect_step(world, &task, QUEUE_CONNECT);
    expect_step(world, &task, QUEUE_IDLE);
    /* The opened one ends in order before it was greeted, then the idle one. */
    queue_disconnected(world->queue, lane, NULL, world->now_ms);
    queue_disconnected(world->queue, lane, NULL, world->now_ms);
    expect_step(world, &task, QUEUE_CONNECT);
    expect_step(world, &task, QUEUE_IDLE);
    world_free(world);
}

static void put_back_is_ready_at_once(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@a.example bob@a.example");
    struct lane *lane = world_connect(world);
    struct queue_delivery *delivery = queue_take(world->queue, lane, SIZE_MAX, world->now_ms);
    assert_non_null(delivery);
    world_result(world, delivery, 0, DELIVERED, "250 ok");
    queue_put_back(world->queue, delivery, world->now_ms);
    queue_disconnected(world->queue, lane, NULL, world->now_ms);
    struct seen seen = world_show(world, 1);
    assert_int_equal(seen.states[0], RECIPIENT_DELIVERED);
    assert_int_equal(seen.states[1], RECIPIENT_QUEUED);
    assert_int_equal(seen.attempts[1], 0);
    expect_step(world, &task, QUEUE_SAVE);
    lane = world_connect(world);
    delivery = queue_take(world->queue, lane, SIZE_MAX, world->now_ms);
    assert_int_equal(delivery->recipient_count, 1);
    assert_true(queue_delete(world->queue, 1));
    queue_put_back(world->queue, delivery, world->now_ms);
    expect_step(world, &task, QUEUE_REMOVE);
    assert_int_equal(queue_stats(world->queue).deliveries_active, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suspended_lane_is_probed),
        cmocka_unit_test(suspended_lane_expires_its_row),
        cmocka_unit_test(connections_grow_with_the_work),
        cmocka_unit_test(connections_shrink_when_it_balks),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(routes_have_limits_of_their_own),
        cmocka_unit_test(idle_connections_cover_work),
        cmocka_unit_test(put_back_is_ready_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
