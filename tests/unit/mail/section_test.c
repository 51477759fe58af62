/* Header sections in pieces: the same section and body, however the text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/section.h"

static const struct {
    const char *name, *text, *section, *body;
} rows[] = {
    {"both", "A: b\r\nC: d\r\n\r\nbody\r\n", "A: b\r\nC: d\r\n", "body\r\n"},
    {"no body", "A: b\r\n\r\n", "A: b\r\n", ""},
    {"no blank line", "A: b\r\nC: d\r\n", "A: b\r\nC: d\r\n", ""},
    {"no line end", "A: b", "A: b", ""},
    {"blank lines in the body", "A: b\r\n\r\n\r\n\r\nx", "A: b\r\n", "\r\n\r\nx"},
    {"no section", "\r\nbody\r\n\r\nx", "", "body\r\n\r\nx"},
    {"blank line alone", "\r\n", "", ""},
    {"no field at all", "hello\r\nyou\r\n\r\nA: b\r\n", "", "hello\r\nyou\r\n\r\nA: b\r\n"},
    {"no field, and no blank line", "hello", "", "hello"},
    {"odd line further down", "A: b\r\nhello\r\n\r\nx", "A: b\r\nhello\r\n", "x"},
    {"CRs and LFs", "A: b\r\r\n\n\r\nC: d\r\n\r\nx", "A: b\r\r\n\n\r\nC: d\r\n", "x"},
    {"nothing", "", "", ""},
};

/* Feeds the text in pieces that end at the cuts, and puts the parts together. */
static void check(size_t row, const size_t *cuts, size_t cut_count)
{
    struct bytes text = bytes_of(rows[row].text);
    struct section section;
    struct buf body;
    enum section_status status = SECTION_MORE;
    section_init(&section, text.len);
    buf_init(&body, text.len);
    for (size_t i = 0, at = 0; i <= cut_count; i++) {
        size_t end = i < cut_count ? cuts[i] : text.len, len = end - at;
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        if (len)
            memcpy(exact, text.at + at, len);
        if (status == SECTION_FOUND)
            buf_add(&body, (struct bytes){exact, len});
        else
            status = section_add(&section, (struct bytes){exact, len});
        if (status == SECTION_FOUND && body.len == 0 && section.text.len == end)
            buf_add(&body, section_body(&section));
        assert_int_not_equal(status, SECTION_LARGE);
        free(exact);
        at = end;
    }
    if (status == SECTION_MORE) {
        section_end(&section);
        buf_add(&body, section_body(&section));
    }
    if (!bytes_equal(section_view(&section), bytes_of(rows[row].section)) ||
        !bytes_equal(buf_view(&body), bytes_of(rows[row].body)))
        fail_msg("%s, cut at %zu: %.*s|%.*s", rows[row].name, cut_count ? cuts[0] : 0,
                 BYTES_ARGS(section_view(&section)), BYTES_ARGS(buf_view(&body)));
    section_done(&section);
    buf_done(&body);
}

static void every_cut_gives_the_same(void **state)
{
    for (size_t row = 0; row < COUNT(rows); row++) {
        size_t len = strlen(rows[row].text), bytewise[100];
        check(row, NULL, 0);
        for (size_t first = 0; first <= len; first++)
            for (size_t second = first; second <= len; second++)
                check(row, (const size_t[]){first, second}, 2);
        for (size_t i = 0; i < len; i++)
            bytewise[i] = i;
        check(row, bytewise, len);
    }
}

static void the_limit_is_kept(void **state)
{
    struct section section;
    section_init(&section, 10);
    assert_int_equal(section_add(&section, BYTES("A: b\r\n")), SECTION_MORE);
    assert_int_equal(section_add(&section, BYTES("C: d\r\n")), SECTION_LARGE);
    section_end(&section);
    assert_true(bytes_equal(section_view(&section), BYTES("A: b\r\n")));
    section_done(&section);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same),
        cmocka_unit_test(the_limit_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
