/* Answers kept for their time, within their bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "facts/cache.h"

/* What the cache answers a table's only open question with; NULL: nothing. */
static const struct answer *ask(struct cache *cache, struct facts *facts, enum fact_type type,
                                const char *name, int64_t now_ms)
{
    struct question question;
    size_t place = 0;
    assert_null(facts_ask(facts, type, bytes_of(name)));
    assert_true(facts_next_open(facts, &place, &question));
    bool is_there = cache_answer(cache, facts, &question, now_ms);
    const struct answer *answer = facts_ask(facts, type, bytes_of(name));
    assert_int_equal(answer != NULL, is_there);
    return answer;
}

static void answers_come_back(void **state)
{
    const struct answer_record records[] = {{.data = BYTES("mx.example"), .preference = 10},
                                            {.data = BYTES(""), .preference = 20}};
    const struct answer kept = {.status = ANSWER_FOUND,
                                .is_secure = true,
                                .ttl_s = 60,
                                .canonical = BYTES("b.example"),
                                .records = records,
                                .count = COUNT(records)};
    struct cache *cache = cache_new(1 << 16, 1);
    struct facts *facts = facts_new();
    cache_add(cache, FACT_MX, BYTES("a.example"), &kept, 1000);
    const struct answer *answer = ask(cache, facts, FACT_MX, "A.example.", 2500);
    assert_non_null(answer);
    assert_int_equal(answer->status, ANSWER_FOUND);
    assert_true(answer->is_secure && answer->count == 2);
    assert_int_equal(answer->ttl_s, 59);
    assert_true(bytes_equal(answer->canonical, BYTES("b.example")));
    assert_true(bytes_equal(answer->records[0].data, BYTES("mx.example")));
    assert_int_equal(answer->records[1].preference, 20);
    /* Another type is another question. */
    assert_null(ask(cache, facts, FACT_TXT, "a.example", 2500));
    facts_free(facts);
    cache_free(cache);
}

static void time_ends(void **state)
{
    static const struct {
        uint32_t ttl_s;
        int64_t later_ms;
        bool is_there;
    } rows[] = {
        {10, 9999, true},      {10, 10000, false},     {0, 0, false},
        {86400, 299999, true}, {86400, 300000, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer kept = {.status = ANSWER_NXDOMAIN, .ttl_s = rows[i].ttl_s};
        struct cache *cache = cache_new(1 << 16, 1);
        struct facts *facts = facts_new();
        cache_add(cache, FACT_A, BYTES("a.example"), &kept, 5);
        assert_int_equal(ask(cache, facts, FACT_A, "a.example", 5 + rows[i].later_ms) != NULL,
                         rows[i].is_there);
        assert_int_equal(cache_count(cache), rows[i].is_there);
        facts_free(facts);
        cache_free(cache);
    }
}

static void failures_are_not_kept(void **state)
{
    static const enum answer_status statuses[] = {ANSWER_SERVFAIL, ANSWER_TIMEOUT};
    struct cache *cache = cache_new(1 << 16, 1);
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct answer kept = {.status = statuses[i], .ttl_s = 60};
        cache_add(cache, FACT_A, BYTES("a.example"), &kept, 0);
    }
    assert_int_equal(cache_count(cache), 0);
    cache_free(cache);
}

static void bytes_are_bounded(void **state)
{
    enum { BYTES_MOST = 20000 };
    static uint8_t text[CACHE_ENTRY_MOST];
    struct answer_record record = {.data = {text, 1000}};
    struct answer kept = {.status = ANSWER_FOUND, .ttl_s = 60, .records = &record, .count = 1};
    struct cache *cache = cache_new(BYTES_MOST, 1);
    struct facts *facts = facts_new();
    char name[] = "a0.example";
    for (char i = '0'; i <= '9'; i++)
        for (char k = 'a'; k <= 'z'; k++) {
            name[0] = k;
            name[1] = i;
            cache_add(cache, FACT_TXT, bytes_of(name), &kept, 0);
            assert_true(cache_bytes(cache) <= BYTES_MOST);
        }
    /* What came last is there, once, and what came first is not. */
    size_t count = cache_count(cache);
    assert_true(count > 5 && count < 20);
    cache_add(cache, FACT_TXT, bytes_of(name), &kept, 0);
    assert_int_equal(cache_count(cache), count);
    assert_non_null(ask(cache, facts, FACT_TXT, "z9.example", 1));
    assert_null(ask(cache, facts, FACT_TXT, "a0.example", 1));
    facts_free(facts);
    record.data.len = sizeof text;
    cache_add(cache, FACT_TXT, BYTES("z9.example"), &kept, 0);
    assert_int_equal(cache_count(cache), count - 1);
    cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_back),
        cmocka_unit_test(time_ends),
        cmocka_unit_test(failures_are_not_kept),
        cmocka_unit_test(bytes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
