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

static const struct {
    const char *name, *text;
    enum base64_alphabet alphabet;
    const char *value; /* NULL: refused */
} scans[] = {
    {"empty", "", BASE64_PLAIN, ""},
    {"one byte", "Zg==", BASE64_PLAIN, "f"},
    {"two bytes", "Zm8=", BASE64_PLAIN, "fo"},
    {"three bytes", "Zm9v", BASE64_PLAIN, "foo"},
    {"all digits", "+/+/", BASE64_PLAIN, "\xfb\xff\xbf"},
    {"url", "-_-_", BASE64_URL, "\xfb\xff\xbf"},
    {"url, one byte", "Zg", BASE64_URL, "f"},
    {"url, two bytes", "Zm8", BASE64_URL, "fo"},
    {"no padding", "Zg", BASE64_PLAIN, NULL},
    {"half the padding", "Zg=", BASE64_PLAIN, NULL},
    {"padding alone", "====", BASE64_PLAIN, NULL},
    {"padding within", "Zg==Zg==", BASE64_PLAIN, NULL},
    {"padding where none is due", "Zm9v====", BASE64_PLAIN, NULL},
    {"url with padding", "Zg==", BASE64_URL, NULL},
    {"url with one digit too many", "Zm9vZ", BASE64_URL, NULL},
    {"digits of the other alphabet", "-_-_", BASE64_PLAIN, NULL},
    {"and the other way", "+/+/", BASE64_URL, NULL},
    {"bits behind the last byte", "Zh==", BASE64_PLAIN, NULL},
    {"and behind two", "Zm9=", BASE64_PLAIN, NULL},
    {"blank", "Zm 9v", BASE64_PLAIN, NULL},
    {"line end", "Zm9v\r\n", BASE64_PLAIN, NULL},
    {"star", "*", BASE64_PLAIN, NULL},
};

static void scans_are_strict(void **state)
{
    for (size_t i = 0; i < COUNT(scans); i++) {
        struct buf value;
        buf_init(&value, 100);
        buf_add(&value, BYTES("before "));
        bool is_good = base64_scan(&value, bytes_of(scans[i].text), scans[i].alphabet);
        struct bytes got = bytes_from(buf_view(&value), 7);
        if (is_good != (scans[i].value != NULL) || !bytes_equal(got, bytes_of(scans[i].value)))
            fail_msg("%s", scans[i].name);
        buf_done(&value);
    }
}

static void what_was_printed_is_read(void **state)
{
    uint8_t bytes[200];
    for (size_t len = 0; len <= sizeof bytes; len++) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(i * 7 + len * 31);
        struct buf text, value;
        buf_init(&text, 1000);
        buf_init(&value, len + 3);
        base64_print(&text, (struct bytes){bytes, len});
        assert_true(base64_scan(&value, buf_view(&text), BASE64_PLAIN));
        assert_true(bytes_equal(buf_view(&value), (struct bytes){bytes, len}));
        buf_done(&text);
        buf_done(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans_are_strict),
        cmocka_unit_test(what_was_printed_is_read),
        cmocka_unit_test(vectors_of_the_rfc),
        cmocka_unit_test(lines_have_76_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
