/* Group commit: the loop, the spool and a disk that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/commit.h"
#include "disk/disk_sim.h"

enum { TICKS = 30, BATCHES_FEW = 3 };

struct scene {
    struct commit_owner owner; /* first: results come to it */
    struct loop *loop;
    struct disk *disk;
    struct spool *spool;
    struct commit *commit;
    struct timer timer;
    int ticks;
    enum spool_outcome outcome;
};

static void on_turn(void *context)
{
    struct scene *scene = context;
    commit_turn(scene->commit);
}

static void on_tick(void *context)
{
    struct scene *scene = context;
    if (++scene->ticks >= TICKS && commit_is_idle(scene->commit))
        loop_stop(scene->loop);
    else
        timer_set(&scene->timer, loop_now_ms(scene->loop) + 1);
}

static void on_stored(struct commit_owner *owner, const struct spool_result *result)
{
    struct scene *scene = CONTAINER(owner, struct scene, owner);
    scene->outcome = result->outcome;
}

static void run(struct scene *scene)
{
    scene->ticks = 0;
    timer_set(&scene->timer, loop_now_ms(scene->loop) + 1);
    loop_run(scene->loop);
}

static void on_found(void *context, const struct spool_found *found)
{
}

static void a_disk_that_fails_is_not_asked_without_end(void **state)
{
    struct scene scene = {.owner.stored = on_stored, .disk = disk_sim_new(1)};
    struct spool_settings settings = {
        .path = "shard", .segment_bytes = 65536, .inline_body_bytes = 4096, .is_durable = true};
    struct error err;
    scene.loop = loop_new(&err);
    scene.spool = spool_open(scene.disk, &settings, on_found, NULL, &err);
    assert_true(scene.loop && scene.spool);
    scene.commit = commit_new(scene.loop, scene.spool, NULL);
    timer_init(&scene.timer, scene.loop, on_tick, &scene);
    loop_on_turn(scene.loop, on_turn, &scene);

    struct spool_message message = {.id = 1, .meta = BYTES("m"), .prefix = BYTES("p")};
    scene.outcome = SPOOL_FAILED;
    spool_append(scene.spool, &message, NULL, &scene.owner);
    run(&scene);
    assert_int_equal(scene.outcome, SPOOL_STORED);

    /* A state is in no hurry: one attempt, and then it waits to be asked for again. */
    uint64_t before = spool_stats(scene.spool).batches;
    disk_sim_set(scene.disk, &(struct disk_sim_faults){.write_permille = 1000});
    spool_update(scene.spool, 1, BYTES("deferred"));
    run(&scene);
    assert_true(spool_stats(scene.spool).batches - before < BATCHES_FEW);

    disk_sim_set(scene.disk, &(struct disk_sim_faults){0});
    assert_true(spool_has_room(scene.spool, loop_now_ms(scene.loop)));
    assert_false(commit_is_idle(scene.commit));
    run(&scene);
    assert_true(commit_is_idle(scene.commit));

    timer_clear(&scene.timer);
    loop_on_turn(scene.loop, NULL, NULL);
    commit_free(scene.commit);
    spool_close(scene.spool);
    disk_free(scene.disk);
    loop_free(scene.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_fails_is_not_asked_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
