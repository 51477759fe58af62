/* Rates: reading them, and keeping to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/rate.h"

static const struct {
    const char *text;
    bool is_valid;
    uint32_t messages;
    int64_t period_ms;
} scan_rows[] = {
    {"100/m", true, 100, 60000},
    {"1/s", true, 1, 1000},
    {"3600/h", true, 3600, 3600000},
    {"1000000/d", true, 1000000, 86400000},
    {"1000001/d", false, 0, 0},
    {"0/s", false, 0, 0},
    {"100", false, 0, 0},
    {"100/", false, 0, 0},
    {"/m", false, 0, 0},
    {"", false, 0, 0},
    {"100/w", false, 0, 0},
    {"100/min", false, 0, 0},
    {"-1/m", false, 0, 0},
    {"1 /m", false, 0, 0},
};

static void rates_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(scan_rows); i++) {
        struct rate rate = {7, 7};
        if (rate_scan(bytes_of(scan_rows[i].text), &rate) != scan_rows[i].is_valid)
            fail_msg("%s: validity", scan_rows[i].text);
        if (!scan_rows[i].is_valid)
            assert_true(rate.messages == 7 && rate.period_ms == 7);
        else if (rate.messages != scan_rows[i].messages || rate.period_ms != scan_rows[i].period_ms)
            fail_msg("%s: read otherwise", scan_rows[i].text);
        char text[32];
        struct buf printed = {.at = (uint8_t *)text, .cap = sizeof text, .limit = sizeof text};
        rate_print(&printed, &rate);
        if (scan_rows[i].is_valid)
            assert_true(bytes_equal(buf_view(&printed), bytes_of(scan_rows[i].text)));
    }
}

/* In any time, no more than the rate and one second's worth; in a long time, no less. */
static void rates_are_kept(void **state)
{
    static const char *const texts[] = {"1/d", "100/m", "1/s", "999/s", "1000000/s", "7/m"};
    static const int64_t start_ms = 1790000000000;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct rate rate;
        struct rate_account account = {0};
        assert_true(rate_scan(bytes_of(texts[i]), &rate));
        assert_true(rate_ready_ms(&rate, &account) <= start_ms);
        int64_t now_ms = start_ms, second = rate.messages * 1000 / rate.period_ms;
        uint64_t most = 0, spent = 0, burst = second > 1 ? (uint64_t)second : 1;
        enum { MANY = 5000 };
        for (; spent < MANY; spent++) {
            if (rate_ready_ms(&rate, &account) > now_ms)
                now_ms = rate_ready_ms(&rate, &account);
            else
                most = spent + 1;
            rate_spend(&rate, &account, now_ms);
            uint64_t due =
                burst + (uint64_t)(now_ms - start_ms) * rate.messages / (uint64_t)rate.period_ms;
            if (spent + 1 > due + 1)
                fail_msg("%s: %llu spent, %llu were due", texts[i], (unsigned long long)spent + 1,
                         (unsigned long long)due);
        }
        assert_true(most >= 1);
        uint64_t least = (uint64_t)(now_ms - start_ms) * rate.messages / (uint64_t)rate.period_ms;
        assert_true(least <= MANY);
        if (burst < MANY && MANY > least + burst + 1)
            fail_msg("%s: too slow or too fast", texts[i]);
    }
}

static void what_is_returned_is_due_again(void **state)
{
    struct rate rate, none = {0};
    struct rate_account account = {0};
    assert_true(rate_scan(BYTES("1/m"), &rate));
    rate_spend(&rate, &account, 1000000);
    assert_true(rate_ready_ms(&rate, &account) == 1060000);
    rate_return(&rate, &account);
    assert_true(rate_ready_ms(&rate, &account) <= 1000000);
    rate_spend(&none, &account, 1000000);
    rate_return(&none, &account);
    assert_true(rate_ready_ms(&none, &account) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_read),
        cmocka_unit_test(rates_are_kept),
        cmocka_unit_test(what_is_returned_is_due_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
