#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/stuff.h"

static const struct {
    const char *name, *text, *wire;
} rows[] = {
    {"empty", "", ".\r\n"},
    {"a line", "a\r\n", "a\r\n.\r\n"},
    {"no line end", "a", "a\r\n.\r\n"},
    {"a dot alone", ".", "..\r\n.\r\n"},
    {"a dot on a line", ".\r\n", "..\r\n.\r\n"},
    {"dots", "..\r\n...\r\n", "...\r\n....\r\n.\r\n"},
    {"dots within", "a.b..\r\nc.\r\n", "a.b..\r\nc.\r\n.\r\n"},
    {"the end of data within", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
    {"blank lines", "\r\n\r\n.\r\n", "\r\n\r\n..\r\n.\r\n"},
    {"ends in CR", "a\r", "a\r\r\n.\r\n"},
    {"ends in LF alone", "a\n", "a\n\r\n.\r\n"},
    {"LF alone before a dot", "a\n.\r\n", "a\n..\r\n.\r\n"},
    {"CR alone before a dot", "a\r.\r\n", "a\r.\r\n.\r\n"},
    {"LF first", "\n.", "\n..\r\n.\r\n"},
};

/* The text in pieces: the first of `cut` bytes, then all of `piece` bytes. */
static void check(const char *text, const char *wire, size_t cut, size_t piece)
{
    struct stuff stuff;
    struct buf out;
    struct bytes rest = bytes_of(text);
    buf_init(&out, SIZE_MAX);
    stuff_init(&stuff);
    for (size_t len = cut; rest.len; len = piece) {
        struct bytes part = bytes_sub(rest, 0, len);
        uint8_t *exact = malloc(part.len ? part.len : 1);
        memcpy(exact, part.at, part.len);
        stuff_add(&stuff, &out, (struct bytes){exact, part.len});
        free(exact);
        rest = bytes_from(rest, part.len);
    }
    stuff_end(&stuff, &out);
    assert_int_equal(out.len, strlen(wire));
    assert_memory_equal(out.at, wire, out.len);
    buf_done(&out);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("  %s\n", rows[i].name);
        check(rows[i].text, rows[i].wire, 1, 1);
        for (size_t cut = 0; cut <= strlen(rows[i].text); cut++)
            check(rows[i].text, rows[i].wire, cut, SIZE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
