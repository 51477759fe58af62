/* Command lines, read by a table of options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/option.h"

enum { WORD_LIMIT = 200 };

struct given {
    const char *server, *is_verbose;
    struct option_list attached;
};

static const struct option options[] = {
    {"--server", "HOST", OPTION_VALUE, offsetof(struct given, server), "where to", "-s"},
    {"--verbose", NULL, OPTION_FLAG, offsetof(struct given, is_verbose), "say more", "-v"},
    {"--attach", "FILE", OPTION_LIST, offsetof(struct given, attached), "a file", NULL},
};

static const struct {
    const char *words;                        /* with spaces between them */
    const char *error;                        /* NULL: it is good, and the rest counts */
    const char *server, *attached, *operands; /* lists with spaces between */
    bool is_verbose;
} rows[] = {
    {"", NULL, "", "", "", false},
    {"a b", NULL, "", "", "a b", false},
    {"--server h a", NULL, "h", "", "a", false},
    {"--server=h --server=i", NULL, "i", "", "", false},
    {"--server= a", NULL, "", "", "a", false},
    {"-s h -v", NULL, "h", "", "", true},
    {"a --verbose b", NULL, "", "", "a b", true},
    {"--attach x --attach=y=z", NULL, "", "x y=z", "", false},
    {"-- --verbose -v", NULL, "", "", "--verbose -v", false},
    {"-", NULL, "", "", "-", false},
    {"--server", "--server needs a value: HOST", "", "", "", false},
    {"-s", "--server needs a value: HOST", "", "", "", false},
    {"--verbose=yes", "no value belongs to --verbose", "", "", "", false},
    {"--serve h", "there is no option --serve", "", "", "", false},
    {"-x", "there is no option -x", "", "", "", false},
};

static size_t split(char *text, char **words)
{
    size_t count = 0;
    char *rest = text, *word;
    while ((word = strsep(&rest, " ")))
        if (*word)
            words[count++] = word;
    return count;
}

static void assert_list(const struct option_list *list, const char *wanted)
{
    char text[200] = "";
    for (size_t i = 0; i < list->count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 list->at[i]);
    assert_string_equal(text, wanted);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[200], *words[WORD_LIMIT];
        struct given given = {.server = NULL};
        struct option_list operands = {.count = 0};
        struct error err;
        snprintf(text, sizeof text, "%s", rows[i].words);
        size_t count = split(text, words);
        bool is_good = option_read(options, COUNT(options), words, count, &given, &operands, &err);
        if (is_good != !rows[i].error)
            fail_msg("\"%s\": %s", rows[i].words, is_good ? "taken" : err.text);
        if (!is_good) {
            assert_string_equal(err.text, rows[i].error);
            continue;
        }
        assert_string_equal(given.server ? given.server : "", rows[i].server);
        assert_int_equal(given.is_verbose != NULL, rows[i].is_verbose);
        assert_list(&given.attached, rows[i].attached);
        assert_list(&operands, rows[i].operands);
    }
}

static void test_no_operands(void **state)
{
    char word[] = "a", *words[] = {word};
    struct given given = {.server = NULL};
    struct error err;
    assert_false(option_read(options, COUNT(options), words, 1, &given, NULL, &err));
    assert_string_equal(err.text, "a is no option");
}

static void test_too_many(void **state)
{
    char word[] = "a", *words[OPTION_LIST_LIMIT + 1];
    struct given given = {.server = NULL};
    struct option_list operands = {.count = 0};
    struct error err;
    for (size_t i = 0; i < COUNT(words); i++)
        words[i] = word;
    assert_true(
        option_read(options, COUNT(options), words, OPTION_LIST_LIMIT, &given, &operands, &err));
    operands.count = 0;
    assert_false(option_read(options, COUNT(options), words, OPTION_LIST_LIMIT + 1, &given,
                             &operands, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_no_operands),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
