/* When a sender is told what of a message: once of recipients that end within a short while, and
 * once that it is late. */
#include "world.h"

#include "queue/queue_state.h"

/* --- One report -------------------------------------------------------------------------------
 */

/* What comes before a report or a connection, and is of no interest here. */
static enum queue_effect step_on(struct world *world, struct queue_task *task)
{
    enum queue_effect effect;
    do
        effect = world_step(world, task);
    while (effect == QUEUE_SAVE || effect == QUEUE_FAILED);
    return effect;
}

static size_t report_size(struct world *world, uint64_t id)
{
    struct queue_task task;
    enum queue_effect effect = step_on(world, &task);
    if (effect == QUEUE_IDLE)
        return 0;
    assert_int_equal(effect, QUEUE_REPORT);
    assert_int_equal(task.report->id, id);
    return task.report->recipient_count;
}

/* Past what is saved, to a connection; it is not greeted yet. */
static struct lane *ask_connection(struct world *world)
{
    struct queue_task task;
    assert_int_equal(step_on(world, &task), QUEUE_CONNECT);
    return task.lane;
}

static struct lane *connect_lane(struct world *world)
{
    struct lane *lane = ask_connection(world);
    queue_connected(world->queue, lane, world->now_ms);
    return lane;
}

static void recipients_that_end_soon_share_a_report(void **state)
{
    struct world *world = world_new();
    world_add(world, 1, "ann@a.example bob@b.example cat@");
    struct lane *a = connect_lane(world), *b = connect_lane(world);
    /* One has failed at once; the others are about to be tried. */
    assert_int_equal(report_size(world, 1), 0);
    world_attempt(world, a, FAILED, "550 no");
    assert_int_equal(report_size(world, 1), 0);
    world_attempt(world, b, FAILED, "550 not here either");
    assert_int_equal(report_size(world, 1), 3);
    world_free(world);
}

static void recipients_that_wait_long_hold_up_no_report(void **state)
{
    struct world *world = world_new();
    world_add(world, 1, "ann@a.example bob@b.example cat@");
    struct lane *a = connect_lane(world);
    struct lane *b = ask_connection(world);
    world_attempt(world, a, DEFERRED, "451 in some minutes");
    assert_int_equal(report_size(world, 1), 0);
    /* A suspended lane is not about to end anything. */
    world_fail_connection(world, b, "no answer");
    world->now_ms = START_MS + 30000 - 1;
    assert_int_equal(report_size(world, 1), 0);
    world->now_ms = START_MS + 30000;
    assert_int_equal(report_size(world, 1), 1);
    world_free(world);
}

static void a_connection_that_hangs_holds_up_no_report_for_long(void **state)
{
    struct world *world = world_new();
    world_add(world, 1, "ann@a.example cat@");
    struct lane *lane = connect_lane(world);
    assert_int_equal(report_size(world, 1), 0);
    assert_int_equal(queue_deadline(world->queue), START_MS + 30000);
    world->now_ms += 30000;
    assert_int_equal(report_size(world, 1), 1);
    queue_reported(world->queue, 1, true, world->now_ms);
    world_attempt(world, lane, FAILED, "550 no");
    assert_int_equal(report_size(world, 1), 1);
    world_free(world);
}

static void so_many_at_a_time(void **state)
{
    enum { MESSAGES = 1000, MOST = 64 };
    struct world *world = world_new();
    struct queue_task task;
    uint64_t driven[MOST], removed = 0;
    size_t driving = 0;
    for (uint64_t id = 1; id <= MESSAGES; id++)
        world_add(world, id, "ann@");
    assert_true(queue_delete(world->queue, MESSAGES));
    while (removed < MESSAGES) {
        enum queue_effect effect;
        while ((effect = world_step(world, &task)) != QUEUE_IDLE) {
            removed += effect == QUEUE_REMOVE;
            if (effect != QUEUE_REPORT)
                continue;
            assert_true(driving < MOST && task.id != MESSAGES);
            driven[driving++] = task.id;
        }
        for (size_t i = driving / 2; driving > i;)
            queue_reported(world->queue, driven[--driving], true, world->now_ms);
    }
    assert_int_equal(queue_stats(world->queue).messages, 0);
    world_free(world);
}

/* --- Late --------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    int64_t setting_ms;
    uint8_t notify;
    const char *reverse_path;
    int64_t hold_ms, by_ms; /* behind the start; by: mode N */
    int64_t want_ms;        /* the same; 0: no notice */
    const char *status;
} late_rows[] = {
    {"off", 0, 0, "s@e.example", 0, 0, 0, ""},
    {"on", 3600000, 0, "s@e.example", 0, 0, 3600000, "4.4.1"},
    {"off, but asked for", 0, NOTIFY_DELAY, "s@e.example", 0, 0, 4 * 3600000, "4.4.1"},
    {"on, and asked for", 3600000, NOTIFY_DELAY | NOTIFY_SUCCESS, "s@e.example", 0, 0, 3600000,
     "4.4.1"},
    {"on, not wanted", 3600000, NOTIFY_FAILURE, "s@e.example", 0, 0, 0, ""},
    {"on, never", 3600000, NOTIFY_NEVER, "s@e.example", 0, 0, 0, ""},
    {"on, null reverse-path", 3600000, NOTIFY_DELAY, "", 0, 0, 0, ""},
    {"from its release", 3600000, 0, "s@e.example", 7200000, 0, 10800000, "4.4.1"},
    {"DELIVERBY", 0, 0, "s@e.example", 0, 1800000, 1800000, "4.4.7"},
    {"DELIVERBY, not wanted", 0, NOTIFY_FAILURE, "s@e.example", 0, 1800000, 0, ""},
    {"DELIVERBY, null reverse-path", 0, 0, "", 0, 1800000, 0, ""},
};

/* Everything the queue asks for until this instant; the lane never answers. The instants of the
 * reports, from the start; the last one's task is in *last. */
static size_t live(struct world *world, int64_t until_ms, int64_t *told_ms, size_t most,
                   struct queue_report_recipient *last)
{
    struct queue_task task;
    size_t count = 0;
    while (world->now_ms < until_ms) {
        enum queue_effect effect;
        while ((effect = world_step(world, &task)) != QUEUE_IDLE) {
            if (effect == QUEUE_CONNECT)
                world_fail_connection(world, task.lane, "no answer");
            if (effect != QUEUE_REPORT)
                continue;
            assert_true(count < most && task.report->recipient_count == 1);
            *last = task.report->recipients[0];
            last->status = bytes_equal(last->status, BYTES("4.4.7"))   ? BYTES("4.4.7")
                           : bytes_equal(last->status, BYTES("4.4.1")) ? BYTES("4.4.1")
                                                                       : BYTES("?");
            told_ms[count++] = world->now_ms - START_MS;
            queue_reported(world->queue, task.id, true, world->now_ms);
        }
        int64_t deadline_ms = queue_deadline(world->queue);
        world->now_ms = deadline_ms < until_ms ? deadline_ms : until_ms;
    }
    return count;
}

static void late_is_told_once(void **state)
{
    for (size_t i = 0; i < COUNT(late_rows); i++) {
        struct world *world = world_new();
        struct queue_report_recipient last = {0};
        int64_t told_ms[4];
        world->settings.delay_notice_ms = late_rows[i].setting_ms;
        world->envelope.reverse_path = bytes_of(late_rows[i].reverse_path);
        world->envelope.hold_until_ms = late_rows[i].hold_ms ? START_MS + late_rows[i].hold_ms : 0;
        world->envelope.by_mode = late_rows[i].by_ms ? BY_NOTIFY : BY_NONE;
        world->envelope.by_ms = START_MS + late_rows[i].by_ms;
        world->recipients[0].notify = late_rows[i].notify;
        world_add(world, 1, "ann@a.example");
        size_t count = live(world, START_MS + 100 * HOUR_MS, told_ms, COUNT(told_ms), &last);
        if (count != (late_rows[i].want_ms > 0))
            fail_msg("%s: told %zu times", late_rows[i].name, count);
        if (count && (told_ms[0] < late_rows[i].want_ms ||
                      told_ms[0] > late_rows[i].want_ms + 2 * MINUTE_MS))
            fail_msg("%s: told after %lld ms", late_rows[i].name, (long long)told_ms[0]);
        if (count &&
            (last.outcome != DEFERRED || !bytes_equal(last.status, bytes_of(late_rows[i].status)) ||
             last.retry_until_ms != START_MS + late_rows[i].hold_ms + 120 * HOUR_MS))
            fail_msg("%s: told otherwise: %.*s", late_rows[i].name, BYTES_ARGS(last.status));
        world_free(world);
    }
}

static void late_is_told_in_the_order_of_arrival(void **state)
{
    struct world *world = world_new();
    struct queue_report_recipient last;
    int64_t told_ms[8];
    world->settings.delay_notice_ms = 2 * HOUR_MS;
    world->settings.expire_ms = 50 * HOUR_MS;
    for (uint64_t id = 1; id <= 4; id++) {
        /* The third does not want to hear of it. */
        world->recipients[0].notify = id == 3 ? NOTIFY_FAILURE : 0;
        world->envelope.received_ms = world->now_ms;
        world_add(world, id, "ann@a.example");
        assert_int_equal(live(world, world->now_ms + 10 * MINUTE_MS, told_ms, 0, &last), 0);
    }
    assert_int_equal(live(world, START_MS + 40 * HOUR_MS, told_ms, COUNT(told_ms), &last), 3);
    static const int64_t want_min[] = {120, 130, 150};
    for (size_t i = 0; i < 3; i++)
        assert_true(told_ms[i] >= want_min[i] * MINUTE_MS &&
                    told_ms[i] < (want_min[i] + 2) * MINUTE_MS);
    world_free(world);
}

/* Most of a long queue wants no notice: to find that out takes steps of bounded work. */
static void those_who_want_none_are_passed_over(void **state)
{
    enum { MESSAGES = 5000 };
    struct world *world = world_new();
    struct queue_report_recipient last;
    struct queue_task task;
    int64_t told_ms[2];
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        world->recipients[0].notify = id < MESSAGES ? NOTIFY_FAILURE : NOTIFY_DELAY;
        world_add(world, id, "ann@a.example");
    }
    expect_step(world, &task, QUEUE_CONNECT);
    world_fail_connection(world, task.lane, "no answer");
    /* At their time, and not before all of them have been looked at. */
    world->now_ms = START_MS + 4 * HOUR_MS;
    size_t idle = 0;
    enum queue_effect effect;
    while ((effect = queue_step(world->queue, world->now_ms, &task)) != QUEUE_REPORT) {
        assert_true(idle < MESSAGES && queue_deadline(world->queue) <= world->now_ms);
        if (effect == QUEUE_CONNECT)
            world_fail_connection(world, task.lane, "no answer");
        idle += effect == QUEUE_IDLE;
    }
    assert_int_equal(task.id, MESSAGES);
    assert_true(idle >= MESSAGES / 1000 - 1);
    queue_reported(world->queue, task.id, true, world->now_ms);
    assert_int_equal(live(world, START_MS + 40 * HOUR_MS, told_ms, COUNT(told_ms), &last), 0);
    world_free(world);
}

static void told_outlasts_a_restart(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    uint8_t kept[512];
    size_t kept_len = 0;
    world->settings.delay_notice_ms = HOUR_MS;
    world->envelope.by_mode = BY_NOTIFY;
    world->envelope.by_ms = START_MS + HOUR_MS;
    world_add(world, 1, "ann@a.example");
    struct lane *lane = world_connect(world);
    for (int restart = 0, told = 0; restart < 3; restart++) {
        while (world->now_ms < START_MS + (restart + 3) * HOUR_MS) {
            enum queue_effect effect;
            while ((effect = world_step(world, &task)) != QUEUE_IDLE) {
                if (effect == QUEUE_SAVE) {
                    kept_len = task.state.len;
                    memcpy(kept, task.state.at, kept_len);
                } else if (effect == QUEUE_REPORT) {
                    /* Both at once. */
                    assert_int_equal(told++, 0);
                    queue_reported(world->queue, 1, true, world->now_ms);
                } else if (effect == QUEUE_CONNECT) {
                    queue_connected(world->queue, task.lane, world->now_ms);
                    lane = task.lane;
                }
            }
            if (queue_has_ready(world->queue, lane))
                world_attempt(world, lane, DEFERRED, "451 later");
            else
                world->now_ms = queue_deadline(world->queue);
        }
        assert_int_equal(told, 1);
        queue_free(world->queue);
        world->queue = queue_new(&world->settings, world->routes);
        assert_true(queue_restore(world->queue, world_envelope(world, 1, "ann@a.example"),
                                  (struct bytes){kept, kept_len}, world->now_ms));
        lane = world_connect(world);
    }
    world_free(world);
}

/* Whoever was told that it is late is told its end too. */
static void late_then_failed(void **state)
{
    struct world *world = world_new();
    struct queue_report_recipient last;
    int64_t told_ms[4];
    world->settings.delay_notice_ms = HOUR_MS;
    world_add(world, 1, "ann@a.example");
    assert_int_equal(live(world, START_MS + 200 * HOUR_MS, told_ms, COUNT(told_ms), &last), 2);
    assert_int_equal(last.outcome, FAILED);
    assert_int_equal(queue_stats(world->queue).messages, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipients_that_end_soon_share_a_report),
        cmocka_unit_test(recipients_that_wait_long_hold_up_no_report),
        cmocka_unit_test(a_connection_that_hangs_holds_up_no_report_for_long),
        cmocka_unit_test(so_many_at_a_time),
        cmocka_unit_test(late_is_told_once),
        cmocka_unit_test(late_is_told_in_the_order_of_arrival),
        cmocka_unit_test(those_who_want_none_are_passed_over),
        cmocka_unit_test(told_outlasts_a_restart),
        cmocka_unit_test(late_then_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
