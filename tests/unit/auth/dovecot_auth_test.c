/* Lines of Dovecot's authentication protocol, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/dovecot_auth.h"

static const struct {
    const char *name, *line;
    enum dovecot_kind kind;
    uint32_t number;
    const char *user;
} lines[] = {
    {"version", "VERSION\t1\t2", DOVECOT_VERSION, 0, ""},
    {"version without a minor one", "VERSION\t1", DOVECOT_VERSION, 0, ""},
    {"another version", "VERSION\t2\t0", DOVECOT_BAD, 0, ""},
    {"no version", "VERSION", DOVECOT_BAD, 0, ""},
    {"mechanism", "MECH\tPLAIN\tplaintext", DOVECOT_OTHER, 0, ""},
    {"cookie", "COOKIE\tabc", DOVECOT_OTHER, 0, ""},
    {"done", "DONE", DOVECOT_DONE, 0, ""},
    {"granted", "OK\t1\tuser=ann@example.org", DOVECOT_GRANTED, 1, "ann@example.org"},
    {"granted, more words", "OK\t4294967295\tx\tuser=ann\tnologin", DOVECOT_GRANTED, UINT32_MAX,
     "ann"},
    {"granted to nobody", "OK\t7", DOVECOT_GRANTED, 7, ""},
    {"granted without a number", "OK", DOVECOT_BAD, 0, ""},
    {"a number that is none", "OK\t-1", DOVECOT_BAD, 0, ""},
    {"a number too large", "OK\t4294967296", DOVECOT_BAD, 0, ""},
    {"denied", "FAIL\t2\tuser=ann", DOVECOT_DENIED, 2, ""},
    {"denied, disabled", "FAIL\t2\tuser=ann\tcode=user_disabled", DOVECOT_DENIED, 2, ""},
    {"failed", "FAIL\t2\tuser=ann\ttemp", DOVECOT_FAILED, 2, ""},
    {"failed, by code", "FAIL\t2\tcode=temp_fail", DOVECOT_FAILED, 2, ""},
    {"denied without a number", "FAIL\tuser=ann", DOVECOT_BAD, 0, ""},
    {"wants more", "CONT\t3\tabc=", DOVECOT_FAILED, 3, ""},
    {"nothing", "", DOVECOT_BAD, 0, ""},
    {"a tab", "\t", DOVECOT_BAD, 0, ""},
};

static void lines_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(lines); i++) {
        size_t len = strlen(lines[i].line);
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, lines[i].line, len);
        struct dovecot_line got = dovecot_scan_line((struct bytes){exact, len});
        if (got.kind != lines[i].kind || got.number != lines[i].number ||
            !bytes_equal(got.user, bytes_of(lines[i].user)))
            fail_msg("%s: kind %d, number %u", lines[i].name, got.kind, got.number);
        free(exact);
    }
}

static void logins_are_written(void **state)
{
    static uint8_t longest[DOVECOT_LINE_LIMIT];
    struct buf out;
    buf_init(&out, DOVECOT_LINE_LIMIT);
    dovecot_print_greeting(&out, 42);
    assert_true(bytes_equal(buf_view(&out), BYTES("VERSION\t1\t1\nCPID\t42\n")));
    buf_clear(&out);
    assert_true(dovecot_print_login(&out, 7, BYTES("192.0.2.1"), BYTES("ann"), BYTES("a\tb\n")));
    assert_true(bytes_equal(buf_view(&out), BYTES("AUTH\t7\tPLAIN\tservice=smtp\tnologin\tsecured\t"
                                                  "rip=192.0.2.1\tresp=AGFubgBhCWIK\n")));
    buf_clear(&out);
    assert_false(dovecot_print_login(&out, 7, BYTES_NONE, BYTES("a\0b"), BYTES("x")));
    assert_false(dovecot_print_login(&out, 7, BYTES_NONE, BYTES("a"), BYTES("x\0")));
    assert_false(dovecot_print_login(&out, 7, BYTES("a\nb"), BYTES("a"), BYTES("x")));
    memset(longest, 'x', sizeof longest);
    assert_false(dovecot_print_login(&out, 7, BYTES_NONE, BYTES("a"),
                                     (struct bytes){longest, sizeof longest}));
    assert_false(dovecot_print_login(&out, 7, (struct bytes){longest, sizeof longest}, BYTES("a"),
                                     BYTES("x")));
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

static void words_are_unescaped(void **state)
{
    struct buf out;
    buf_init(&out, 100);
    dovecot_unescape(&out, BYTES("a\001"
                                 "0b\001"
                                 "1c\001td\001r\001ne\001xf\001"));
    assert_true(bytes_equal(buf_view(&out), BYTES("a\0b\001c\td\r\nexf\001")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(logins_are_written),
        cmocka_unit_test(words_are_unescaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
