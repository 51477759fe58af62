/* Tag lists (RFC 6376, 3.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/tag.h"

static const struct {
    const char *name, *list;
    bool is_valid;
    const char *b; /* the value of tag "b"; NULL: not found */
} rows[] = {
    {"one", "b=1", true, "1"},
    {"semicolon at the end", "a=1; b=2;", true, "2"},
    {"blanks and folds", " a = 1 ;\r\n\t b =\t2 3\r\n", true, "2 3"},
    {"value holds =", "b=a=b==", true, "a=b=="},
    {"empty value", "b=;", true, ""},
    {"names have case", "B=1; a=2", true, NULL},
    {"twice", "b=1; b=2", false, "1"},
    {"empty", "", true, NULL},
    {"only blanks", " \r\n ", true, NULL},
    {"no =", "a; b=1", false, NULL},
    {"empty item", "a=1;; b=1", false, NULL},
    {"two semicolons at the end", "b=1;;", false, "1"},
    {"no name", "=1; b=1", false, NULL},
    {"name begins with a digit", "1a=1; b=1", false, NULL},
    {"name with a blank within", "a b=1", false, NULL},
    {"name with a digit and _", "a_1=1; b=x", true, "x"},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].list);
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, rows[i].list, len);
        struct bytes list = {exact, len}, value = BYTES("unset");
        if (tag_list_is_valid(list) != rows[i].is_valid)
            fail_msg("%s: valid", rows[i].name);
        bool is_found = tag_find(list, "b", &value);
        if (is_found != (rows[i].b != NULL) ||
            (is_found && !bytes_equal(value, bytes_of(rows[i].b))))
            fail_msg("%s: b is \"%.*s\"", rows[i].name, BYTES_ARGS(value));
        free(exact);
    }
}

static void test_many(void **state)
{
    char text[65 * 5 + 1];
    for (size_t i = 0; i < 65; i++) {
        text[i * 5] = 'a';
        text[i * 5 + 1] = (char)('0' + i / 10);
        text[i * 5 + 2] = (char)('0' + i % 10);
        text[i * 5 + 3] = '=';
        text[i * 5 + 4] = ';';
    }
    assert_true(tag_list_is_valid((struct bytes){(uint8_t *)text, 64 * 5}));
    assert_false(tag_list_is_valid((struct bytes){(uint8_t *)text, 65 * 5}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
