/* Parameters of MIME fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/mime_parameter.h"

static const struct {
    const char *name, *value, *parameter, *want; /* want NULL: not there */
} rows[] = {
    {"token", "multipart/mixed; boundary=b1", "boundary", "b1"},
    {"quoted", "multipart/mixed; boundary=\"a b;c\"", "boundary", "a b;c"},
    {"backslashes", "x/y; name=\"a\\\"b\\\\c\"", "name", "a\"b\\c"},
    {"any case", "x/y; BOUNDARY=b", "boundary", "b"},
    {"comments", "x/y (a;b) ; (c) boundary (d) = (e) b (f)", "boundary", "b"},
    {"comment in comment", "x/y (a (;) b); boundary=b", "boundary", "b"},
    {"folded", "x/y;\r\n\tboundary=\"a\r\n b\"", "boundary", "a b"},
    {"blanks in a token", "x/y; name=two words.txt", "name", "two words.txt"},
    {"a semicolon too many", "x/y;; boundary=b;", "boundary", "b"},
    {"the first of two", "x/y; boundary=a; boundary=b", "boundary", "a"},
    {"no end of the quotes", "x/y; boundary=\"abc", "boundary", "abc"},
    {"ends in a backslash", "x/y; boundary=\"abc\\", "boundary", "abc\\"},
    {"empty", "x/y; boundary=\"\"", "boundary", ""},
    {"not there", "x/y; charset=utf-8", "boundary", NULL},
    {"none at all", "x/y", "boundary", NULL},
    {"a longer name", "x/y; boundary2=b", "boundary", NULL},
    {"continued", "x/y; boundary*1=\"-b\"; boundary*0=a", "boundary", "a-b"},
    {"a gap in it", "x/y; boundary*0=a; boundary*2=c", "boundary", "a"},
    {"encoded", "x/y; name*=utf-8'en'a%20%41%zz%", "name", "a A%zz%"},
    {"continued and encoded", "x/y; name*0*=utf-8''a%20; name*1=b%20", "name", "a b%20"},
};

static void test_find(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].value);
        uint8_t *exact = malloc(len);
        memcpy(exact, rows[i].value, len);
        struct buf got;
        buf_init(&got, 100);
        bool is_found =
            mime_parameters_find((struct bytes){exact, len}, bytes_of(rows[i].parameter), &got);
        if (is_found != (rows[i].want != NULL) ||
            !bytes_equal(buf_view(&got), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&got)));
        buf_done(&got);
        free(exact);
    }
}

static const struct {
    const char *head, *type, *subtype; /* type NULL: it is none */
} types[] = {
    {" text/plain", "text", "plain"},
    {" (c) Text / (d) HTML (e)", "Text", "HTML"},
    {"text", NULL, NULL},
    {"text/", NULL, NULL},
    {"/plain", NULL, NULL},
    {"", NULL, NULL},
    {"(never closed", NULL, NULL},
};

static void test_types(void **state)
{
    for (size_t i = 0; i < COUNT(types); i++) {
        struct bytes type, subtype;
        bool is_type = media_type_scan(bytes_of(types[i].head), &type, &subtype);
        assert_int_equal(is_type, types[i].type != NULL);
        if (is_type)
            assert_true(bytes_equal(type, bytes_of(types[i].type)) &&
                        bytes_equal(subtype, bytes_of(types[i].subtype)));
    }
    assert_true(bytes_equal(mime_token(BYTES(" (a) 7bit (b)\r\n")), BYTES("7bit")));
    assert_true(bytes_equal(mime_token(BYTES("")), BYTES("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
