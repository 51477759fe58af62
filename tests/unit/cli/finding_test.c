/* Findings: their order, their sum, and the exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/command.h"
#include "cli/finding.h"

static void test_order(void **state)
{
    static const struct {
        enum severity severity;
        const char *code;
    } added[] = {{SEVERITY_GOOD, "a"},    {SEVERITY_WARNING, "b"}, {SEVERITY_PROBLEM, "c"},
                 {SEVERITY_WARNING, "d"}, {SEVERITY_UNKNOWN, "e"}, {SEVERITY_NOTE, "f"}};
    struct findings *findings = findings_new();
    for (size_t i = 0; i < COUNT(added); i++)
        buf_addf(&findings_add(findings, added[i].severity, "test", added[i].code)->what, "%zu", i);
    char order[COUNT(added) + 1] = "";
    for (size_t i = 0; i < COUNT(added); i++)
        order[i] = findings_view(findings, i)->code[0];
    assert_string_equal(order, "cbdefa");
    assert_int_equal(findings_count(findings, SEVERITY_WARNING), 2);
    findings_free(findings);
}

static void test_status(void **state)
{
    static const struct {
        enum severity severity;
        int status;
    } steps[] = {{SEVERITY_GOOD, EXIT_GOOD},
                 {SEVERITY_NOTE, EXIT_GOOD},
                 {SEVERITY_WARNING, EXIT_GOOD},
                 {SEVERITY_UNKNOWN, EXIT_LATER},
                 {SEVERITY_PROBLEM, EXIT_BAD}};
    struct findings *findings = findings_new();
    assert_int_equal(findings_status(findings), EXIT_GOOD);
    for (size_t i = 0; i < COUNT(steps); i++) {
        findings_add(findings, steps[i].severity, "test", "x");
        assert_int_equal(findings_status(findings), steps[i].status);
    }
    findings_free(findings);
}

static void test_json(void **state)
{
    struct findings *findings = findings_new();
    struct finding *finding = findings_add(findings, SEVERITY_PROBLEM, "relay", "relay-open");
    buf_addf(&finding->what, "it takes mail for anybody");
    buf_add(&finding->how, BYTES("\xff"));
    json_t *list = findings_json(findings), *row = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(row, "severity")), "problem");
    assert_string_equal(json_string_value(json_object_get(row, "code")), "relay-open");
    assert_string_equal(json_string_value(json_object_get(row, "remedy")), "");
    assert_string_equal(json_string_value(json_object_get(row, "how")), "a text that is not UTF-8");
    json_decref(list);
    findings_free(findings);
}

static void test_limit(void **state)
{
    struct findings *findings = findings_new();
    for (size_t i = 0; i < FINDINGS_LIMIT + 10; i++)
        buf_addf(&findings_add(findings, SEVERITY_NOTE, "test", "x")->what, "%zu", i);
    assert_int_equal(findings_count(findings, SEVERITY_NOTE), FINDINGS_LIMIT);
    findings_free(findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
