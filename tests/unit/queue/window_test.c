/* The window of connections: what happens to it, and how wide it is then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/window.h"

/* a: an answer; b: balks; r, R: refused with 3, 30 working; d: dies; .: six seconds pass. The limit
 * is 20. */
static const struct {
    const char *name, *events;
    uint32_t size;
} rows[] = {
    {"as it begins", "", 2},
    {"one more for each answer", "aaa", 5},
    {"never over the limit", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 20},
    {"halves", "aaaaaab", 4},
    {"what breaks together halves once", "aaaaaabbb", 4},
    {"trouble later halves again", "aaaaaab.b", 2},
    {"never below one", "b.b.b.b", 1},
    {"slowly from there: too few answers", "aaaaaabaaa", 4},
    {"slowly from there: enough", "aaaaaabaaaa", 5},
    {"slowly from there: one more takes more", "aaaaaabaaaaaaaa", 5},
    {"refused where three work", "aaaaar", 3},
    {"refused, but it is no wider", "aR", 3},
    {"after its death from one", "aaaaaad", 1},
    {"after its death fast to the half", "aaaaaadaaa", 4},
    {"and then slowly", "aaaaaadaaaaaa", 4},
};

static void window_table(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct window window;
        int64_t now_ms = 1790000000000;
        window_init(&window);
        for (const char *event = rows[i].events; *event; event++) {
            switch (*event) {
            case 'a': window_answered(&window, 20); break;
            case 'b': window_balked(&window, now_ms); break;
            case 'r': window_refused(&window, 3); break;
            case 'R': window_refused(&window, 30); break;
            case 'd': window_died(&window); break;
            case '.': now_ms += 6000; break;
            }
        }
        if (window.size != rows[i].size)
            fail_msg("%s: %u wide", rows[i].name, window.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
