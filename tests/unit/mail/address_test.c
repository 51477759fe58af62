/* Addresses and paths: a table of our own, and the is_email set of tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/memory.h"
#include "mail/address.h"

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define L64 L63 "l"
#define D255 L63 "." L63 "." L63 "." L63

static const struct {
    const char *name, *input;
    enum address_charset charset;
    enum path_status want;
    const char *local, *domain, *rest;
} paths[] = {
    {"null reverse-path", "<> SIZE=1", ADDRESS_ASCII, PATH_NULL, "", "", " SIZE=1"},
    {"plain", "<ann@example.org>", ADDRESS_ASCII, PATH_OK, "ann", "example.org", ""},
    {"something follows", "<ann@b.c> BODY=7BIT", ADDRESS_ASCII, PATH_OK, "ann", "b.c",
     " BODY=7BIT"},
    {"quoted local part", "<\"a b\"@example.org>", ADDRESS_ASCII, PATH_OK, "\"a b\"", "example.org",
     ""},
    {"bracket in quotes", "<\"a>b\"@example.org>", ADDRESS_ASCII, PATH_OK, "\"a>b\"", "example.org",
     ""},
    {"at sign in quotes", "<\"a@b\"@c>", ADDRESS_ASCII, PATH_OK, "\"a@b\"", "c", ""},
    {"quoted pair", "<\"a\\\"b\"@c>", ADDRESS_ASCII, PATH_OK, "\"a\\\"b\"", "c", ""},
    {"source route", "<@a.b,@c.d:ann@e.f>", ADDRESS_ASCII, PATH_OK, "ann", "e.f", ""},
    {"one hop route", "<@a:ann@e.f>", ADDRESS_ASCII, PATH_OK, "ann", "e.f", ""},
    {"route without colon", "<@a.b ann@e.f>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"route with empty domain", "<@:ann@e.f>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"route with a comma too many", "<@a,:ann@e.f>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"route alone", "<@a.b:>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"postmaster", "<postmaster>", ADDRESS_ASCII, PATH_OK, "postmaster", "", ""},
    {"postmaster in capitals", "<PostMaster> X", ADDRESS_ASCII, PATH_OK, "PostMaster", "", " X"},
    {"another name alone", "<ann>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"postmaster with a domain", "<postmaster@a>", ADDRESS_ASCII, PATH_OK, "postmaster", "a", ""},
    {"IPv4 literal", "<ann@[192.0.2.1]>", ADDRESS_ASCII, PATH_OK, "ann", "[192.0.2.1]", ""},
    {"IPv6 literal", "<ann@[ipv6:2001:db8::1]>", ADDRESS_ASCII, PATH_OK, "ann",
     "[ipv6:2001:db8::1]", ""},
    {"literal not closed", "<ann@[192.0.2.1>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"literal with an unknown tag", "<ann@[x400:abc]>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"no closing bracket", "<ann@example.org", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"no opening bracket", "ann@example.org>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"space inside", "<ann @example.org>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"space before", "< ann@example.org>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"two at signs", "<ann@b@c>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"final dot", "<ann@example.org.>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"CR inside", "<ann\r@example.org>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"nothing", "", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"a bracket", "<", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"an open quote", "<\"", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"an open quoted pair", "<\"a\\", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"underscore in a domain", "<ann@a_b.c>", ADDRESS_ASCII, PATH_OK, "ann", "a_b.c", ""},
    {"local part of 64", "<" L64 "@b>", ADDRESS_ASCII, PATH_OK, L64, "b", ""},
    {"local part of 65", "<m" L64 "@b>", ADDRESS_ASCII, PATH_TOO_LONG, NULL, NULL, NULL},
    {"domain of 255", "<a@" D255 ">", ADDRESS_ASCII, PATH_OK, "a", D255, ""},
    {"domain of 257", "<a@" D255 ".b>", ADDRESS_ASCII, PATH_TOO_LONG, NULL, NULL, NULL},
    {"label of 64", "<a@" L64 ".b>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"path over 1000", "<@" D255 ",@" D255 ",@" D255 ",@" D255 ":a@b>", ADDRESS_ASCII,
     PATH_TOO_LONG, NULL, NULL, NULL},
    {"UTF-8 asked for",
     "<j\xc3\xbcrgen@b\xc3\xbc"
     "cher.example>",
     ADDRESS_UTF8, PATH_OK, "j\xc3\xbcrgen",
     "b\xc3\xbc"
     "cher.example",
     ""},
    {"UTF-8 in quotes", "<\"j\xc3\xbc r\"@b>", ADDRESS_UTF8, PATH_OK, "\"j\xc3\xbc r\"", "b", ""},
    {"UTF-8 as a quoted pair", "<\"\\\xc3\xbc\"@b>", ADDRESS_UTF8, PATH_BAD, NULL, NULL, NULL},
    {"UTF-8 not asked for", "<j\xc3\xbcrgen@b>", ADDRESS_ASCII, PATH_NEEDS_UTF8, NULL, NULL, NULL},
    {"UTF-8 in the domain only", "<j@b\xc3\xbc>", ADDRESS_ASCII, PATH_NEEDS_UTF8, NULL, NULL, NULL},
    {"Latin-1", "<j\xfcrgen@b>", ADDRESS_UTF8, PATH_BAD, NULL, NULL, NULL},
    {"Latin-1 not asked for", "<j\xfcrgen@b>", ADDRESS_ASCII, PATH_BAD, NULL, NULL, NULL},
    {"overlong at sign",
     "<j\xc1\x80"
     "b>",
     ADDRESS_UTF8, PATH_BAD, NULL, NULL, NULL},
};

/* The text at the very end of a heap block of its own, so that the sanitizer sees every read
 * beyond it. */
static uint8_t *exact_copy(struct bytes text)
{
    uint8_t *copy = malloc(text.len ? text.len : 1);
    assert_non_null(copy);
    if (text.len)
        memcpy(copy, text.at, text.len);
    return copy;
}

static bool is_text(struct bytes view, const char *want)
{
    return bytes_equal(view, bytes_of(want));
}

static void paths_are_parsed(void **state)
{
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct bytes input = bytes_of(paths[i].input);
        uint8_t *copy = exact_copy(input);
        struct bytes rest = {copy, input.len};
        struct address got = {0};
        enum path_status status = path_parse(&rest, paths[i].charset, &got);
        bool has_result = status == PATH_OK || status == PATH_NULL;
        if (status != paths[i].want)
            fail_msg("%s: status %d", paths[i].name, status);
        if (!has_result && rest.len != input.len)
            fail_msg("%s: moved on", paths[i].name);
        if (has_result && (!is_text(got.local, paths[i].local) ||
                           !is_text(got.domain, paths[i].domain) || !is_text(rest, paths[i].rest)))
            fail_msg("%s: wrong parts", paths[i].name);
        if (has_result && got.domain.len && got.whole.len != got.local.len + 1 + got.domain.len)
            fail_msg("%s: wrong whole", paths[i].name);
        free(copy);
    }
}

static void every_prefix_of_a_path_is_safe(void **state)
{
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct bytes input = bytes_of(paths[i].input);
        for (size_t len = 0; len < input.len; len++) {
            uint8_t *copy = exact_copy(bytes_sub(input, 0, len));
            struct bytes rest = {copy, len};
            struct address got;
            enum path_status status = path_parse(&rest, paths[i].charset, &got);
            assert_true(status != PATH_OK || got.whole.at + got.whole.len < copy + len);
            free(copy);
        }
    }
}

static void flags_are_set(void **state)
{
    struct address got;
    assert_int_equal(address_parse(BYTES("a@[192.0.2.1]"), ADDRESS_ASCII, &got), PATH_OK);
    assert_true(got.is_literal && !got.has_utf8);
    assert_int_equal(address_parse(BYTES("\xc3\xbc@b"), ADDRESS_UTF8, &got), PATH_OK);
    assert_true(!got.is_literal && got.has_utf8);
    /* The route's UTF-8 is dropped with it: the next hop need not know. */
    struct bytes rest = BYTES("<@\xc3\xbc:a@b>");
    assert_int_equal(path_parse(&rest, ADDRESS_UTF8, &got), PATH_OK);
    assert_false(got.has_utf8);
}

static void an_address_fills_the_view(void **state)
{
    struct address got;
    assert_int_equal(address_parse(BYTES("a@b"), ADDRESS_ASCII, &got), PATH_OK);
    assert_int_equal(address_parse(BYTES("a@b "), ADDRESS_ASCII, &got), PATH_BAD);
    assert_int_equal(address_parse(BYTES("<a@b>"), ADDRESS_ASCII, &got), PATH_BAD);
    assert_int_equal(address_parse(BYTES("postmaster"), ADDRESS_ASCII, &got), PATH_BAD);
    assert_int_equal(address_parse(BYTES(""), ADDRESS_ASCII, &got), PATH_BAD);
}

static void literals_have_all_forms(void **state)
{
    static const struct {
        const char *literal;
        bool want;
    } rows[] = {
        {"[0.0.0.0]", true},
        {"[255.255.255.255]", true},
        {"[1.2.3]", false},
        {"[1.2.3.4.5]", false},
        {"[1.2.3.256]", false},
        {"[1.2.3.]", false},
        {"[1..2.3]", false},
        {"[1.2.3.4 ]", false},
        {"[0001.2.3.4]", false},
        {"[]", false},
        {"[", false},
        {"", false},
        {"1.2.3.4", false},
        {"[IPv6:]", false},
        {"[IPv6::]", false},
        {"[IPv6:::]", true},
        {"[IPv6:::1]", true},
        {"[IPv6:1::]", true},
        {"[IPv6:1:2:3:4:5:6::]", true},
        {"[IPv6:::3:4:5:6:7:8]", true},
        {"[IPv6:1:2:3:4:5:6:7::]", false},
        {"[IPv6:1:2:3:4:5:6:7:8]", true},
        {"[IPv6:1:2:3:4:5:6:7:8:]", false},
        {"[IPv6:1:2:3:4:5:6:7:8:9]", false},
        {"[IPv6:1:2:3:4:5:6:7:8::]", false},
        {"[IPv6:12345::]", false},
        {"[IPv6:1::2::3]", false},
        {"[IPv6:1:::2]", false},
        {"[IPv6:g::1]", false},
        {"[IPv6:::192.0.2.1]", true},
        {"[IPv6:::ffff:192.0.2.1]", true},
        {"[IPv6:64:ff9b::192.0.2.1]", true},
        {"[IPv6:1:2:3:4:5:6:192.0.2.1]", true},
        {"[IPv6:1:2:3:4:5:6:7:192.0.2.1]", false},
        {"[IPv6:1:2:3:4::192.0.2.1]", true},
        {"[IPv6:1:2:3:4:5::192.0.2.1]", false},
        {"[IPv6:::192.0.2]", false},
        {"[IPv6:192.0.2.1::]", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (address_literal_is_valid(bytes_of(rows[i].literal)) != rows[i].want)
            fail_msg("%s", rows[i].literal);
}

static void domains_are_checked(void **state)
{
    assert_true(domain_is_valid(BYTES("example.org"), ADDRESS_ASCII));
    assert_true(domain_is_valid(BYTES("_dmarc.example.org"), ADDRESS_ASCII));
    assert_true(domain_is_valid(BYTES("localhost"), ADDRESS_ASCII));
    assert_false(domain_is_valid(BYTES(""), ADDRESS_ASCII));
    assert_false(domain_is_valid(BYTES(".a"), ADDRESS_ASCII));
    assert_false(domain_is_valid(BYTES("a."), ADDRESS_ASCII));
    assert_false(domain_is_valid(BYTES("a-.b"), ADDRESS_ASCII));
    assert_false(domain_is_valid(BYTES("a b"), ADDRESS_ASCII));
    assert_false(domain_is_valid(BYTES(D255 ".b"), ADDRESS_ASCII));
    assert_false(domain_is_valid(BYTES("b\xc3\xbc"), ADDRESS_ASCII));
    assert_true(domain_is_valid(BYTES("b\xc3\xbc"), ADDRESS_UTF8));
    assert_false(domain_is_valid(BYTES("b\xfc"), ADDRESS_UTF8));
}

static void local_parts_are_quoted_as_needed(void **state)
{
    static const struct {
        const char *written, *value, *printed;
    } rows[] = {
        {"ann", "ann", "ann"},
        {"ann.b", "ann.b", "ann.b"},
        {"\"ann\"", "ann", "ann"},
        {"\"a b\"", "a b", "\"a b\""},
        {"\"a\\ b\"", "a b", "\"a b\""},
        {"\"a\\\\b\\\"\"", "a\\b\"", "\"a\\\\b\\\"\""},
        {"\"\"", "", "\"\""},
        {"\".a\"", ".a", "\".a\""},
        {"\"a..b\"", "a..b", "\"a..b\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf value, printed;
        buf_init(&value, 100);
        buf_init(&printed, 100);
        address_local_value(&value, bytes_of(rows[i].written));
        address_print_local(&printed, buf_view(&value));
        if (!is_text(buf_view(&value), rows[i].value) ||
            !is_text(buf_view(&printed), rows[i].printed))
            fail_msg("%s", rows[i].written);
        buf_done(&value);
        buf_done(&printed);
    }
}

/* is_email sorts header addresses. Comments, folding and the obsolete forms of RFC 5322 (its
 * categories CFWS and DEPREC) and what RFC 5322 alone would let through (category RFC5322) are
 * no SMTP paths, so all of them must be refused here. Only what is no worse than over 254 bytes in
 * all is taken: RFC 5321, 4.5.3.1 names the least to take and wants no limits. Nothing is skipped.
 */
static bool isemail_want(const char *category, const char *diagnosis)
{
    static const char *const good[] = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN",
                                       "ISEMAIL_RFC5321"};
    for (size_t i = 0; i < COUNT(good); i++)
        if (strcmp(category, good[i]) == 0)
            return true;
    return strcmp(diagnosis, "ISEMAIL_RFC5322_TOOLONG") == 0;
}

static void isemail_set(void **state)
{
    json_error_t error;
    json_t *set = json_load_file(TEST_DATA "/address/isemail.json", JSON_ALLOW_NUL, &error);
    if (!set)
        fail_msg("%s", error.text);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(set, "tests"), i, row)
    {
        const json_t *text = json_object_get(row, "address");
        struct bytes address = {(const uint8_t *)json_string_value(text), json_string_length(text)};
        struct address got;
        enum path_status status = address_parse(address, ADDRESS_ASCII, &got);
        const char *category = json_string_value(json_object_get(row, "category"));
        const char *diagnosis = json_string_value(json_object_get(row, "diagnosis"));
        if ((status == PATH_OK) != isemail_want(category, diagnosis))
            fail_msg("%s: %s: status %d", json_string_value(json_object_get(row, "id")), category,
                     status);
    }
    assert_true(i > 150);
    json_decref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_parsed),
        cmocka_unit_test(every_prefix_of_a_path_is_safe),
        cmocka_unit_test(flags_are_set),
        cmocka_unit_test(an_address_fills_the_view),
        cmocka_unit_test(literals_have_all_forms),
        cmocka_unit_test(domains_are_checked),
        cmocka_unit_test(local_parts_are_quoted_as_needed),
        cmocka_unit_test(isemail_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
