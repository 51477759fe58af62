/* A line of tasks: each runs once and off the loop, in order, and is answered on it; what is taken
 * out never runs, and what runs cannot be taken out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <cmocka.h>

#include "daemon/line.h"

enum { TASKS = 100 };

struct scene;

struct piece {
    struct scene *scene;
    struct line_task task;
    bool has_run, was_done;
};

struct scene {
    struct loop *loop;
    struct line *line;
    pthread_t loop_thread;
    struct piece pieces[TASKS];
    size_t next;       /* to run; written by the line's thread */
    size_t done, left; /* until the loop stops */
    bool takes_out;    /* what is done takes the others out, as far as they can be */
};

static void run(void *context)
{
    struct piece *piece = context;
    struct scene *scene = piece->scene;
    assert_false(pthread_equal(pthread_self(), scene->loop_thread));
    assert_false(piece->has_run);
    assert_true(piece >= &scene->pieces[scene->next]);
    scene->next = (size_t)(piece - scene->pieces) + 1;
    piece->has_run = true;
}

static void take_out_all(struct scene *scene)
{
    for (size_t i = 0; i < TASKS; i++) {
        struct piece *piece = &scene->pieces[i];
        if (piece->task.state == TASK_WAITS) {
            assert_true(line_remove(&piece->task));
            scene->left--;
        } else if (piece->task.state == TASK_RUNS) {
            assert_false(line_remove(&piece->task));
        } else {
            assert_true(line_remove(&piece->task));
        }
    }
}

static void done(void *context)
{
    struct piece *piece = context;
    struct scene *scene = piece->scene;
    assert_true(pthread_equal(pthread_self(), scene->loop_thread));
    assert_true(piece->has_run && !piece->was_done);
    piece->was_done = true;
    scene->done++;
    scene->left--;
    if (scene->takes_out)
        take_out_all(scene);
    if (scene->left == 0)
        loop_stop(scene->loop);
}

static void on_turn(void *context)
{
    struct scene *scene = context;
    line_turn(scene->line);
}

static void begin(struct scene *scene)
{
    struct error err;
    *scene = (struct scene){.loop = loop_new(&err), .loop_thread = pthread_self(), .left = TASKS};
    assert_non_null(scene->loop);
    scene->line = line_new(scene->loop);
    loop_on_turn(scene->loop, on_turn, scene);
    for (size_t i = 0; i < TASKS; i++) {
        struct piece *piece = &scene->pieces[i];
        piece->scene = scene;
        line_task_init(&piece->task, run, done, piece);
        assert_true(line_remove(&piece->task));
        line_add(scene->line, &piece->task);
    }
    assert_false(line_is_idle(scene->line));
}

static void end(struct scene *scene)
{
    assert_true(line_is_idle(scene->line));
    line_free(scene->line);
    loop_on_turn(scene->loop, NULL, NULL);
    loop_free(scene->loop);
}

static void all_run_in_order(void **state)
{
    struct scene scene;
    begin(&scene);
    loop_run(scene.loop);
    assert_int_equal(scene.done, TASKS);
    end(&scene);
}

static void what_is_taken_out_does_not_run(void **state)
{
    struct scene scene;
    begin(&scene);
    assert_true(line_remove(&scene.pieces[3].task));
    scene.left--;
    scene.takes_out = true;
    loop_run(scene.loop);
    assert_true(scene.done > 0 && scene.done < TASKS);
    for (size_t i = 0; i < TASKS; i++)
        assert_int_equal(scene.pieces[i].has_run, scene.pieces[i].was_done);
    assert_false(scene.pieces[3].has_run);
    end(&scene);
}

static void one_that_had_nothing_to_do_goes(void **state)
{
    struct error err;
    struct loop *loop = loop_new(&err);
    assert_non_null(loop);
    line_free(line_new(loop));
    line_free(NULL);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_run_in_order),
        cmocka_unit_test(what_is_taken_out_does_not_run),
        cmocka_unit_test(one_that_had_nothing_to_do_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
