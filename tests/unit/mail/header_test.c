/* The header section, field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "mail/header.h"

static const struct {
    const char *name, *input;
    struct {
        const char *name, *value, *whole;
    } want[4];
    const char *rest;
} rows[] = {
    {"one field", "A: b\r\n", {{"A", " b", "A: b\r\n"}}, ""},
    {"stops at the blank line", "A: b\r\n\r\nC: d\r\n", {{"A", " b", "A: b\r\n"}}, "\r\nC: d\r\n"},
    {"folded",
     "A: b\r\n c\r\n\td\r\nE: f\r\n",
     {{"A", " b\r\n c\r\n\td", "A: b\r\n c\r\n\td\r\n"}, {"E", " f", "E: f\r\n"}},
     ""},
    {"fold of blanks only",
     "A: b\r\n \r\n c\r\n",
     {{"A", " b\r\n \r\n c", "A: b\r\n \r\n c\r\n"}},
     ""},
    {"blanks before the colon", "A \t: b\r\n", {{"A", " b", "A \t: b\r\n"}}, ""},
    {"nothing behind the colon", "A:\r\n", {{"A", "", "A:\r\n"}}, ""},
    {"colons in the value", "A: b:c\r\n", {{"A", " b:c", "A: b:c\r\n"}}, ""},
    {"no end of line", "A: b", {{"A", " b", "A: b"}}, ""},
    {"half an end of line", "A: b\r", {{"A", " b\r", "A: b\r"}}, ""},
    {"LF alone ends nothing", "A: b\nC: d\r\n", {{"A", " b\nC: d", "A: b\nC: d\r\n"}}, ""},
    {"no colon", "odd\r\nA: b\r\n", {{"", "odd", "odd\r\n"}, {"A", " b", "A: b\r\n"}}, ""},
    {"odd lines take their folds along",
     "odd\r\n A: b\r\n",
     {{"", "odd\r\n A: b", "odd\r\n A: b\r\n"}},
     ""},
    {"a continuation of nothing", " A: b\r\n", {{"", " A: b", " A: b\r\n"}}, ""},
    {"no name", ": b\r\n", {{"", ": b", ": b\r\n"}}, ""},
    {"space in the name", "A b: c\r\n", {{"", "A b: c", "A b: c\r\n"}}, ""},
    {"UTF-8 in the name", "\xc3\xbc: c\r\n", {{"", "\xc3\xbc: c", "\xc3\xbc: c\r\n"}}, ""},
    {"UTF-8 in the value", "A: \xc3\xbc\r\n", {{"A", " \xc3\xbc", "A: \xc3\xbc\r\n"}}, ""},
    {"empty", "", {{0}}, ""},
    {"blank line first", "\r\nA: b\r\n", {{0}}, "\r\nA: b\r\n"},
};

static bool is_text(struct bytes view, const char *want)
{
    return bytes_equal(view, bytes_of(want));
}

static void fields_are_found(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].input), count = 0;
        uint8_t *copy = memory_new(1, len ? len : 1);
        memcpy(copy, rows[i].input, len);
        struct bytes rest = {copy, len};
        struct header_field field = {0};
        while (header_next(&rest, &field)) {
            if (count == 4 || !rows[i].want[count].name ||
                !is_text(field.name, rows[i].want[count].name) ||
                !is_text(field.value, rows[i].want[count].value) ||
                !is_text(field.whole, rows[i].want[count].whole) ||
                field.is_odd != (field.name.len == 0))
                fail_msg("%s: field %zu", rows[i].name, count);
            count++;
        }
        if ((count < 4 && rows[i].want[count].name) || !is_text(rest, rows[i].rest))
            fail_msg("%s: the end", rows[i].name);
        free(copy);
    }
}

static void every_cut_keeps_all_bytes(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t len = 0; len <= strlen(rows[i].input); len++) {
            uint8_t *copy = memory_new(1, len ? len : 1);
            memcpy(copy, rows[i].input, len);
            struct bytes rest = {copy, len};
            struct header_field field;
            const uint8_t *at = copy;
            while (header_next(&rest, &field)) {
                assert_ptr_equal(field.whole.at, at);
                at += field.whole.len;
            }
            assert_true(at == copy + (len - rest.len));
            free(copy);
        }
    }
}

static void the_end_is_found(void **state)
{
    static const struct {
        const char *name, *input;
        bool want;
        size_t length;
    } ends[] = {
        {"fields and body", "A: b\r\n\r\nbody", true, 6},
        {"two blank lines", "A: b\r\n\r\n\r\n", true, 6},
        {"no fields", "\r\nbody", true, 0},
        {"only CRLF", "\r\n", true, 0},
        {"not yet", "A: b\r\n", false, 0},
        {"not quite yet", "A: b\r\n\r", false, 0},
        {"LFs do not count", "A: b\n\nbody", false, 0},
        {"nothing", "", false, 0},
    };
    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t length = 0;
        if (header_end(bytes_of(ends[i].input), &length) != ends[i].want ||
            length != ends[i].length)
            fail_msg("%s", ends[i].name);
    }
}

static void values_are_unfolded(void **state)
{
    struct buf out;
    buf_init(&out, 100);
    header_unfold(&out, BYTES(" a\r\n b\r\n\tc \r\n "));
    assert_true(is_text(buf_view(&out), "a b\tc"));
    buf_clear(&out);
    header_unfold(&out, BYTES(""));
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

static void fields_are_counted(void **state)
{
    struct bytes section = BYTES("A: 1\r\nb: 2\r\na : 3\r\n\r\nA: 4\r\n");
    assert_int_equal(header_count(section, BYTES("a")), 2);
    assert_int_equal(header_count(section, BYTES("c")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found),   cmocka_unit_test(every_cut_keeps_all_bytes),
        cmocka_unit_test(the_end_is_found),   cmocka_unit_test(values_are_unfolded),
        cmocka_unit_test(fields_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
