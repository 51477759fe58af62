/* ARC validation: the suite of the ARC test project by data, and what it leaves out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "auth/arc.h"
#include "letter.h"

enum { NOW_S = 1600000000 };

struct outcome {
    struct arc_verify *verify;
    struct arc_report report;
};

/* Verifies a letter, its body cut in two; the caller frees the verification. */
static struct outcome verify_cut(const struct letter *letter, struct facts *facts, size_t cut)
{
    struct outcome outcome;
    struct body_hash *body = body_hash_new();
    outcome.verify = arc_verify_new(letter->section, body, NULL);
    body_hash_add(body, bytes_sub(letter->body, 0, cut));
    body_hash_add(body, bytes_from(letter->body, cut));
    body_hash_end(body);
    if (arc_verify_finish(outcome.verify, facts, NOW_S, &outcome.report) == ARC_NEEDS_FACTS) {
        facts_answer_open(facts, ANSWER_NXDOMAIN);
        assert_int_equal(arc_verify_finish(outcome.verify, facts, NOW_S, &outcome.report),
                         ARC_DONE);
    }
    body_hash_free(body);
    return outcome;
}

static void add_records(struct facts *facts, json_t *records)
{
    const char *name;
    json_t *record;
    json_object_foreach(records, name, record)
        facts_add_txt(facts, bytes_of(name), bytes_of(json_string_value(record)));
}

/* Three cases have an empty expected result: a seal in them says cv=fail. A validator's answer is
 * one of none, pass and fail (RFC 8617, 4.4), and by 5.2, steps 2 and 3C, this one is fail. */
static bool is_open_case(const char *name)
{
    return strcmp(name, "cv_fail_i1_as_cv_fail") == 0 || strcmp(name, "cv_fail_i2_as2_fail") == 0 ||
           strcmp(name, "cv_fail_i2_as1_fail") == 0;
}

static void check_case(const json_t *test, json_t *records)
{
    const char *name = json_string_value(json_object_get(test, "name"));
    const char *want = json_string_value(json_object_get(test, "cv"));
    struct letter letter;
    letter_init(&letter, bytes_of(json_string_value(json_object_get(test, "message"))));
    struct facts *facts = facts_new();
    add_records(facts, records);
    struct outcome outcome = verify_cut(&letter, facts, letter.body.len / 2);
    if (is_open_case(name)) {
        assert_string_equal(want, "");
        want = "Fail";
    }
    if (!bytes_equal_nocase(bytes_of(arc_result_name(outcome.report.result)), bytes_of(want)))
        fail_msg("%s: %s instead of %s; %.*s", name, arc_result_name(outcome.report.result), want,
                 BYTES_ARGS(outcome.report.reason));
    assert_int_equal(outcome.report.reason.len > 0, outcome.report.result == ARC_FAIL);
    arc_verify_free(outcome.verify);
    facts_free(facts);
    letter_done(&letter);
}

static void validation_suite(void **state)
{
    json_error_t error;
    json_t *all = json_load_file(TEST_DATA "/arc/arc-draft-validation-tests.json", 0, &error);
    json_t *suite, *test;
    size_t i, k, count = 0;
    if (!all)
        fail_msg("%s", error.text);
    json_array_foreach(json_object_get(all, "suites"), i, suite)
    {
        json_array_foreach(json_object_get(suite, "tests"), k, test)
        {
            check_case(test, json_object_get(suite, "txt-records"));
            count++;
        }
    }
    assert_int_equal(count, 171);
    json_decref(all);
}

/* A case of the suite, with its records. */
static void load_case(const char *name, struct letter *letter, struct facts *facts)
{
    json_error_t error;
    json_t *all = json_load_file(TEST_DATA "/arc/arc-draft-validation-tests.json", 0, &error);
    json_t *suite, *test;
    size_t i, k, found = 0;
    json_array_foreach(json_object_get(all, "suites"), i, suite)
    {
        json_array_foreach(json_object_get(suite, "tests"), k, test)
        {
            if (strcmp(json_string_value(json_object_get(test, "name")), name) != 0)
                continue;
            letter_init(letter, bytes_of(json_string_value(json_object_get(test, "message"))));
            add_records(facts, json_object_get(suite, "txt-records"));
            found++;
        }
    }
    assert_int_equal(found, 1);
    json_decref(all);
}

static const struct {
    const char *name;
    unsigned instances, oldest_pass;
} passes[] = {
    {"cv_pass_i1_1", 1, 0},
    {"cv_pass_i3_1", 3, 0},
    {"cv_pass_i2_1_ams1_invalid", 2, 2},
    {"cv_pass_i5_1", 5, 0},
};

static void what_a_pass_tells(void **state)
{
    for (size_t row = 0; row < COUNT(passes); row++) {
        struct letter letter;
        struct facts *facts = facts_new();
        load_case(passes[row].name, &letter, facts);
        struct outcome outcome = verify_cut(&letter, facts, 0);
        const struct arc_report *report = &outcome.report;
        if (report->result != ARC_PASS || report->instances != passes[row].instances ||
            report->oldest_pass != passes[row].oldest_pass)
            fail_msg("%s: %u instances, oldest pass %u", passes[row].name, report->instances,
                     report->oldest_pass);
        for (unsigned i = 0; i < report->instances; i++) {
            assert_true(bytes_equal(report->sets[i].sealer, BYTES("example.org")));
            assert_true(bytes_equal(report->sets[i].signer, BYTES("example.org")));
            assert_true(bytes_starts(report->sets[i].results, BYTES(" lists.example.org;")));
        }
        arc_verify_free(outcome.verify);
        facts_free(facts);
        letter_done(&letter);
    }
}

/* Every failure of the DNS breaks the chain (RFC 8617, 5.2.1); until then, facts are needed. */
static void answers_of_the_dns(void **state)
{
    static const enum answer_status rows[] = {ANSWER_NODATA, ANSWER_NXDOMAIN, ANSWER_SERVFAIL,
                                              ANSWER_TIMEOUT};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct letter letter;
        struct arc_report report;
        struct facts *unused = facts_new(), *facts = facts_new();
        load_case("cv_pass_i2_1", &letter, unused);
        struct body_hash *body = body_hash_new();
        struct arc_verify *verify = arc_verify_new(letter.section, body, NULL);
        body_hash_add(body, letter.body);
        body_hash_end(body);
        assert_int_equal(arc_verify_finish(verify, facts, NOW_S, &report), ARC_NEEDS_FACTS);
        facts_answer_open(facts, rows[i]);
        assert_int_equal(arc_verify_finish(verify, facts, NOW_S, &report), ARC_DONE);
        assert_int_equal(report.result, ARC_FAIL);
        assert_true(bytes_starts(report.reason, BYTES("ARC-Message-Signature 2: ")));
        arc_verify_free(verify);
        body_hash_free(body);
        facts_free(facts);
        facts_free(unused);
        letter_done(&letter);
    }
}

/* Chains that are broken before any signature counts. */
static const struct {
    const char *name, *section;
    unsigned instances;
    const char *reason;
} broken[] = {
    {"results alone", "ARC-Authentication-Results: i=1; a.example\r\n", 1,
     "an instance has no ARC-Message-Signature"},
    {"a seal alone", "ARC-Seal: i=3; cv=none\r\n", 3,
     "an instance has no ARC-Authentication-Results"},
    {"instance 51", "ARC-Seal: i=51; cv=none\r\n", 0, "a field has no instance from 1 to 50"},
    {"an empty seal", "ARC-Seal:\r\n", 0, "a field has no instance from 1 to 50"},
    {"results of two instances", "ARC-Authentication-Results: i=1; i=2; a.example\r\n", 1,
     "an instance has no ARC-Message-Signature"},
    {"a field twice", "ARC-Seal: i=1; cv=none\r\nARC-Seal: i=1; cv=none\r\n", 1,
     "an instance has a field twice"},
};

static void broken_chains(void **state)
{
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct letter letter;
        struct buf text;
        struct facts *facts = facts_new();
        buf_init(&text, 10000);
        buf_addf(&text, "%sFrom: ann@example.org\r\n\r\nhi\r\n", broken[i].section);
        letter_init(&letter, buf_view(&text));
        struct outcome outcome = verify_cut(&letter, facts, 0);
        if (outcome.report.result != ARC_FAIL || outcome.report.instances != broken[i].instances ||
            !bytes_equal(outcome.report.reason, bytes_of(broken[i].reason)))
            fail_msg("%s: %u, %.*s", broken[i].name, outcome.report.instances,
                     BYTES_ARGS(outcome.report.reason));
        arc_verify_free(outcome.verify);
        facts_free(facts);
        letter_done(&letter);
        buf_done(&text);
    }
}

static void no_chain(void **state)
{
    struct letter letter;
    struct facts *facts = facts_new();
    letter_init(&letter, BYTES("From: ann@example.org\r\n\r\nhi\r\n"));
    struct outcome outcome = verify_cut(&letter, facts, 0);
    assert_int_equal(outcome.report.result, ARC_NONE);
    assert_int_equal(outcome.report.instances, 0);
    arc_verify_free(outcome.verify);
    arc_verify_free(NULL);
    facts_free(facts);
    letter_done(&letter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validation_suite),   cmocka_unit_test(what_a_pass_tells),
        cmocka_unit_test(answers_of_the_dns), cmocka_unit_test(broken_chains),
        cmocka_unit_test(no_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
