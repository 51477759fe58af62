/* Folded fields and wrapped text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/fold.h"

#define TEN "123456789 "
#define SEVENTY "1234567890123456789012345678901234567890123456789012345678901234567890"

static const struct {
    const char *name, *start;
    size_t spaces; /* without a start */
    const char *words, *want;
} rows[] = {
    {"fits", "A:", 0, "b c", "A: b c"},
    {"fits to the last column", "A:", 0, SEVENTY " 2345", "A: " SEVENTY " 2345"},
    {"one column too far", "A:", 0, SEVENTY " 23456", "A: " SEVENTY "\r\n\t23456"},
    {"long word first", "A:", 0, SEVENTY "1234567", "A:\r\n\t" SEVENTY "1234567"},
    {"a tab counts as eight", "A:", 0, SEVENTY "1234567 " SEVENTY " 1",
     "A:\r\n\t" SEVENTY "1234567\r\n\t" SEVENTY "\r\n\t1"},
    {"spaces between words count once", "A:", 0, "  b   c ", "A: b c"},
    {"a paragraph", NULL, 4, "b c", "    b c"},
    {"a long paragraph", NULL, 4, TEN TEN TEN TEN TEN TEN TEN TEN,
     "    " TEN TEN TEN TEN TEN TEN "123456789\r\n    123456789"},
    {"a long word in a paragraph", NULL, 2, SEVENTY "1234567 b", "  " SEVENTY "1234567\r\n  b"},
    {"no indent", NULL, 0, TEN TEN TEN TEN TEN TEN TEN TEN,
     TEN TEN TEN TEN TEN TEN "123456789\r\n123456789"},
};

static void words_are_folded(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;
        buf_init(&out, 1000);
        struct fold fold = rows[i].start ? fold_field(&out, bytes_of(rows[i].start))
                                         : fold_text(&out, rows[i].spaces);
        fold_words(&fold, bytes_of(rows[i].words));
        if (!bytes_equal(buf_view(&out), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

static void a_line_can_be_asked_for(void **state)
{
    struct buf out;
    buf_init(&out, 100);
    struct fold fold = fold_field(&out, BYTES("A:"));
    fold_word(&fold, BYTES("b"));
    fold_line(&fold, BYTES("c"));
    fold_word(&fold, BYTES("d"));
    assert_true(bytes_equal(buf_view(&out), BYTES("A: b\r\n\tc d")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_folded),
        cmocka_unit_test(a_line_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
