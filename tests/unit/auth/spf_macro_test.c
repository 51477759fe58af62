/* Macros of SPF: the examples of RFC 7208, 7.4, the grammar, and what is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/spf_macro.h"

static struct spf_values values_of(const char *ip)
{
    struct spf_values values = {
        .local = BYTES("strong-bad"),
        .sender_domain = BYTES("email.example.com"),
        .domain = BYTES("email.example.com"),
        .helo = BYTES("HELO.example"),
        .validated = BYTES("mx.example.org"),
        .receiver = BYTES("us.example"),
        .now_ms = 1700000000999,
    };
    if (!ip_scan(bytes_of(ip), &values.ip))
        fail_msg("%s is no address", ip);
    return values;
}

static const struct {
    const char *text, *ip, *want;
} expansions[] = {
    {"%{s}", "192.0.2.3", "strong-bad@email.example.com"},
    {"%{o}", "192.0.2.3", "email.example.com"},
    {"%{d}", "192.0.2.3", "email.example.com"},
    {"%{d4}", "192.0.2.3", "email.example.com"},
    {"%{d3}", "192.0.2.3", "email.example.com"},
    {"%{d2}", "192.0.2.3", "example.com"},
    {"%{d1}", "192.0.2.3", "com"},
    {"%{dr}", "192.0.2.3", "com.example.email"},
    {"%{d2r}", "192.0.2.3", "example.email"},
    {"%{l}", "192.0.2.3", "strong-bad"},
    {"%{l-}", "192.0.2.3", "strong.bad"},
    {"%{lr}", "192.0.2.3", "strong-bad"},
    {"%{lr-}", "192.0.2.3", "bad.strong"},
    {"%{l1r-}", "192.0.2.3", "strong"},
    {"%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "3.2.0.192.in-addr._spf.example.com"},
    {"%{lr-}.lp._spf.%{d2}", "192.0.2.3", "bad.strong.lp._spf.example.com"},
    {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "192.0.2.3",
     "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
    {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "192.0.2.3",
     "3.2.0.192.in-addr.strong.lp._spf.example.com"},
    {"%{d2}.trusted-domains.example.net", "192.0.2.3", "example.com.trusted-domains.example.net"},
    {"%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01",
     "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com"},
    {"%{c} %{C}", "2001:db8::cb01", "2001:db8::cb01 2001%3Adb8%3A%3Acb01"},
    {"%{p}, %{h}, %{r}, %{t}", "192.0.2.3", "mx.example.org, HELO.example, us.example, 1700000000"},
    {"%%%_%-", "192.0.2.3", "% %20"},
    {"%{S}", "192.0.2.3", "strong-bad%40email.example.com"},
    {"%{d0001}", "192.0.2.3", "com"},
    {"%{d127}", "192.0.2.3", "email.example.com"},
    {"%{d99999999999999999999999999}", "192.0.2.3", "email.example.com"},
    {"%{DR}", "192.0.2.3", "com.example.email"},
    {"%{o.-}", "192.0.2.3", "email.example.com"},
    {"", "192.0.2.3", ""},
};

static void texts_expand(void **state)
{
    for (size_t i = 0; i < COUNT(expansions); i++) {
        struct spf_values values = values_of(expansions[i].ip);
        struct buf out;
        buf_init(&out, 1024);
        spf_macro_expand(&out, bytes_of(expansions[i].text), &values);
        if (!bytes_equal(buf_view(&out), bytes_of(expansions[i].want)))
            fail_msg("%s: %.*s", expansions[i].text, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

enum { TERM = 1 << SPF_IN_TERM, MODIFIER = 1 << SPF_IN_MODIFIER, TEXT = 1 << SPF_IN_TEXT };

static const struct {
    const char *text;
    int places; /* where it is valid */
    bool is_domain;
} syntax[] = {
    {"", TERM | MODIFIER | TEXT, false},
    {"example.com", TERM | MODIFIER | TEXT, true},
    {"example.com.", TERM | MODIFIER | TEXT, true},
    {"example.com..", TERM | MODIFIER | TEXT, false},
    {".com", TERM | MODIFIER | TEXT, true},
    {"museum", TERM | MODIFIER | TEXT, false},
    {"museum.", TERM | MODIFIER | TEXT, false},
    {"a.123", TERM | MODIFIER | TEXT, false},
    {"a.1a3", TERM | MODIFIER | TEXT, true},
    {"a.1-3", TERM | MODIFIER | TEXT, true},
    {"a.-1", TERM | MODIFIER | TEXT, false},
    {"a.b-", TERM | MODIFIER | TEXT, false},
    {"a.b_c", TERM | MODIFIER | TEXT, false},
    {"a_b.c", TERM | MODIFIER | TEXT, true},
    {"%{d}", TERM | MODIFIER | TEXT, true},
    {"x%{d}", TERM | MODIFIER | TEXT, true},
    {"%{d}.", TERM | MODIFIER | TEXT, false},
    {"%{d}x", TERM | MODIFIER | TEXT, false},
    {"%{d}.x", TERM | MODIFIER | TEXT, true},
    {"%{d}.x.", TERM | MODIFIER | TEXT, true},
    {"a%%", TERM | MODIFIER | TEXT, true},
    {"a.b c", TEXT, false},
    {"a.b%", 0, false},
    {"%(d).x", 0, false},
    {"%{", 0, false},
    {"%{d", 0, false},
    {"%{}", 0, false},
    {"%{q}", 0, false},
    {"%{d0}", MODIFIER, false},
    {"%{d00}", MODIFIER, false},
    {"%{d10}", TERM | MODIFIER | TEXT, true},
    {"%{dr2}", 0, false},
    {"%{drr}", 0, false},
    {"%{d2r.-+,/_=}", TERM | MODIFIER | TEXT, true},
    {"%{d!}", 0, false},
    {"%{D}", TERM | MODIFIER | TEXT, true},
    {"%{c}", MODIFIER | TEXT, false},
    {"%{R}.x", MODIFIER | TEXT, false},
    {"%{t}", MODIFIER | TEXT, false},
    {"a\tb.c", 0, false},
    {"b\x7f.c", 0, false},
    {"\xc3\xbc.c", 0, false},
};

static void syntax_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(syntax); i++) {
        size_t len = strlen(syntax[i].text);
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, syntax[i].text, len);
        struct bytes text = {exact, len};
        for (enum spf_place place = SPF_IN_TERM; place <= SPF_IN_TEXT; place++)
            if (spf_macro_is_valid(text, place) != ((syntax[i].places & 1 << place) != 0))
                fail_msg("\"%s\" in place %d", syntax[i].text, place);
        if (spf_macro_is_domain(text) != syntax[i].is_domain)
            fail_msg("\"%s\" as a domain", syntax[i].text);
        free(exact);
    }
}

static void letters_are_found(void **state)
{
    assert_true(spf_macro_has(BYTES("a.%{S2r}.b"), 's'));
    assert_true(spf_macro_has(BYTES("%{i}%{p}"), 'p'));
    assert_false(spf_macro_has(BYTES("%%{p}"), 'p'));
    assert_false(spf_macro_has(BYTES("s.%{i}"), 's'));
}

static void names_are_cut_from_the_left(void **state)
{
    struct spf_values values = values_of("192.0.2.3");
    char spec[600] = "first.";
    uint8_t room[SPF_NAME_LIMIT];
    struct buf out = {.at = room, .cap = sizeof room, .limit = sizeof room};
    for (size_t i = 0; i < 50; i++)
        memcpy(spec + 6 + i * 5, "abcd.", 5);
    memcpy(spec + 256, "x.", 3);
    assert_true(spf_macro_expand_name(&out, bytes_of(spec), &values));
    assert_int_equal(out.len, 251);
    assert_true(bytes_starts(buf_view(&out), BYTES("abcd.")));
    buf_clear(&out);
    /* A label that is too long alone stays: it is no name that can be asked for. */
    memset(spec, 'a', 253);
    memcpy(spec + 253, ".b", 3);
    assert_true(spf_macro_expand_name(&out, bytes_of(spec), &values));
    assert_true(bytes_equal(buf_view(&out), BYTES("b")));
}

static void much_is_refused(void **state)
{
    enum { COUNT_OF = SPF_EXPANSION_LIMIT / 17 + 1 };
    struct spf_values values = values_of("192.0.2.3");
    char *spec = calloc(COUNT_OF, 4);
    uint8_t room[SPF_NAME_LIMIT];
    struct buf out = {.at = room, .cap = sizeof room, .limit = sizeof room};
    assert_non_null(spec);
    for (size_t i = 0; i < COUNT_OF; i++)
        memcpy(spec + i * 4, "%{d}", 4);
    struct bytes text = {(uint8_t *)spec, COUNT_OF * 4};
    assert_false(spf_macro_expand_name(&out, text, &values));
    text.len -= 4;
    assert_true(spf_macro_expand_name(&out, text, &values));
    free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_expand),      cmocka_unit_test(syntax_by_table),
        cmocka_unit_test(letters_are_found), cmocka_unit_test(names_are_cut_from_the_left),
        cmocka_unit_test(much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
