/* The queue in front of the keeper's threads: turns for each source, and bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/keeper_queue.h"

struct row {
    const char *name, *adds, *want; /* each a letter: the item's source */
    size_t limit, source_limit;
    const char *refused;
};

static const struct row rows[] = {
    {"in order", "aaa", "aaa", 10, 10, ""},
    {"in turns", "aaaabbc", "abcabaa", 10, 10, ""},
    {"a flood beside one", "aaaaaaaab", "abaaaaaaa", 20, 20, ""},
    {"too many of a source", "aaaab", "abaa", 10, 3, "a"},
    {"too many in all", "abcd", "abc", 3, 3, "d"},
};

static void turns_and_bounds(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *row = &rows[i];
        struct keeper_queue *queue = keeper_queue_new(row->limit, row->source_limit, 1);
        struct {
            struct keeper_item item;
            char source;
        } items[32] = {0};
        const char *refused = row->refused;
        for (size_t at = 0; row->adds[at]; at++) {
            struct bytes source = {(const uint8_t *)row->adds + at, 1};
            items[at].source = row->adds[at];
            if (!keeper_queue_add(queue, source, &items[at].item))
                assert_int_equal(*refused++, row->adds[at]);
        }
        assert_int_equal(*refused, 0);
        for (size_t at = 0; row->want[at]; at++) {
            struct keeper_item *item = keeper_queue_take(queue);
            if (!item || *((char *)item + offsetof(__typeof__(items[0]), source)) != row->want[at])
                fail_msg("%s: turn %zu", row->name, at);
            assert_null(item->source);
        }
        assert_null(keeper_queue_take(queue));
        keeper_queue_free(queue);
    }
}

static void what_waits_can_be_taken_out(void **state)
{
    struct keeper_queue *queue = keeper_queue_new(10, 10, 1);
    struct keeper_item items[3] = {{.source = NULL}};
    for (size_t i = 0; i < COUNT(items); i++)
        assert_true(keeper_queue_add(queue, i < 2 ? BYTES("a") : BYTES("b"), &items[i]));
    keeper_queue_remove(queue, &items[0]);
    keeper_queue_remove(queue, &items[0]);
    keeper_queue_remove(queue, &items[2]);
    assert_int_equal(keeper_queue_count(queue), 1);
    assert_ptr_equal(keeper_queue_take(queue), &items[1]);
    assert_null(keeper_queue_take(queue));
    keeper_queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_and_bounds),
        cmocka_unit_test(what_waits_can_be_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
