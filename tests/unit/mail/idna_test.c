/* Domains as people write them, and as the DNS has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/idna.h"

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static const struct {
    const char *name, *input, *want; /* NULL: refused */
} rows[] = {
    {"ASCII", "example.org", "example.org"},
    {"capitals", "Example.ORG", "example.org"},
    {"final dot", "example.org.", "example.org"},
    {"one label", "localhost", "localhost"},
    {"underscore", "_mx.example.org", "_mx.example.org"},
    {"A-label", "XN--Bcher-kva.example", "xn--bcher-kva.example"},
    {"U-label", "bücher.example", "xn--bcher-kva.example"},
    {"U-label in capitals", "BÜCHER.Example", "xn--bcher-kva.example"},
    {"U-label and final dot", "bücher.example.", "xn--bcher-kva.example"},
    {"not normalised",
     "bu\xcc\x88"
     "cher.example",
     "xn--bcher-kva.example"},
    {"sharp s is a letter of its own", "straße.example", "xn--strae-oqa.example"},
    {"Chinese", "例え.テスト", "xn--r8jz45g.xn--zckzah"},
    {"ideographic full stop", "例え。テスト", "xn--r8jz45g.xn--zckzah"},
    {"wide letters", "ｅｘａｍｐｌｅ.org", "example.org"},
    {"right to left", "שלום.example", "xn--9dbne9b.example"},
    {"label of 63", L63 ".org", L63 ".org"},
    {"label of 64", L63 "x.org", NULL},
    {"name of 253", L63 "." L63 "." L63 "." L63, NULL},
    {"nothing", "", NULL},
    {"a dot", ".", NULL},
    {"empty label", "a..example", NULL},
    {"dot in front", ".example", NULL},
    {"space", "exa mple.org", NULL},
    {"space among UTF-8", "bü cher.example", NULL},
    {"an emoji is no letter", "☃.example", NULL},
    {"joiner where none may be",
     "a\xe2\x80\x8d"
     "b.example",
     NULL},
    {"no UTF-8",
     "b\xfc"
     "cher.example",
     NULL},
    {"punycode of nothing", "xn--\xc3\xbc.example", NULL},
};

static void domains_are_named(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].input);
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, rows[i].input, len);
        struct buf out;
        buf_init(&out, HOST_NAME_LIMIT);
        bool is_name = idna_to_ascii((struct bytes){exact, len}, &out);
        if (is_name != (rows[i].want != NULL))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        if (is_name && !bytes_equal(buf_view(&out), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        if (!is_name && out.len)
            fail_msg("%s: something was written", rows[i].name);
        buf_done(&out);
        free(exact);
    }
}

static void nul_is_no_name(void **state)
{
    struct buf out;
    buf_init(&out, HOST_NAME_LIMIT);
    assert_false(idna_to_ascii(BYTES("b\xc3\xbc\0.example"), &out));
    assert_false(idna_to_ascii(BYTES("b\0.example"), &out));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_are_named),
        cmocka_unit_test(nul_is_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
