/* The table of facts: what is a name, what stays open, and that its bounds hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "facts/facts.h"

#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define NAME_253                                                                                   \
    LABEL_63 "." LABEL_63 "." LABEL_63 "." /* 192 */ "a23456789.a23456789.a23456789."              \
             "a23456789.a23456789.a23456789.1"

static const struct {
    const char *name, *asked;
    const char *open; /* the open question's name; NULL: answered ANSWER_NXDOMAIN at once */
} names[] = {
    {"as it is", "mail.example", "mail.example"},
    {"any case", "MAIL.Example", "mail.example"},
    {"a final dot", "mail.example.", "mail.example"},
    {"one label", "localhost", "localhost"},
    {"underscores and stars", "_25._tcp.*.example", "_25._tcp.*.example"},
    {"beyond ASCII",
     "b\xc3\xbc"
     "cher.example",
     "b\xc3\xbc"
     "cher.example"},
    {"a label of 63", LABEL_63 ".example", LABEL_63 ".example"},
    {"a label of 64", LABEL_63 "x.example", NULL},
    {"a last label of 64", "example." LABEL_63 "x", NULL},
    {"253 bytes", NAME_253, NAME_253},
    {"253 bytes and a dot", NAME_253 ".", NAME_253},
    {"254 bytes", NAME_253 "2", NULL},
    {"nothing", "", NULL},
    {"the root", ".", NULL},
    {"two dots", "..", NULL},
    {"an empty label first", ".example", NULL},
    {"an empty label within", "mail..example", NULL},
    {"an empty label last", "example..", NULL},
};

/* The text at the very end of a heap block, so that a byte read too far is seen. */
static const struct answer *ask(struct facts *facts, enum fact_type type, const char *text)
{
    size_t len = strlen(text);
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    const struct answer *answer = facts_ask(facts, type, (struct bytes){exact, len});
    free(exact);
    return answer;
}

static void names_table(void **state)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        struct facts *facts = facts_new();
        const struct answer *answer = ask(facts, FACT_MX, names[i].asked);
        size_t place = 0;
        struct question open;
        bool is_open = facts_next_open(facts, &place, &open);
        bool is_right = names[i].open ? !answer && is_open && open.type == FACT_MX &&
                                            bytes_equal(open.name, bytes_of(names[i].open)) &&
                                            open.name.at[open.name.len] == 0
                                      : answer && answer->status == ANSWER_NXDOMAIN && !is_open;
        if (!is_right)
            fail_msg("%s", names[i].name);
        facts_free(facts);
    }
    struct facts *facts = facts_new();
    assert_int_equal(facts_ask(facts, FACT_A, BYTES("a\0b.example"))->status, ANSWER_NXDOMAIN);
    facts_free(facts);
}

static void asks_once_and_keeps_types_apart(void **state)
{
    struct facts *facts = facts_new();
    assert_null(ask(facts, FACT_A, "mail.example"));
    assert_null(ask(facts, FACT_AAAA, "mail.example"));
    assert_null(ask(facts, FACT_A, "Mail.example."));
    static const enum fact_type want[] = {FACT_A, FACT_AAAA};
    size_t place = 0, count = 0;
    for (struct question open; facts_next_open(facts, &place, &open); count++) {
        assert_int_equal(open.type, want[count]);
        facts_answer(facts, open.type, open.name, &(struct answer){.status = ANSWER_NODATA});
    }
    assert_int_equal(count, COUNT(want));
    assert_int_equal(ask(facts, FACT_A, "MAIL.example")->status, ANSWER_NODATA);
    place = 0;
    struct question open;
    assert_false(facts_next_open(facts, &place, &open));
    facts_free(facts);
}

static void copies_an_answer_and_keeps_the_first(void **state)
{
    struct facts *facts = facts_new();
    char name[] = "mx1.example", canonical[] = "real.example", reason[] = "because";
    struct answer_record records[2] = {{.data = bytes_of(name), .preference = 10},
                                       {.usage = 3, .selector = 1, .matching = 2}};
    struct answer answer = {.status = ANSWER_FOUND,
                            .is_secure = true,
                            .ttl_s = 300,
                            .canonical = bytes_of(canonical),
                            .reason = bytes_of(reason),
                            .records = records,
                            .count = 2};
    facts_answer(facts, FACT_MX, BYTES("Not-Asked.example."), &answer);
    memset(name, 'x', sizeof name - 1);
    memset(canonical, 'x', sizeof canonical - 1);
    memset(reason, 'x', sizeof reason - 1);
    memset(records, 0, sizeof records);
    facts_answer(facts, FACT_MX, BYTES("not-asked.example"),
                 &(struct answer){.status = ANSWER_TIMEOUT});
    const struct answer *got = ask(facts, FACT_MX, "not-asked.example");
    assert_non_null(got);
    assert_int_equal(got->status, ANSWER_FOUND);
    assert_true(got->is_secure && !got->is_bogus && !got->is_cut && got->ttl_s == 300);
    assert_true(bytes_equal(got->canonical, BYTES("real.example")));
    assert_true(bytes_equal(got->reason, BYTES("because")));
    assert_int_equal(got->count, 2);
    assert_true(bytes_equal(got->records[0].data, BYTES("mx1.example")));
    assert_int_equal(got->records[0].preference, 10);
    assert_int_equal(got->records[1].usage, 3);
    assert_int_equal(got->records[1].selector, 1);
    assert_int_equal(got->records[1].matching, 2);
    facts_free(facts);
}

static void cuts_long_answers(void **state)
{
    static const struct answer_record records[FACTS_RECORD_LIMIT + 1];
    struct facts *facts = facts_new();
    struct answer answer = {.status = ANSWER_FOUND, .records = records};
    answer.count = FACTS_RECORD_LIMIT;
    facts_answer(facts, FACT_A, BYTES("whole.example"), &answer);
    answer.count++;
    facts_answer(facts, FACT_A, BYTES("cut.example"), &answer);
    assert_false(ask(facts, FACT_A, "whole.example")->is_cut);
    assert_true(ask(facts, FACT_A, "cut.example")->is_cut);
    assert_int_equal(ask(facts, FACT_A, "cut.example")->count, FACTS_RECORD_LIMIT);
    facts_free(facts);
}

static void questions_end_at_the_limit(void **state)
{
    struct facts *facts = facts_new();
    char name[32];
    for (unsigned i = 0; i < FACTS_QUESTION_LIMIT; i++) {
        snprintf(name, sizeof name, "n%u.example", i);
        assert_null(ask(facts, FACT_TXT, name));
    }
    assert_int_equal(ask(facts, FACT_TXT, "more.example")->status, ANSWER_SERVFAIL);
    assert_true(ask(facts, FACT_TXT, "more.example")->reason.len > 0);
    facts_answer(facts, FACT_TXT, BYTES("more.example"), &(struct answer){.status = ANSWER_NODATA});
    assert_int_equal(ask(facts, FACT_TXT, "more.example")->status, ANSWER_SERVFAIL);
    assert_null(ask(facts, FACT_TXT, "n0.example"));
    facts_free(facts);
}

static void bytes_end_at_the_limit(void **state)
{
    enum { LARGE = 65536 };
    uint8_t *large = calloc(1, LARGE);
    assert_non_null(large);
    struct facts *facts = facts_new();
    struct answer_record record = {.data = {large, LARGE}};
    struct answer answer = {.status = ANSWER_FOUND, .records = &record, .count = 1};
    size_t found = 0;
    for (unsigned i = 0; i < 2 * FACTS_BYTES_LIMIT / LARGE; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u.example", i);
        facts_answer(facts, FACT_TXT, bytes_of(name), &answer);
        const struct answer *got = ask(facts, FACT_TXT, name);
        assert_non_null(got);
        found += got->status == ANSWER_FOUND;
        assert_true(got->status == ANSWER_FOUND || got->status == ANSWER_SERVFAIL);
    }
    assert_int_equal(found, FACTS_BYTES_LIMIT / LARGE - 1); /* the rest is the table's own */
    facts_free(facts);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_table),
        cmocka_unit_test(asks_once_and_keeps_types_apart),
        cmocka_unit_test(copies_an_answer_and_keeps_the_first),
        cmocka_unit_test(cuts_long_answers),
        cmocka_unit_test(questions_end_at_the_limit),
        cmocka_unit_test(bytes_end_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
