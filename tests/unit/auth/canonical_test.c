/* Canonical forms (RFC 6376, 3.4), and that no cut of a body changes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/canonical.h"

static const struct {
    const char *name, *field, *simple, *relaxed;
} fields[] = {
    {"RFC 6376, 3.4.5, the first", "A: X\r\n", "A: X\r\n", "a:X\r\n"},
    {"RFC 6376, 3.4.5, the second", "B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
    {"nothing in it", "Subject:\r\n", "Subject:\r\n", "subject:\r\n"},
    {"only blanks in it", "Subject: \t \r\n \r\n", "Subject: \t \r\n \r\n", "subject:\r\n"},
    {"no blank", "SUBJect:AbC\r\n", "SUBJect:AbC\r\n", "subject:AbC\r\n"},
    {"no end of line", "Subject: a", "Subject: a\r\n", "subject:a\r\n"},
    {"CR and LF alone", "Subject: a\rb \n c\r\n", "Subject: a\rb \n c\r\n",
     "subject:a\rb \n c\r\n"},
    {"beyond ASCII", "Subject: \xc3\xbc\r\n", "Subject: \xc3\xbc\r\n", "subject:\xc3\xbc\r\n"},
};

static void field_table(void **state)
{
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct bytes rest = bytes_of(fields[i].field);
        struct header_field field;
        struct buf out;
        assert_true(header_next(&rest, &field));
        buf_init(&out, 1000);
        canonical_field(&out, CANONICAL_SIMPLE, &field);
        if (!bytes_equal(buf_view(&out), bytes_of(fields[i].simple)))
            fail_msg("%s, simple: %.*s", fields[i].name, BYTES_ARGS(buf_view(&out)));
        buf_clear(&out);
        canonical_field(&out, CANONICAL_RELAXED, &field);
        if (!bytes_equal(buf_view(&out), bytes_of(fields[i].relaxed)))
            fail_msg("%s, relaxed: %.*s", fields[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

static const struct {
    const char *name, *body, *simple, *relaxed;
} bodies[] = {
    {"RFC 6376, 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
    {"no body", "", "\r\n", ""},
    {"an empty line", "\r\n", "\r\n", ""},
    {"empty lines", "\r\n\r\n\r\n", "\r\n", ""},
    {"only blanks", " \t", " \t\r\n", ""},
    {"lines of blanks", " \r\n\t\r\n", " \r\n\t\r\n", ""},
    {"empty lines first and within", "\r\n\r\na\r\n\r\n\r\nb\r\n", "\r\n\r\na\r\n\r\n\r\nb\r\n",
     "\r\n\r\na\r\n\r\n\r\nb\r\n"},
    {"no end of line", "a", "a\r\n", "a\r\n"},
    {"no end of line, blanks", "a \t", "a \t\r\n", "a\r\n"},
    {"blanks between", "a \t b\tc\r\n", "a \t b\tc\r\n", "a b c\r\n"},
    {"a CR alone", "a\rb\r\n", "a\rb\r\n", "a\rb\r\n"},
    {"a blank before a CR alone", "a \rb\r\n", "a \rb\r\n", "a \rb\r\n"},
    {"a CR at the end", "a\r", "a\r\r\n", "a\r\r\n"},
    {"CRs", "a\r\r\r\nb", "a\r\r\r\nb\r\n", "a\r\r\r\nb\r\n"},
    {"an LF alone", "a\n\nb\r\n\n", "a\n\nb\r\n\n\r\n", "a\n\nb\r\n\n\r\n"},
    {"empty lines, then a CR", "a\r\n\r\n\r", "a\r\n\r\n\r\r\n", "a\r\n\r\n\r\r\n"},
    {"eight bits", "\xc3\xbc \xff\r\n", "\xc3\xbc \xff\r\n", "\xc3\xbc \xff\r\n"},
};

/* Adds a piece, which is all of a heap block; with that much room at a time. */
static void add(struct canonical_body *body, struct bytes piece, size_t room, struct buf *out)
{
    uint8_t *exact = malloc(piece.len ? piece.len : 1);
    assert_non_null(exact);
    if (piece.len)
        memcpy(exact, piece.at, piece.len);
    struct bytes rest = {exact, piece.len};
    while (rest.len) {
        uint8_t *at = malloc(room);
        assert_non_null(at);
        size_t len = canonical_body_add(body, &rest, at, room);
        assert_true(len <= room);
        buf_add(out, (struct bytes){at, len});
        free(at);
    }
    free(exact);
}

static void check_body(size_t row, enum canonical_form form, size_t cut, size_t room)
{
    struct bytes whole = bytes_of(bodies[row].body);
    const char *want = form == CANONICAL_SIMPLE ? bodies[row].simple : bodies[row].relaxed;
    struct canonical_body body;
    struct buf out;
    uint8_t end[64];
    size_t len;
    canonical_body_init(&body, form);
    buf_init(&out, 1000);
    add(&body, bytes_sub(whole, 0, cut), room, &out);
    add(&body, bytes_from(whole, cut), room, &out);
    while ((len = canonical_body_end(&body, end, room)))
        buf_add(&out, (struct bytes){end, len});
    if (!bytes_equal(buf_view(&out), bytes_of(want)))
        fail_msg("%s, %s, cut at %zu, room for %zu: \"%.*s\"", bodies[row].name,
                 form == CANONICAL_SIMPLE ? "simple" : "relaxed", cut, room,
                 BYTES_ARGS(buf_view(&out)));
    buf_done(&out);
}

static void body_table(void **state)
{
    static const size_t rooms[] = {CANONICAL_ROOM, CANONICAL_ROOM + 1, 64};
    for (size_t row = 0; row < COUNT(bodies); row++)
        for (size_t cut = 0; cut <= strlen(bodies[row].body); cut++)
            for (size_t room = 0; room < COUNT(rooms); room++) {
                check_body(row, CANONICAL_SIMPLE, cut, rooms[room]);
                check_body(row, CANONICAL_RELAXED, cut, rooms[room]);
            }
}

static void body_byte_by_byte(void **state)
{
    for (size_t row = 0; row < COUNT(bodies); row++) {
        struct bytes whole = bytes_of(bodies[row].body);
        struct canonical_body body;
        struct buf out;
        uint8_t end[64];
        canonical_body_init(&body, CANONICAL_RELAXED);
        buf_init(&out, 1000);
        for (size_t i = 0; i < whole.len; i++)
            add(&body, bytes_sub(whole, i, 1), CANONICAL_ROOM, &out);
        buf_add(&out, (struct bytes){end, canonical_body_end(&body, end, sizeof end)});
        if (!bytes_equal(buf_view(&out), bytes_of(bodies[row].relaxed)))
            fail_msg("%s: \"%.*s\"", bodies[row].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(field_table),
        cmocka_unit_test(body_table),
        cmocka_unit_test(body_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
