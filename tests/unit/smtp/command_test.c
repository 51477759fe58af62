/* The grammar of a command line. What the parameters mean is tested in transcripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/command.h"

static void lines_are_cut(void **state)
{
    static const struct {
        const char *name;
        struct bytes line, verb, argument;
    } rows[] = {
        {"nothing", BYTES_INIT(""), BYTES_INIT(""), BYTES_INIT("")},
        {"a verb", BYTES_INIT("QUIT"), BYTES_INIT("QUIT"), BYTES_INIT("")},
        {"white space behind", BYTES_INIT("QUIT \t "), BYTES_INIT("QUIT"), BYTES_INIT("")},
        {"an argument", BYTES_INIT("EHLO a b "), BYTES_INIT("EHLO"), BYTES_INIT("a b")},
        {"a tab between", BYTES_INIT("EHLO\ta"), BYTES_INIT("EHLO"), BYTES_INIT("a")},
        {"white space first", BYTES_INIT(" QUIT"), BYTES_INIT(""), BYTES_INIT("QUIT")},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct command_line got = command_cut(rows[i].line);
        if (!bytes_equal(got.verb, rows[i].verb) || !bytes_equal(got.argument, rows[i].argument))
            fail_msg("%s", rows[i].name);
    }
}

static void path_keywords_are_read(void **state)
{
    static const struct {
        const char *name;
        struct bytes argument, rest;
        bool want;
    } rows[] = {
        {"as it should be", BYTES_INIT("FROM:<>"), BYTES_INIT("<>"), true},
        {"small letters, a space", BYTES_INIT("from: <>"), BYTES_INIT("<>"), true},
        {"another word", BYTES_INIT("TO:<>"), BYTES_INIT("TO:<>"), false},
        {"a space before the colon", BYTES_INIT("FROM :<>"), BYTES_INIT("FROM :<>"), false},
        {"nothing", BYTES_INIT(""), BYTES_INIT(""), false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes argument = rows[i].argument;
        if (command_path_keyword(&argument, BYTES("FROM:")) != rows[i].want ||
            !bytes_equal(argument, rows[i].rest))
            fail_msg("%s", rows[i].name);
    }
}

static void parameters_are_read(void **state)
{
    static const struct {
        const char *name;
        struct bytes rest;
        enum parameter_status want;
        const char *keyword, *value; /* value NULL: none */
        size_t left;
    } rows[] = {
        {"none", BYTES_INIT(""), PARAMETER_NONE, NULL, NULL, 0},
        {"none but spaces", BYTES_INIT("  "), PARAMETER_NONE, NULL, NULL, 2},
        {"with a value", BYTES_INIT(" SIZE=10 X"), PARAMETER_OK, "SIZE", "10", 2},
        {"without", BYTES_INIT("  SMTPUTF8"), PARAMETER_OK, "SMTPUTF8", NULL, 0},
        {"letters, digits, hyphens", BYTES_INIT(" 8a-b=c"), PARAMETER_OK, "8a-b", "c", 0},
        {"UTF-8 in the value", BYTES_INIT(" A=\xc3\xbc"), PARAMETER_OK, "A", "\xc3\xbc", 0},
        {"no space before", BYTES_INIT("SIZE=10"), PARAMETER_BAD, NULL, NULL, 7},
        {"no keyword", BYTES_INIT(" =10"), PARAMETER_BAD, NULL, NULL, 4},
        {"a hyphen first", BYTES_INIT(" -A"), PARAMETER_BAD, NULL, NULL, 3},
        {"no value", BYTES_INIT(" A="), PARAMETER_BAD, NULL, NULL, 3},
        {"an equals sign in the value", BYTES_INIT(" A=b=c"), PARAMETER_BAD, NULL, NULL, 6},
        {"a control byte in the value", BYTES_INIT(" A=b\x01"), PARAMETER_BAD, NULL, NULL, 5},
        {"an underscore", BYTES_INIT(" A_B"), PARAMETER_BAD, NULL, NULL, 4},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes rest = rows[i].rest;
        struct parameter got;
        if (parameter_next(&rest, &got) != rows[i].want || rest.len != rows[i].left)
            fail_msg("%s", rows[i].name);
        if (rows[i].want == PARAMETER_OK &&
            (!bytes_equal(got.keyword, bytes_of(rows[i].keyword)) ||
             got.has_value != (rows[i].value != NULL) ||
             (got.has_value && !bytes_equal(got.value, bytes_of(rows[i].value)))))
            fail_msg("%s: content", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut),
        cmocka_unit_test(path_keywords_are_read),
        cmocka_unit_test(parameters_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
