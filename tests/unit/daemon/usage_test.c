/* What accounts have sent, kept in a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/usage.h"

static const int64_t day_ms = 86400000;
static const struct quota_limits limits = {3, 4};
static char folder[] = "/tmp/postrider-usage.XXXXXX";

static int set_up(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"usage.db", "usage.db-wal", "usage.db-shm"};
    char path[100];
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

static struct usage *open_file(void)
{
    struct error err;
    struct usage *usage = usage_open(folder, &err);
    if (!usage)
        fail_msg("%s", err.text);
    return usage;
}

/* Recipients are eight letters each. */
static enum quota_verdict spend(struct usage *usage, const char *account, const char *recipients,
                                int64_t day)
{
    struct error err;
    const struct usage_message message = {bytes_of(account), bytes_of(recipients), limits,
                                          day * day_ms + 1};
    struct usage_result result;
    if (!usage_spend(usage, &message, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result.use.day, day);
    return result.verdict;
}

static void what_was_sent_is_remembered(void **state)
{
    struct usage *usage = open_file();
    assert_int_equal(spend(usage, "ann", "bob-----joe-----", 100), QUOTA_FINE);
    assert_int_equal(spend(usage, "ann", "bob-----", 100), QUOTA_NEAR);
    usage_close(usage);
    usage = open_file();
    assert_int_equal(spend(usage, "ann", "eve-----zoe-----max-----", 100), QUOTA_STRANGERS);
    assert_int_equal(spend(usage, "ann", "eve-----zoe-----", 100), QUOTA_NEAR);
    assert_int_equal(spend(usage, "ann", "bob-----", 100), QUOTA_MESSAGES);
    /* Another account is another's. */
    assert_int_equal(spend(usage, "bob", "joe-----", 100), QUOTA_FINE);
    /* The next day is a new one; who is known stays known. */
    assert_int_equal(spend(usage, "ann", "bob-----eve-----zoe-----joe-----new-----", 101),
                     QUOTA_FINE);
    usage_close(usage);
}

static void who_was_not_written_to_for_long_is_forgotten(void **state)
{
    struct usage *usage = open_file();
    assert_int_equal(spend(usage, "max", "old-----", 1000), QUOTA_FINE);
    assert_int_equal(spend(usage, "max", "old-----", 1400), QUOTA_FINE);
    assert_int_equal(spend(usage, "max", "new1----", 1801), QUOTA_FINE);
    /* Forgotten on the day before: one stranger more than a day may have. */
    assert_int_equal(spend(usage, "max", "old-----new2----new3----new4----", 1801),
                     QUOTA_STRANGERS);
    assert_int_equal(spend(usage, "max", "old-----new2----", 1801), QUOTA_NEAR);
    usage_close(usage);
}

static void a_file_that_is_none_is_said(void **state)
{
    struct error err;
    assert_null(usage_open("/nonexistent", &err));
    assert_true(bytes_search(bytes_of(err.text), BYTES("/nonexistent/usage.db")) <
                strlen(err.text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_is_remembered),
        cmocka_unit_test(who_was_not_written_to_for_long_is_forgotten),
        cmocka_unit_test(a_file_that_is_none_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
