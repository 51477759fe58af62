/* What an account may send in a day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "policy/quota.h"

enum { DAY = 20000 };
static const int64_t day_ms = 86400000;

static const struct {
    const char *name;
    struct quota_limits limits;
    struct quota_use before;
    uint32_t strangers;
    enum quota_verdict want;
    struct quota_use after;
} rows[] = {
    {"the first of the day", {10, 5}, {DAY - 1, 10, 5}, 1, QUOTA_FINE, {DAY, 1, 1}},
    {"the clock was set back", {10, 5}, {DAY + 1, 3, 1}, 1, QUOTA_FINE, {DAY + 1, 4, 2}},
    {"near", {10, 5}, {DAY, 7, 0}, 0, QUOTA_NEAR, {DAY, 8, 0}},
    {"told once", {10, 5}, {DAY, 8, 0}, 0, QUOTA_FINE, {DAY, 9, 0}},
    {"the last", {10, 5}, {DAY, 9, 0}, 0, QUOTA_FINE, {DAY, 10, 0}},
    {"one too many", {10, 5}, {DAY, 10, 0}, 0, QUOTA_MESSAGES, {DAY, 10, 0}},
    {"strangers near", {10, 5}, {DAY, 0, 2}, 2, QUOTA_NEAR, {DAY, 1, 4}},
    {"the last strangers", {10, 5}, {DAY, 0, 4}, 1, QUOTA_FINE, {DAY, 1, 5}},
    {"strangers too many", {10, 5}, {DAY, 0, 4}, 2, QUOTA_STRANGERS, {DAY, 0, 4}},
    {"to those known only", {10, 5}, {DAY, 0, 5}, 0, QUOTA_FINE, {DAY, 1, 5}},
    {"the limit was lowered", {10, 2}, {DAY, 0, 5}, 1, QUOTA_STRANGERS, {DAY, 0, 5}},
    {"more strangers than a day has", {10, 5}, {DAY, 0, 0}, 6, QUOTA_STRANGERS, {DAY, 0, 0}},
    {"no limits", {0, 0}, {DAY, 5000, 5000}, 9000, QUOTA_FINE, {DAY, 5001, 14000}},
    {"counters end",
     {0, 0},
     {DAY, UINT32_MAX, 5},
     UINT32_MAX,
     QUOTA_FINE,
     {DAY, UINT32_MAX, UINT32_MAX}},
    {"a limit of one is never near", {1, 0}, {DAY, 0, 0}, 0, QUOTA_FINE, {DAY, 1, 0}},
};

static void rows_hold(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct quota_use use = rows[i].before;
        enum quota_verdict verdict =
            quota_spend(&rows[i].limits, DAY * day_ms + 5, rows[i].strangers, &use);
        if (verdict != rows[i].want || use.day != rows[i].after.day ||
            use.messages != rows[i].after.messages || use.strangers != rows[i].after.strangers)
            fail_msg("%s: %d, %u messages, %u strangers", rows[i].name, verdict, use.messages,
                     use.strangers);
    }
}

static void days_are_of_utc(void **state)
{
    assert_int_equal(quota_next_day_ms(0), day_ms);
    assert_int_equal(quota_next_day_ms(DAY * day_ms - 1), DAY * day_ms);
    assert_int_equal(quota_next_day_ms(DAY * day_ms), (DAY + 1) * day_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_hold),
        cmocka_unit_test(days_are_of_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
