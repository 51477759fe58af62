/* Dates: a table of our own, and that of mail-parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "mail/date.h"

static const struct {
    const char *name, *input, *want; /* NULL: refused */
} rows[] = {
    {"plain", "Tue, 24 Nov 2026 03:07:04 +0000", "Tue, 24 Nov 2026 03:07:04 +0000"},
    {"zone east", "Tue, 24 Nov 2026 00:30:00 +0130", "Mon, 23 Nov 2026 23:00:00 +0000"},
    {"zone west", "31 Dec 2026 23:00:00 -0800", "Fri, 1 Jan 2027 07:00:00 +0000"},
    {"no seconds", "1 Jan 2027 07:05 +0000", "Fri, 1 Jan 2027 07:05:00 +0000"},
    {"leap second", "31 Dec 2016 23:59:60 +0000", "Sun, 1 Jan 2017 00:00:00 +0000"},
    {"leap day", "29 Feb 2028 00:00:00 +0000", "Tue, 29 Feb 2028 00:00:00 +0000"},
    {"no leap day", "29 Feb 2027 00:00:00 +0000", NULL},
    {"year of two digits, this century", "1 Jan 49 00:00 GMT", "Fri, 1 Jan 2049 00:00:00 +0000"},
    {"year of two digits, the last one", "1 Jan 50 00:00 UT", "Sun, 1 Jan 1950 00:00:00 +0000"},
    {"year of three digits", "1 Jan 126 00:00 GMT", "Thu, 1 Jan 2026 00:00:00 +0000"},
    {"year of one digit", "1 Jan 6 00:00 GMT", NULL},
    {"year before mail", "1 Jan 1899 00:00 GMT", NULL},
    {"year of five digits", "1 Jan 12026 00:00 GMT", NULL},
    {"zone carries it out of range", "31 Dec 9999 23:59:00 -0100", NULL},
    {"EDT", "1 Jul 2026 00:00 EDT", "Wed, 1 Jul 2026 04:00:00 +0000"},
    {"PST in small letters", "1 Jul 2026 00:00 pst", "Wed, 1 Jul 2026 08:00:00 +0000"},
    {"military zone says nothing", "1 Jul 2026 00:00 Q", "Wed, 1 Jul 2026 00:00:00 +0000"},
    {"comments all over", "(a)Tue(b),(c)24(d)Nov(e)2026(f)03(g):(h)07(i):04(j)+0000(k)",
     "Tue, 24 Nov 2026 03:07:04 +0000"},
    {"nested comment with a quoted pair", "24 Nov 2026 03:07 +0000 (a(\\))b)",
     "Tue, 24 Nov 2026 03:07:00 +0000"},
    {"comment not closed", "24 Nov 2026 03:07 +0000 (a(b)", NULL},
    {"comment ends in a backslash", "24 Nov 2026 03:07 +0000 (a\\", NULL},
    {"folded", "Tue,\r\n 24 Nov\r\n\t2026 03:07:04 +0000", "Tue, 24 Nov 2026 03:07:04 +0000"},
    {"CRLF that folds nothing", "Tue,\r\n24 Nov 2026 03:07:04 +0000", NULL},
    {"wrong weekday", "Fri, 24 Nov 2026 03:07:04 +0000", "Tue, 24 Nov 2026 03:07:04 +0000"},
    {"no weekday of ours", "Die, 24 Nov 2026 03:07:04 +0000", NULL},
    {"weekday without comma", "Tue 24 Nov 2026 03:07:04 +0000", NULL},
    {"day 0", "0 Nov 2026 03:07:04 +0000", NULL},
    {"day 31 of 30", "31 Nov 2026 03:07:04 +0000", NULL},
    {"hour 24", "1 Nov 2026 24:00:00 +0000", NULL},
    {"minute 60", "1 Nov 2026 00:60:00 +0000", NULL},
    {"zone minute 60", "1 Nov 2026 00:00:00 +0060", NULL},
    {"zone of three digits", "1 Nov 2026 00:00:00 +000", NULL},
    {"no zone", "1 Nov 2026 00:00:00", NULL},
    {"something behind", "1 Nov 2026 00:00:00 +0000 x", NULL},
    {"nothing", "", NULL},
    {"a comment alone", "(x)", NULL},
};

static void dates_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t instant_ms;
        bool was_read = date_scan(bytes_of(rows[i].input), &instant_ms);
        if (was_read != (rows[i].want != NULL))
            fail_msg("%s: %d", rows[i].name, was_read);
        if (!was_read)
            continue;
        struct buf out;
        buf_init(&out, 100);
        date_print(&out, instant_ms);
        if (!bytes_equal(buf_view(&out), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

static void deep_comments_cost_no_stack(void **state)
{
    enum { DEPTH = 1000000 };
    uint8_t *text = malloc(DEPTH);
    int64_t instant_ms;
    assert_non_null(text);
    memset(text, '(', DEPTH);
    assert_false(date_scan((struct bytes){text, DEPTH}, &instant_ms));
    free(text);
}

/* The parser that the set is from understands more than RFC 5322 has: months by number, a
 * time zone file's name, and a whole Received field. */
static bool is_beyond_rfc(const char *text)
{
    static const char *const beyond[] = {" 4 8 15 16 23 42, 4", "20 11 (some",
                                         "by 2002:aa7:", "Thu, 10 Jul 1997 14:53:31 EST5EDT"};
    for (size_t i = 0; i < COUNT(beyond); i++)
        if (bytes_starts(bytes_of(text), bytes_of(beyond[i])))
            return true;
    return false;
}

static int64_t number(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static int64_t expected_instant(const json_t *row)
{
    struct calendar c = {
        .year = (int)number(row, "year"),
        .month = (int)number(row, "month"),
        .day = (int)number(row, "day"),
        .hour = (int)number(row, "hour"),
        .minute = (int)number(row, "minute"),
        .second = (int)number(row, "second"),
    };
    int64_t zone_ms = (number(row, "tz_hour") * 60 + number(row, "tz_minute")) * 60000;
    bool is_west = json_is_true(json_object_get(row, "tz_before_gmt"));
    return calendar_instant(&c) + (is_west ? zone_ms : -zone_ms);
}

static void mail_parser_table(void **state)
{
    json_error_t error;
    json_t *rows_json = json_load_file(TEST_DATA "/headers/date.json", 0, &error);
    if (!rows_json)
        fail_msg("%s", error.text);
    size_t i;
    json_t *row;
    json_array_foreach(rows_json, i, row)
    {
        const char *text = json_string_value(json_object_get(row, "header"));
        const json_t *expected = json_object_get(row, "expected");
        struct buf with_crlf;
        buf_init(&with_crlf, 1000);
        for (const char *at = text; *at; at++) {
            if (*at == '\n')
                buf_add_byte(&with_crlf, '\r');
            buf_add_byte(&with_crlf, (uint8_t)*at);
        }
        int64_t instant_ms = 0;
        bool was_read = date_scan(buf_view(&with_crlf), &instant_ms);
        bool want = !json_is_null(expected) && !is_beyond_rfc(text);
        if (was_read != want || (want && instant_ms != expected_instant(expected)))
            fail_msg("%s", text);
        buf_done(&with_crlf);
    }
    assert_int_equal(i, 40);
    json_decref(rows_json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read),
        cmocka_unit_test(deep_comments_cost_no_stack),
        cmocka_unit_test(mail_parser_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
