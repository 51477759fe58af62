/* Whose question is asked next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "net/turns.h"

enum { RUNNING = 16, WAITING = 40, IN_GROUP = RUNNING / 8, WAIT_IN_GROUP = WAITING / 4 };

static const struct {
    const char *name, *a, *b;
    bool is_one; /* group */
} pairs[] = {
    {"the same", "a.example", "a.example", true},
    {"in capitals", "x.a.example", "Y.A.Example", true},
    {"below", "a.example", "x.y.a.example", true},
    {"beside", "a.example", "b.example", false},
    {"a part of a label", "aa.example", "a.example", false},
    {"one label", "example", "a.example", false},
    {"none", "", "example", false},
};

static void names_below_a_domain_are_a_group(void **state)
{
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct turns *turns = turns_new(8, WAITING, 1);
        struct turn first, second;
        assert_true(turns_wait(turns, &first, bytes_of(pairs[i].a)));
        assert_true(turns_next(turns) == &first);
        /* A group has one of eight places. */
        assert_true(turns_wait(turns, &second, bytes_of(pairs[i].b)));
        if ((turns_next(turns) == NULL) != pairs[i].is_one)
            fail_msg("%s", pairs[i].name);
        turns_leave(turns, &first);
        assert_true(pairs[i].is_one == (turns_next(turns) == &second));
        turns_leave(turns, &second);
        turns_free(turns);
    }
}

static void the_newest_of_a_group_comes_first(void **state)
{
    struct turns *turns = turns_new(RUNNING, WAITING, 1);
    struct turn turn[4];
    for (size_t i = 0; i < COUNT(turn); i++)
        assert_true(turns_wait(turns, &turn[i], BYTES("x.a.example")));
    assert_true(turns_next(turns) == &turn[3]);
    turns_leave(turns, &turn[2]);
    assert_true(turns_next(turns) == &turn[1]);
    assert_null(turns_next(turns));
    turns_leave(turns, &turn[3]);
    assert_true(turns_next(turns) == &turn[0]);
    turns_leave(turns, &turn[1]);
    turns_leave(turns, &turn[0]);
    turns_free(turns);
}

static void groups_take_turns(void **state)
{
    struct turns *turns = turns_new(3, WAITING, 1);
    struct turn turn[9];
    static const char *const domains[] = {"a.example", "b.example", "c.example"};
    for (size_t i = 0; i < COUNT(turn); i++)
        assert_true(turns_wait(turns, &turn[i], bytes_of(domains[i / 3])));
    for (size_t i = 0; i < 3; i++)
        assert_true(turns_next(turns) == &turn[3 * i + 2]);
    assert_null(turns_next(turns));
    for (size_t i = 0; i < 3; i++) {
        turns_leave(turns, &turn[3 * i + 2]);
        assert_true(turns_next(turns) == &turn[3 * i + 1]);
    }
    for (size_t i = 0; i < COUNT(turn); i++)
        if (i % 3 < 2)
            turns_leave(turns, &turn[i]);
    turns_free(turns);
}

static void limits_are_kept(void **state)
{
    struct turns *turns = turns_new(RUNNING, WAITING, 1);
    struct turn turn[WAITING], other;
    char name[32];
    size_t running = 0;
    for (size_t i = 0; i < WAITING; i++) {
        bool has_waited = turns_wait(turns, &turn[i], BYTES("far.example"));
        assert_true(has_waited == (i < WAIT_IN_GROUP));
    }
    for (size_t i = WAIT_IN_GROUP; i < WAITING; i++) {
        snprintf(name, sizeof name, "%zu.example", i);
        assert_true(turns_wait(turns, &turn[i], bytes_of(name)));
    }
    assert_false(turns_wait(turns, &other, BYTES("other.example")));
    while (turns_next(turns))
        running++;
    assert_int_equal(running, RUNNING);
    size_t far = 0;
    for (size_t i = 0; i < WAIT_IN_GROUP; i++)
        far += turn[i].is_running;
    assert_true(far > 0 && far <= IN_GROUP);
    for (size_t i = 0; i < WAITING; i++)
        turns_leave(turns, &turn[i]);
    turns_free(turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_below_a_domain_are_a_group),
        cmocka_unit_test(the_newest_of_a_group_comes_first),
        cmocka_unit_test(groups_take_turns),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
