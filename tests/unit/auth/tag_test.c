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
        struct bytes text = {exact, len}, value = BYTES("unset"), listed = BYTES("unset");
        struct tag_list list;
        tag_list_read(&list, text);
        if (list.is_valid != rows[i].is_valid)
            fail_msg("%s: valid", rows[i].name);
        bool is_found = tag_find(text, "b", &value);
        assert_int_equal(tag_list_find(&list, "b", &listed), is_found);
        assert_true(bytes_equal(listed, value));
        if (is_found != (rows[i].b != NULL) ||
            (is_found && !bytes_equal(value, bytes_of(rows[i].b))))
            fail_msg("%s: b is \"%.*s\"", rows[i].name, BYTES_ARGS(value));
        free(exact);
    }
}

static void test_many(void **state)
{
    char text[65 * 5 + 1];
    struct tag_list list;
    for (size_t i = 0; i < 65; i++) {
        text[i * 5] = 'a';
        text[i * 5 + 1] = (char)('0' + i / 10);
        text[i * 5 + 2] = (char)('0' + i % 10);
        text[i * 5 + 3] = '=';
        text[i * 5 + 4] = ';';
    }
    tag_list_read(&list, (struct bytes){(uint8_t *)text, 64 * 5});
    assert_true(list.is_valid && list.count == 64);
    tag_list_read(&list, (struct bytes){(uint8_t *)text, 65 * 5});
    assert_true(!list.is_valid && list.count == 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
