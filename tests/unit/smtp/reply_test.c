/* Replies are well formed whatever goes into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/reply.h"

static void replies_read_as_they_should(void **state)
{
    static const struct {
        const char *name;
        int code;
        struct bytes status, text, want;
    } rows[] = {
        {"a plain one", 250, BYTES_INIT("2.0.0"), BYTES_INIT("Fine"),
         BYTES_INIT("250 2.0.0 Fine\r\n")},
        {"without a status", 354, BYTES_INIT(""), BYTES_INIT("Go on"), BYTES_INIT("354 Go on\r\n")},
        {"a second line smuggled in", 550, BYTES_INIT("5.1.1"), BYTES_INIT("No\r\n250 Yes"),
         BYTES_INIT("550 5.1.1 No??250 Yes\r\n")},
        {"control bytes and UTF-8", 550, BYTES_INIT("5.1.1"), BYTES_INIT("a\0b\x7f\xc3\xbc\t"),
         BYTES_INIT("550 5.1.1 a?b????\r\n")},
        {"a status of another class", 450, BYTES_INIT("5.1.1"), BYTES_INIT("x"),
         BYTES_INIT("450 4.0.0 x\r\n")},
        {"no status at all", 550, BYTES_INIT("5.1"), BYTES_INIT("x"),
         BYTES_INIT("550 5.0.0 x\r\n")},
        {"a status with a line end", 550, BYTES_INIT("5.1.1\r\n"), BYTES_INIT("x"),
         BYTES_INIT("550 5.0.0 x\r\n")},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;
        buf_init(&out, 1000);
        reply_add(&out, rows[i].code, rows[i].status, rows[i].text);
        if (!bytes_equal(buf_view(&out), rows[i].want))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

static void long_texts_are_cut(void **state)
{
    uint8_t text[2000];
    memset(text, 'x', sizeof text);
    for (size_t len = 450; len < sizeof text; len++) {
        struct buf out;
        buf_init(&out, 4000);
        reply_add(&out, 550, BYTES("5.123.456"), (struct bytes){text, len});
        assert_true(out.len <= 502);
        assert_true(bytes_ends_nocase(buf_view(&out), BYTES("x\r\n")));
        buf_done(&out);
    }
}

static void statuses_are_judged(void **state)
{
    assert_true(reply_status_is_valid(BYTES("2.1.5")));
    assert_true(reply_status_is_valid(BYTES("5.123.999")));
    assert_false(reply_status_is_valid(BYTES("3.1.5")));
    assert_false(reply_status_is_valid(BYTES("5.1234.9")));
    assert_false(reply_status_is_valid(BYTES("5.1.")));
    assert_false(reply_status_is_valid(BYTES("5.1.1.1")));
    assert_false(reply_status_is_valid(BYTES("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_read_as_they_should),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(statuses_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
