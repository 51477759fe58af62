/* Names and passwords in their one form (RFC 8265, with its examples). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/precis.h"

enum kind { NAME, PASSWORD };

static const struct {
    const char *name;
    enum kind kind;
    const char *text, *want; /* NULL: refused */
} rows[] = {
    /* RFC 8265, 3.5 */
    {"plain", NAME, "juliet@example.com", "juliet@example.com"},
    {"case", NAME, "Juliet@Example.COM", "juliet@example.com"},
    {"sharp s", NAME,
     "fu\xc3\x9f"
     "ball",
     "fu\xc3\x9f"
     "ball"},
    {"pi", NAME, "\xcf\x80", "\xcf\x80"},
    {"capital sigma", NAME, "\xce\xa3", "\xcf\x83"},
    {"final sigma", NAME, "\xcf\x82", "\xcf\x82"},
    {"space", NAME, "foo bar", NULL},
    {"empty", NAME, "", NULL},
    {"roman numeral four", NAME, "henry\xe2\x85\xa3", NULL},
    {"infinity", NAME, "\xe2\x88\x9e", NULL},
    /* and others */
    {"full-width", NAME, "\xef\xbc\xa1\xef\xbc\x91", "a1"},
    {"composed", NAME, "e\xcc\x81", "\xc3\xa9"},
    {"ligature", NAME, "\xef\xac\x81", NULL},
    {"control", NAME, "a\x01", NULL},
    {"zero width joiner", NAME, "a\xe2\x80\x8d", NULL},
    {"no UTF-8", NAME, "a\xff", NULL},
    {"cut UTF-8", NAME, "a\xc3", NULL},
    /* RFC 8265, 4.3 */
    {"spaces", PASSWORD, "correct horse battery staple", "correct horse battery staple"},
    {"case stays", PASSWORD, "Correct Horse Battery Staple", "Correct Horse Battery Staple"},
    {"letters", PASSWORD, "\xcf\x80\xc3\x9f\xc3\xa5", "\xcf\x80\xc3\x9f\xc3\xa5"},
    {"symbol", PASSWORD, "Jack of \xe2\x99\xa6s", "Jack of \xe2\x99\xa6s"},
    {"ogham space", PASSWORD,
     "foo\xe1\x9a\x80"
     "bar",
     "foo bar"},
    {"no password", PASSWORD, "", NULL},
    {"tab", PASSWORD,
     "my cat is a \x09"
     "by",
     NULL},
    /* and others */
    {"composed", PASSWORD, "e\xcc\x81", "\xc3\xa9"},
    {"hangul", PASSWORD, "\xe1\x84\x80\xe1\x85\xa1", "\xea\xb0\x80"},
    {"ligature stays", PASSWORD, "\xef\xac\x81", "\xef\xac\x81"},
    {"no-break space", PASSWORD, "a\xc2\xa0z", "a z"},
    {"middle dot", PASSWORD, "a\xc2\xb7z", "a\xc2\xb7z"},
    {"soft hyphen", PASSWORD, "a\xc2\xadz", NULL},
    {"private use", PASSWORD, "\xee\x80\x80", NULL},
    {"not assigned", PASSWORD, "\xcd\xb8", NULL},
    {"not a character", PASSWORD, "\xef\xbf\xbe", NULL},
    {"no UTF-8", PASSWORD, "\xc0\x80", NULL},
};

static bool prepare(enum kind kind, struct buf *out, struct bytes text)
{
    return kind == NAME ? precis_username(out, text) : precis_password(out, text);
}

static void rows_hold(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out, again;
        buf_init(&out, PRECIS_LIMIT);
        buf_init(&again, PRECIS_LIMIT);
        bool is_good = prepare(rows[i].kind, &out, bytes_of(rows[i].text));
        if (is_good != (rows[i].want != NULL) ||
            !bytes_equal(buf_view(&out), bytes_of(rows[i].want)))
            fail_msg("%s: \"%.*s\"", rows[i].name, BYTES_ARGS(buf_view(&out)));
        if (is_good && (!prepare(rows[i].kind, &again, buf_view(&out)) ||
                        !bytes_equal(buf_view(&again), buf_view(&out))))
            fail_msg("%s: not stable", rows[i].name);
        buf_done(&out);
        buf_done(&again);
    }
}

static void length_is_bounded(void **state)
{
    uint8_t text[PRECIS_LIMIT + 1];
    struct buf out;
    memset(text, 'a', sizeof text);
    buf_init(&out, sizeof text);
    assert_false(precis_password(&out, (struct bytes){text, sizeof text}));
    assert_true(precis_password(&out, (struct bytes){text, PRECIS_LIMIT}));
    assert_int_equal(out.len, PRECIS_LIMIT);
    buf_clear(&out);
    /* U+0390 has three parts; composed again it is as before. */
    for (size_t i = 0; i < PRECIS_LIMIT; i += 2)
        memcpy(text + i, "\xce\x90", 2);
    assert_true(precis_password(&out, (struct bytes){text, PRECIS_LIMIT}));
    assert_int_equal(out.len, PRECIS_LIMIT);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_hold),
        cmocka_unit_test(length_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
