#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "smtp/reply_scan.h"

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

/* What is read: "code status|text" for each reply, "+" for each line that is not the last, the
 * fault for what is no reply. */
static const struct {
    const char *name, *input, *want;
} rows[] = {
    {"nothing", "", ""},
    {"no line yet", "250 o", ""},
    {"one line", "250 ok\r\n", "250 |250 ok\n"},
    {"LF alone", "250 ok\n", "250 |250 ok\n"},
    {"a code alone", "250\r\n", "250 |250\n"},
    {"a code and a space", "250 \r\n", "250 |250\n"},
    {"several lines", "250-a\r\n250-\r\n250 c\r\n", "++250 |250 a c\n"},
    {"the last has a code alone", "250-a\r\n250\r\n", "+250 |250 a\n"},
    {"two replies", "250 a\r\n550 b\r\n", "250 |250 a\n550 |550 b\n"},
    {"status", "550 5.1.1 who\r\n", "550 5.1.1|550 5.1.1 who\n"},
    {"status alone", "250 2.0.0\r\n", "250 2.0.0|250 2.0.0\n"},
    {"status on each line", "550-5.7.1 a\r\n550 5.7.1 b\r\n", "+550 5.7.1|550 5.7.1 a b\n"},
    {"another status on the next line", "550-5.7.1 a\r\n550 5.7.2 b\r\n",
     "+550 5.7.1|550 5.7.1 a 5.7.2 b\n"},
    {"three digits", "450 4.123.456 a\r\n", "450 4.123.456|450 4.123.456 a\n"},
    {"four digits", "450 4.1234.1 a\r\n", "450 |450 4.1234.1 a\n"},
    {"status of another class", "550 4.1.1 a\r\n", "550 |550 4.1.1 a\n"},
    {"a version is no status", "220 2.4 a\r\n", "220 |220 2.4 a\n"},
    {"four parts are no status", "220 2.4.1.2 a\r\n", "220 |220 2.4.1.2 a\n"},
    {"a code of two digits", "25 ok\r\n", "is not an SMTP reply\n"},
    {"a code of four digits", "2500 ok\r\n", "is not an SMTP reply\n"},
    {"no code", "hello\r\n", "is not an SMTP reply\n"},
    {"an empty line", "\r\n", "is not an SMTP reply\n"},
    {"code below 200", "199 a\r\n", "is not an SMTP reply\n"},
    {"code above 599", "600 a\r\n", "is not an SMTP reply\n"},
    {"another separator", "250:a\r\n", "is not an SMTP reply\n"},
    {"codes differ", "250-a\r\n251 b\r\n", "+has another code than the lines before it\n"},
    {"bytes that control", "250 a\x01\x1B\x7F\rb\r\n", "250 |250 a????b\n"},
    {"a long text is cut", "250 " X100 X100 X100 X100 X100 X10 "\r\n",
     "250 |250 " X100 X100 X100 X100 X100 "xxxxxxxx\n"},
};

struct reading {
    struct reply_scan scan;
    struct buf pending, log;
    bool is_bad;
};

static void read_on(struct reading *reading, struct bytes piece)
{
    buf_add(&reading->pending, piece);
    uint8_t *exact = malloc(reading->pending.len ? reading->pending.len : 1);
    if (reading->pending.len)
        memcpy(exact, reading->pending.at, reading->pending.len);
    struct bytes rest = {exact, reading->pending.len}, words;
    while (!reading->is_bad) {
        enum reply_scan_event event = reply_scan_next(&reading->scan, &rest, &words);
        if (event == SCAN_MORE)
            break;
        if (event == SCAN_LINE) {
            buf_add(&reading->log, BYTES("+"));
        } else if (event == SCAN_REPLY) {
            buf_addf(&reading->log, "%d %s|%.*s\n", reading->scan.code, reading->scan.status,
                     BYTES_ARGS(reply_scan_text(&reading->scan)));
        } else {
            reading->is_bad = true;
            buf_addf(&reading->log, "%s\n", reading->scan.fault);
        }
    }
    buf_drop(&reading->pending, reading->pending.len - rest.len);
    free(exact);
}

static void check(struct bytes input, const char *want, size_t cut, size_t piece)
{
    struct reading reading = {.is_bad = false};
    reply_scan_begin(&reading.scan);
    buf_init(&reading.pending, SIZE_MAX);
    buf_init(&reading.log, SIZE_MAX);
    for (size_t len = cut; input.len; len = piece) {
        read_on(&reading, bytes_sub(input, 0, len));
        input = bytes_from(input, len);
    }
    buf_add_byte(&reading.log, 0);
    assert_string_equal((const char *)reading.log.at, want);
    buf_done(&reading.pending);
    buf_done(&reading.log);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes input = bytes_of(rows[i].input);
        print_message("  %s\n", rows[i].name);
        check(input, rows[i].want, 1, 1);
        for (size_t cut = 0; cut <= input.len; cut++)
            check(input, rows[i].want, cut, SIZE_MAX);
    }
}

static void test_long_line(void **state)
{
    struct buf line;
    buf_init(&line, SIZE_MAX);
    buf_add(&line, BYTES("250 "));
    while (line.len < REPLY_LINE_LIMIT)
        buf_add_byte(&line, 'x');
    check(buf_view(&line), "is longer than any reply\n", line.len, 1);
    check(buf_view(&line), "is longer than any reply\n", 1, 1);
    buf_done(&line);
}

static void test_many_lines(void **state)
{
    struct buf lines, want;
    buf_init(&lines, SIZE_MAX);
    buf_init(&want, SIZE_MAX);
    for (int i = 0; i < REPLY_LINES_LIMIT; i++) {
        buf_add(&lines, BYTES("250-x\r\n"));
        buf_add(&want, BYTES("+"));
    }
    buf_add(&lines, BYTES("250 x\r\n"));
    buf_add(&want, BYTES("is one of too many in a reply\n\0"));
    check(buf_view(&lines), (const char *)want.at, SIZE_MAX, 1);
    buf_done(&lines);
    buf_done(&want);
}

static void test_say(void **state)
{
    struct reply_scan scan;
    reply_scan_begin(&scan);
    reply_scan_say(&scan, BYTES("gone\n"));
    assert_true(bytes_equal(reply_scan_text(&scan), BYTES("gone?")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
