/* Failures of logging in, and the bans that they bring: as scripts of what happens when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/ban.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
static const int64_t START = INT64_C(1700000000000);

static struct ban_query query_of(const char *client, const char *account)
{
    struct ban_query query = {.account = bytes_of(account)};
    assert_true(ip_scan(bytes_of(client), &query.client));
    return query;
}

static bool is_banned(const struct bans *bans, const char *client, const char *account, int64_t at)
{
    struct ban_query query = query_of(client, account);
    return bans_check(bans, &query, START + at).is_banned;
}

static struct ban_verdict fail_once(struct bans *bans, const char *client, const char *account,
                                    int64_t at)
{
    struct ban_query query = query_of(client, account);
    struct ban_verdict verdict;
    (void)bans_fail(bans, &query, START + at, &verdict);
    return verdict;
}

static void succeed(struct bans *bans, const char *client, const char *account, int64_t at)
{
    struct ban_query query = query_of(client, account);
    bans_succeed(bans, &query, START + at);
}

/* How many failures in a row bring a ban, a step apart. */
static size_t failures_to_ban(struct bans *bans, const char *client, const char *account,
                              int64_t from, int64_t step, struct ban_verdict *out)
{
    for (size_t count = 1; count < 1000; count++) {
        *out = fail_once(bans, client, account, from + (int64_t)count * step);
        if (out->is_banned)
            return count;
    }
    return 0;
}

static void many_failures_ban_an_address(void **state)
{
    static const struct {
        const char *name, *client, *same_network, *elsewhere;
    } rows[] = {
        {"IPv4", "192.0.2.1", "192.0.2.2", "192.0.3.1"},
        {"IPv6", "2001:db8::1", "2001:db8::2", "2001:db8:1::1"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bans *bans = bans_new(1);
        struct ban_verdict ban;
        assert_int_equal(failures_to_ban(bans, rows[i].client, "ann", 0, 1, &ban), 11);
        assert_int_equal(ban.kind, BAN_ADDRESS);
        assert_int_equal(ban.until_ms, START + 11 + 10 * MINUTE);
        assert_true(is_banned(bans, rows[i].client, "ann", 12));
        assert_true(is_banned(bans, rows[i].client, "bob", 12));
        assert_false(is_banned(bans, rows[i].same_network, "ann", 12));
        assert_false(is_banned(bans, rows[i].elsewhere, "ann", 12));
        assert_false(is_banned(bans, rows[i].client, "ann", 11 + 10 * MINUTE));
        bans_free(bans);
    }
}

static void each_next_ban_is_longer_up_to_a_day(void **state)
{
    struct bans *bans = bans_new(1);
    int64_t now = 0, longest = 0;
    for (int i = 0; i < 12; i++) {
        struct ban_verdict ban;
        assert_true(failures_to_ban(bans, "192.0.2.1", "", now, 1, &ban) > 0);
        int64_t length = ban.until_ms - START - now;
        assert_true(length >= longest);
        longest = length - 100;
        now = ban.until_ms - START;
    }
    assert_true(longest > DAY - MINUTE && longest <= DAY);
    bans_free(bans);
}

static void slow_failures_are_forgotten(void **state)
{
    struct bans *bans = bans_new(1);
    struct ban_verdict ban;
    /* A phone with an old password, every five minutes. */
    assert_int_equal(failures_to_ban(bans, "192.0.2.1", "ann", 0, 5 * MINUTE, &ban), 0);
    bans_free(bans);
}

static void a_network_is_banned_as_one(void **state)
{
    struct bans *bans = bans_new(1);
    struct ban_verdict ban = {.is_banned = false};
    char client[32];
    size_t count = 0;
    while (!ban.is_banned && count < 1000) {
        snprintf(client, sizeof client, "192.0.2.%zu", count++ % 250);
        ban = fail_once(bans, client, "", (int64_t)count);
    }
    assert_true(count > 39 && count < 45);
    assert_int_equal(ban.kind, BAN_NETWORK);
    assert_true(is_banned(bans, "192.0.2.251", "ann", 1000));
    assert_false(is_banned(bans, "192.0.3.1", "ann", 1000));
    bans_free(bans);
}

static void an_account_is_kept_for_those_who_know_it(void **state)
{
    struct bans *bans = bans_new(1);
    struct ban_verdict ban = {.is_banned = false};
    char client[32];
    succeed(bans, "198.51.100.1", "ann", 0);
    for (size_t i = 0; i < 200 && !ban.is_banned; i++) {
        snprintf(client, sizeof client, "10.%zu.0.1", i);
        ban = fail_once(bans, client, "ann", (int64_t)i);
    }
    assert_int_equal(ban.kind, BAN_ACCOUNT);
    assert_true(is_banned(bans, "203.0.113.1", "ann", 1000));
    assert_false(is_banned(bans, "198.51.100.1", "ann", 1000));
    assert_false(is_banned(bans, "203.0.113.1", "bob", 1000));
    bans_free(bans);
}

static void delays_grow_and_end(void **state)
{
    struct bans *bans = bans_new(1);
    struct ban_query query = query_of("192.0.2.1", "");
    struct ban_verdict ban;
    int64_t last = 0;
    for (int i = 0; i < 9; i++) {
        int64_t delay = bans_fail(bans, &query, START + i, &ban);
        assert_true(delay >= last && delay >= 250 && delay <= 8000);
        last = delay;
    }
    assert_int_equal(last, 8000);
    bans_succeed(bans, &query, START + 10);
    assert_int_equal(bans_fail(bans, &query, START + 11, &ban), 250);
    bans_free(bans);
}

static void what_is_handed_out_comes_back(void **state)
{
    struct bans *bans = bans_new(1), *again = bans_new(2);
    struct ban_entry entry;
    struct ban_verdict ban;
    size_t count = 0;
    assert_true(failures_to_ban(bans, "192.0.2.1", "ann", 0, 1, &ban) > 0);
    succeed(bans, "198.51.100.1", "ann", 0);
    for (; bans_take_changed(bans, &entry); count++) {
        enum ban_kind kind;
        assert_true(ban_kind_find(bytes_of(ban_kind_word(entry.kind)), &kind));
        assert_int_equal(kind, entry.kind);
        assert_true(ban_entry_matters(&entry, START + HOUR));
        assert_false(ban_entry_matters(&entry, START + INT64_C(100) * DAY));
        bans_restore(again, &entry);
    }
    assert_int_equal(count, 4);
    assert_int_equal(bans_count(again), 4);
    assert_true(is_banned(again, "192.0.2.1", "bob", 100));
    assert_false(bans_take_changed(again, &entry));
    bans_free(bans);
    bans_free(again);
}

static bool is_no_address(void *context, enum ban_kind kind, struct bytes key)
{
    return kind != BAN_ADDRESS;
}

static void what_was_removed_is_dropped(void **state)
{
    struct bans *bans = bans_new(1);
    struct ban_entry entry;
    struct ban_verdict ban;
    assert_true(failures_to_ban(bans, "192.0.2.1", "ann", 0, 1, &ban) > 0);
    /* Not written yet: nobody can have removed it. */
    bans_sift(bans, is_no_address, NULL);
    assert_true(is_banned(bans, "192.0.2.1", "ann", 20));
    while (bans_take_changed(bans, &entry))
        continue;
    bans_sift(bans, is_no_address, NULL);
    assert_false(is_banned(bans, "192.0.2.1", "ann", 20));
    assert_int_equal(bans_count(bans), 2);
    bans_free(bans);
}

static void memory_is_bounded(void **state)
{
    struct bans *bans = bans_new(1);
    struct ban_verdict ban;
    char client[32], account[BAN_ACCOUNT_LIMIT + 100];
    memset(account, 'x', sizeof account - 1);
    account[sizeof account - 1] = 0;
    assert_true(failures_to_ban(bans, "192.0.2.1", account, 0, 1, &ban) > 0);
    for (size_t i = 0; i < BANS_LIMIT; i++) {
        snprintf(client, sizeof client, "10.%zu.%zu.1", i >> 8, i & 0xff);
        (void)fail_once(bans, client, "", 100);
    }
    assert_int_equal(bans_count(bans), BANS_LIMIT);
    assert_true(is_banned(bans, "192.0.2.1", "", 200));
    bans_free(bans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_failures_ban_an_address),
        cmocka_unit_test(each_next_ban_is_longer_up_to_a_day),
        cmocka_unit_test(slow_failures_are_forgotten),
        cmocka_unit_test(a_network_is_banned_as_one),
        cmocka_unit_test(an_account_is_kept_for_those_who_know_it),
        cmocka_unit_test(what_was_removed_is_dropped),
        cmocka_unit_test(delays_grow_and_end),
        cmocka_unit_test(what_is_handed_out_comes_back),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
