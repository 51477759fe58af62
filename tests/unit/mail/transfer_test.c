/* The encodings, written in one run and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/transfer.h"

#define A10 "aaaaaaaaaa"
#define A75 A10 A10 A10 A10 A10 A10 A10 "aaaaa"

static const struct {
    const char *name;
    enum transfer_form form;
    struct bytes content;
    const char *want;
} rows[] = {
    {"as it is", TRANSFER_AS_IS, BYTES_INIT("a\r\nb\xE9"), "a\r\nb\xE9"},
    {"nothing", TRANSFER_QUOTED, BYTES_INIT(""), ""},
    {"8-bit", TRANSFER_QUOTED, BYTES_INIT("K\xC3\xA4se=\x7F\r\n"), "K=C3=A4se=3D=7F\r\n"},
    {"blanks at the end of a line", TRANSFER_QUOTED, BYTES_INIT("a \t\r\n \r\nb "),
     "a =09\r\n=20\r\nb=20"},
    {"blanks elsewhere", TRANSFER_QUOTED, BYTES_INIT(" a\tb"), " a\tb"},
    {"CR and LF alone", TRANSFER_QUOTED, BYTES_INIT("a\rb\nc\r\r\nd \n\r"),
     "a=0Db=0Ac=0D\r\nd =0A=0D"},
    {"NUL", TRANSFER_QUOTED, BYTES_INIT("a\0b"), "a=00b"},
    {"dots and From at line starts", TRANSFER_QUOTED,
     BYTES_INIT(".\r\n..a.\r\nFrom b\r\nFrom\r\nFromage \r\n>From a\r\n"),
     "=2E\r\n=2E.a.\r\nFrom=20b\r\nFrom\r\nFromage=20\r\n>From a\r\n"},
    {"75 fit", TRANSFER_QUOTED, BYTES_INIT(A75), A75},
    {"76 do not", TRANSFER_QUOTED, BYTES_INIT(A75 "b"), A75 "=\r\nb"},
    {"a code is not cut", TRANSFER_QUOTED, BYTES_INIT(A10 A10 A10 A10 A10 A10 A10 "abc\xE9"),
     A10 A10 A10 A10 A10 A10 A10 "abc=\r\n=E9"},
    {"nothing new looks like a delimiter", TRANSFER_QUOTED, BYTES_INIT("--b\r\n" A75 "--b"),
     "--b\r\n" A75 "=\r\n=2D-b"},
    {"base64", TRANSFER_BASE64, BYTES_INIT("a\r\n\xFF"), "YQ0K/w=="},
    {"base64 in lines", TRANSFER_BASE64,
     BYTES_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
     "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\r\nYg=="},
    {"mended", TRANSFER_MEND_QUOTED, BYTES_INIT("a=20=C3\xA4 = \r\n=\r\n\n=\xE9"),
     "a=20=C3=A4 = \r\n=\r\n=0A=3D=E9"},
    {"base64 with LF alone", TRANSFER_MEND_BASE64, BYTES_INIT("YQ0K\n/w\r==\r\n"), "YQ0K/w=="},
};

static void write(const struct transfer_writer *fresh, struct bytes content, size_t cut,
                  struct buf *out)
{
    struct transfer_writer writer = *fresh;
    for (; content.len; content = bytes_from(content, cut))
        transfer_add(&writer, out, bytes_sub(content, 0, cut));
    transfer_end(&writer, out);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t cut = 1; cut <= rows[i].content.len + 1; cut++) {
            struct transfer_writer writer;
            struct buf got;
            transfer_init(&writer, rows[i].form);
            buf_init(&got, 1000);
            write(&writer, rows[i].content, cut, &got);
            if (!bytes_equal(buf_view(&got), bytes_of(rows[i].want)))
                fail_msg("%s, cut at %zu: %.*s", rows[i].name, cut, BYTES_ARGS(buf_view(&got)));
            buf_done(&got);
        }
    }
}

/* Whatever it is, no line of what is written is longer than may be sent. */
static void test_lines(void **state)
{
    static uint8_t content[5000];
    static const enum transfer_form forms[] = {TRANSFER_QUOTED, TRANSFER_BASE64,
                                               TRANSFER_MEND_QUOTED, TRANSFER_MEND_BASE64};
    for (size_t f = 0; f < COUNT(forms); f++) {
        for (unsigned seed = 0; seed < 8; seed++) {
            for (size_t i = 0; i < sizeof content; i++)
                content[i] = (uint8_t)(seed & 1 ? (size_t) "=ab "[i % (1 + seed / 2)] : i * seed);
            struct transfer_writer writer;
            struct buf got;
            transfer_init(&writer, forms[f]);
            buf_init(&got, 5 * sizeof content);
            write(&writer, (struct bytes){content, sizeof content}, 999, &got);
            assert_false(got.overflowed);
            for (size_t i = 0, line = 0; i < got.len; i++) {
                line = got.at[i] == '\n' ? 0 : line + 1;
                assert_true(line <= TRANSFER_LINE_MOST);
            }
            buf_done(&got);
        }
    }
}

/* Lines of so many bytes, with CRLF behind each but the last; fed whole and byte by byte. */
static void long_lines_are_seen(void **state)
{
    static const struct {
        size_t lines[3], count;
        bool want;
    } cases[] = {
        {{0}, 1, false},           {{998}, 1, false},      {{999}, 1, true},
        {{998, 998}, 2, false},    {{0, 999, 1}, 3, true}, {{998, 1, 998}, 3, false},
        {{500, 500, 0}, 3, false}, {{1, 1, 999}, 3, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct transfer_lines whole = {0}, pieces = {0};
        struct buf text;
        buf_init(&text, 10000);
        for (size_t k = 0; k < cases[i].count; k++) {
            for (size_t n = 0; n < cases[i].lines[k]; n++)
                buf_add_byte(&text, 'x');
            if (k + 1 < cases[i].count)
                buf_add(&text, BYTES("\r\n"));
        }
        transfer_measure(&whole, buf_view(&text));
        for (size_t n = 0; n < text.len; n++)
            transfer_measure(&pieces, bytes_sub(buf_view(&text), n, 1));
        if (whole.has_long != cases[i].want || pieces.has_long != cases[i].want)
            fail_msg("%zu: %d %d", i, whole.has_long, pieces.has_long);
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(long_lines_are_seen),
                                       cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
