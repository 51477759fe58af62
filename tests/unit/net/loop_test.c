/* The loop: timers in order and pushed away, jobs, the hand, names, and the hook before sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/instant.h"
#include "net/loop.h"

struct scene {
    struct loop *loop;
    struct buf story; /* what happened, in order */
    struct timer timers[3];
    int left; /* events until the loop stops */
    int turns;
};

static void tell(struct scene *scene, const char *what)
{
    buf_add(&scene->story, bytes_of(what));
    if (--scene->left == 0)
        loop_stop(scene->loop);
}

static void begin(struct scene *scene, int events)
{
    struct error err;
    *scene = (struct scene){.left = events, .loop = loop_new(&err)};
    assert_non_null(scene->loop);
    buf_init(&scene->story, 1024);
}

static void end(struct scene *scene, const char *want)
{
    loop_run(scene->loop);
    assert_true(bytes_equal(buf_view(&scene->story), bytes_of(want)));
    buf_done(&scene->story);
}

static void fire_a(void *context)
{
    tell(context, "a");
}

static void fire_b(void *context)
{
    tell(context, "b");
}

static void fire_c(void *context)
{
    tell(context, "c");
}

static void timers_fire_in_order(void **state)
{
    struct scene scene;
    begin(&scene, 3);
    int64_t now_ms = loop_now_ms(scene.loop);
    timer_init(&scene.timers[0], scene.loop, fire_a, &scene);
    timer_init(&scene.timers[1], scene.loop, fire_b, &scene);
    timer_init(&scene.timers[2], scene.loop, fire_c, &scene);
    timer_set(&scene.timers[0], now_ms + 2);
    timer_set(&scene.timers[1], now_ms + 4);
    timer_set(&scene.timers[2], now_ms + 1);
    /* Pushed away behind the others: no place in the heap changes, only the order of firing. */
    timer_set(&scene.timers[2], now_ms + 6);
    end(&scene, "abc");
    loop_free(scene.loop);
}

static void cleared_timers_do_not_fire(void **state)
{
    struct scene scene;
    begin(&scene, 1);
    timer_init(&scene.timers[0], scene.loop, fire_a, &scene);
    timer_init(&scene.timers[1], scene.loop, fire_b, &scene);
    timer_set(&scene.timers[0], loop_now_ms(scene.loop) + 1);
    timer_set(&scene.timers[1], loop_now_ms(scene.loop) + 3);
    timer_set(&scene.timers[0], INT64_MAX);
    end(&scene, "b");
    loop_free(scene.loop);
}

static void run_nothing(void *context)
{
}

static void hand_done_twice(void *context);

struct relay {
    struct scene *scene;
    struct hand *hand;
};

static void hand_done(void *context)
{
    struct relay *relay = context;
    tell(relay->scene, "1");
    hand_job(relay->hand, run_nothing, hand_done_twice, relay);
}

static void hand_done_twice(void *context)
{
    struct relay *relay = context;
    tell(relay->scene, "2");
}

static void a_hand_does_one_job_after_the_other(void **state)
{
    struct scene scene;
    begin(&scene, 2);
    struct relay relay = {&scene, hand_new(scene.loop)};
    hand_job(relay.hand, run_nothing, hand_done, &relay);
    end(&scene, "12");
    hand_free(relay.hand);
    loop_free(scene.loop);
}

static void jobs_come_back(void **state)
{
    struct scene scene;
    begin(&scene, 2);
    loop_job(scene.loop, run_nothing, fire_a, &scene);
    loop_job(scene.loop, run_nothing, fire_a, &scene);
    end(&scene, "aa");
    loop_free(scene.loop);
}

static void found(void *context, const struct lookup_address *addresses, size_t count,
                  const char *failure)
{
    tell(context, !failure && count == 1 && addresses[0].len > 0 ? "found" : "not found");
}

static void lookups_answer(void **state)
{
    struct scene scene;
    begin(&scene, 2);
    loop_lookup(scene.loop, BYTES("127.0.0.1"), 25, found, &scene);
    loop_lookup(scene.loop, BYTES("::1"), 25, found, &scene);
    end(&scene, "foundfound");
    loop_free(scene.loop);
}

static void count_turn(void *context)
{
    struct scene *scene = context;
    scene->turns++;
}

static void the_hook_runs_before_each_sleep(void **state)
{
    struct scene scene;
    begin(&scene, 1);
    loop_on_turn(scene.loop, count_turn, &scene);
    timer_init(&scene.timers[0], scene.loop, fire_a, &scene);
    timer_set(&scene.timers[0], loop_now_ms(scene.loop) + 2);
    end(&scene, "a");
    /* Few turns: a loop that spins until a timer is due would take thousands. */
    assert_in_range(scene.turns, 1, 10);
    loop_free(scene.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order),
        cmocka_unit_test(cleared_timers_do_not_fire),
        cmocka_unit_test(a_hand_does_one_job_after_the_other),
        cmocka_unit_test(jobs_come_back),
        cmocka_unit_test(lookups_answer),
        cmocka_unit_test(the_hook_runs_before_each_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
