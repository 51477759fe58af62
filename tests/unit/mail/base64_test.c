/* Base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/base64.h"

static const struct {
    const char *value, *text;
} rows[] = {
    /* RFC 4648, 10 */
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/"},
};

static void vectors_of_the_rfc(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf text;
        buf_init(&text, 100);
        base64_print(&text, bytes_of(rows[i].value));
        if (!bytes_equal(buf_view(&text), bytes_of(rows[i].text)))
            fail_msg("%s", rows[i].text);
        buf_done(&text);
    }
}

static void lines_have_76_characters(void **state)
{
    uint8_t bytes[100];
    memset(bytes, 'a', sizeof bytes);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct buf text;
        buf_init(&text, 1000);
        base64_print_lines(&text, (struct bytes){bytes, len});
        struct bytes rest = buf_view(&text), line;
        while (rest.len) {
            assert_true(bytes_cut(rest, '\n', &line, &rest));
            assert_true(line.len == 77 || (rest.len == 0 && line.len <= 77));
            assert_int_equal(line.at[line.len - 1], '\r');
        }
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_rfc),
        cmocka_unit_test(lines_have_76_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
