/* The terms of SPF records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/spf_record.h"

static const struct {
    const char *text;
    bool is_good;
    enum spf_kind kind;
    enum spf_result qualifier;
    const char *spec;
    unsigned bits4, bits6;
} terms[] = {
    {"all", true, SPF_ALL, SPF_PASS, "", 32, 128},
    {"-ALL", true, SPF_ALL, SPF_FAIL, "", 32, 128},
    {"?all", true, SPF_ALL, SPF_NEUTRAL, "", 32, 128},
    {"~all", true, SPF_ALL, SPF_SOFTFAIL, "", 32, 128},
    {"+all", true, SPF_ALL, SPF_PASS, "", 32, 128},
    {"all.", false, 0, 0, "", 0, 0},
    {"all/8", false, 0, 0, "", 0, 0},
    {"all:x.y", false, 0, 0, "", 0, 0},
    {"--all", false, 0, 0, "", 0, 0},
    {"-", false, 0, 0, "", 0, 0},
    {"a", true, SPF_A, SPF_PASS, "", 32, 128},
    {"a/24", true, SPF_A, SPF_PASS, "", 24, 128},
    {"a//64", true, SPF_A, SPF_PASS, "", 32, 64},
    {"a/0//0", true, SPF_A, SPF_PASS, "", 0, 0},
    {"-a:x.y/24//64", true, SPF_A, SPF_FAIL, "x.y", 24, 64},
    {"a:%{d}/24", true, SPF_A, SPF_PASS, "%{d}", 24, 128},
    {"a:x/y.z", true, SPF_A, SPF_PASS, "x/y.z", 32, 128},
    {"a:x.y/", false, 0, 0, "", 0, 0},
    {"a:x.y//", false, 0, 0, "", 0, 0},
    {"a:x.y/33", false, 0, 0, "", 0, 0},
    {"a:x.y/024", false, 0, 0, "", 0, 0},
    {"a:x.y//129", false, 0, 0, "", 0, 0},
    {"a:x.y//64/24", false, 0, 0, "", 0, 0},
    {"a:/24", false, 0, 0, "", 0, 0},
    {"a:", false, 0, 0, "", 0, 0},
    {"a:museum", false, 0, 0, "", 0, 0},
    {"a24", false, 0, 0, "", 0, 0},
    {"a/x", false, 0, 0, "", 0, 0},
    {"MX:x.y", true, SPF_MX, SPF_PASS, "x.y", 32, 128},
    {"mx/16", true, SPF_MX, SPF_PASS, "", 16, 128},
    {"ptr", true, SPF_PTR, SPF_PASS, "", 32, 128},
    {"ptr:x.y", true, SPF_PTR, SPF_PASS, "x.y", 32, 128},
    {"ptr/0", false, 0, 0, "", 0, 0},
    {"include:x.y", true, SPF_INCLUDE, SPF_PASS, "x.y", 32, 128},
    {"include:x.y/24", false, 0, 0, "", 0, 0},
    {"include", false, 0, 0, "", 0, 0},
    {"include:", false, 0, 0, "", 0, 0},
    {"exists:%{ir}.x.y", true, SPF_EXISTS, SPF_PASS, "%{ir}.x.y", 32, 128},
    {"exists", false, 0, 0, "", 0, 0},
    {"exists:x.y//1", false, 0, 0, "", 0, 0},
    {"ip4:192.0.2.1", true, SPF_IP4, SPF_PASS, "", 32, 128},
    {"~ip4:192.0.2.0/24", true, SPF_IP4, SPF_SOFTFAIL, "", 24, 128},
    {"ip4:192.0.2.0/0", true, SPF_IP4, SPF_PASS, "", 0, 128},
    {"ip4:192.0.2", false, 0, 0, "", 0, 0},
    {"ip4:192.0.2.256", false, 0, 0, "", 0, 0},
    {"ip4:192.0.2.01", false, 0, 0, "", 0, 0},
    {"ip4:192.0.2.0/33", false, 0, 0, "", 0, 0},
    {"ip4:192.0.2.0/", false, 0, 0, "", 0, 0},
    {"ip4:192.0.2.0//32", false, 0, 0, "", 0, 0},
    {"ip4:2001:db8::", false, 0, 0, "", 0, 0},
    {"ip4:::ffff:192.0.2.0", false, 0, 0, "", 0, 0},
    {"ip4", false, 0, 0, "", 0, 0},
    {"ip4/24", false, 0, 0, "", 0, 0},
    {"ip6:2001:db8::/32", true, SPF_IP6, SPF_PASS, "", 32, 32},
    {"ip6:::1", true, SPF_IP6, SPF_PASS, "", 32, 128},
    {"ip6:2001:db8::/129", false, 0, 0, "", 0, 0},
    {"ip6:192.0.2.1", false, 0, 0, "", 0, 0},
    {"ip6:", false, 0, 0, "", 0, 0},
    {"ip5:192.0.2.1", false, 0, 0, "", 0, 0},
    {"redirect=x.y", true, SPF_REDIRECT, SPF_PASS, "x.y", 32, 128},
    {"Redirect=x.y", true, SPF_REDIRECT, SPF_PASS, "x.y", 32, 128},
    {"redirect=", false, 0, 0, "", 0, 0},
    {"redirect:x.y", false, 0, 0, "", 0, 0},
    {"-redirect=x.y", false, 0, 0, "", 0, 0},
    {"exp=x.y", true, SPF_EXP, SPF_PASS, "x.y", 32, 128},
    {"exp=%{r}.y", false, 0, 0, "", 0, 0},
    {"exp=xy", false, 0, 0, "", 0, 0},
    {"default=softfail", true, SPF_UNKNOWN_MODIFIER, SPF_PASS, "", 32, 128},
    {"m.o-o_1=", true, SPF_UNKNOWN_MODIFIER, SPF_PASS, "", 32, 128},
    {"moo=a:b/c=%{r}", true, SPF_UNKNOWN_MODIFIER, SPF_PASS, "", 32, 128},
    {"moo=%x", false, 0, 0, "", 0, 0},
    {"1oo=a", false, 0, 0, "", 0, 0},
    {"m/o=a", false, 0, 0, "", 0, 0},
    {"=a", false, 0, 0, "", 0, 0},
    {"v=spf1", true, SPF_UNKNOWN_MODIFIER, SPF_PASS, "", 32, 128},
    {"moo", false, 0, 0, "", 0, 0},
    {"a\tmx", false, 0, 0, "", 0, 0},
};

static void terms_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(terms); i++) {
        size_t len = strlen(terms[i].text);
        uint8_t *exact = malloc(len);
        assert_non_null(exact);
        memcpy(exact, terms[i].text, len);
        struct bytes rest = {exact, len};
        struct spf_term term;
        const char *why = NULL;
        enum spf_term_status status = spf_term_next(&rest, &term, &why);
        if (status != (terms[i].is_good ? SPF_TERM_FOUND : SPF_TERM_BAD))
            fail_msg("%s: status %d", terms[i].text, status);
        if (!bytes_equal(term.text, (struct bytes){exact, len}) || rest.len)
            fail_msg("%s: text %.*s", terms[i].text, BYTES_ARGS(term.text));
        if (status == SPF_TERM_BAD && !why)
            fail_msg("%s: no reason", terms[i].text);
        if (terms[i].is_good &&
            (term.kind != terms[i].kind || term.qualifier != terms[i].qualifier ||
             !bytes_equal(term.spec, bytes_of(terms[i].spec)) || term.bits4 != terms[i].bits4 ||
             term.bits6 != terms[i].bits6))
            fail_msg("%s: kind %d, qualifier %d, spec %.*s, /%u //%u", terms[i].text, term.kind,
                     term.qualifier, BYTES_ARGS(term.spec), term.bits4, term.bits6);
        free(exact);
    }
}

static const struct {
    const char *text, *why;
} slips[] = {
    {"ipv4:192.0.2.1", "is no mechanism; write ip4:"},
    {"-IPv6:2001:db8::1", "is no mechanism; write ip6:"},
    {"redirect:x.y", "is a modifier; write redirect= with an equals sign"},
    {"ip4:192.0.2", "is no IPv4 network (ip4:192.0.2.0/24)"},
    {"a/33", "has no good prefix length (/0 to /32, //0 to //128)"},
    {"moo", "is no mechanism (all, include, a, mx, ptr, ip4, ip6, exists)"},
};

static void slips_are_told(void **state)
{
    for (size_t i = 0; i < COUNT(slips); i++) {
        struct bytes rest = bytes_of(slips[i].text);
        struct spf_term term;
        const char *why = NULL;
        assert_int_equal(spf_term_next(&rest, &term, &why), SPF_TERM_BAD);
        assert_string_equal(why, slips[i].why);
    }
}

static const struct {
    const char *record;
    bool begins, is_good, has_all;
    const char *redirect, *exp, *bad;
} records[] = {
    {"v=spf1", true, true, false, "", "", ""},
    {"V=SPF1 ", true, true, false, "", "", ""},
    {"v=spf10", false, false, false, "", "", ""},
    {"v=spf1\tall", false, false, false, "", "", ""},
    {" v=spf1 all", false, false, false, "", "", ""},
    {"v=spf", false, false, false, "", "", ""},
    {"v=spf1   a   -all  ", true, true, true, "", "", ""},
    {"v=spf1 exp=a.b redirect=c.d a", true, true, false, "c.d", "a.b", ""},
    {"v=spf1 redirect=a.b mx redirect=a.b", true, false, false, "a.b", "", "redirect=a.b"},
    {"v=spf1 exp=a.b exp=c.d", true, false, false, "", "a.b", "exp=c.d"},
    {"v=spf1 all moo x=y", true, false, true, "", "", "moo"},
    {"v=spf1 x=y x=y", true, true, false, "", "", ""},
};

static void records_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(records); i++) {
        struct bytes rest;
        struct spf_outline outline;
        bool begins = spf_record_begins(bytes_of(records[i].record), &rest);
        if (begins != records[i].begins)
            fail_msg("%s: begins %d", records[i].record, begins);
        if (!begins)
            continue;
        bool is_good = spf_record_outline(rest, &outline);
        if (is_good != records[i].is_good || outline.has_all != records[i].has_all ||
            !bytes_equal(outline.redirect, bytes_of(records[i].redirect)) ||
            !bytes_equal(outline.exp, bytes_of(records[i].exp)) ||
            !bytes_equal(outline.bad, bytes_of(records[i].bad)))
            fail_msg("%s: good %d, all %d, redirect %.*s, exp %.*s, bad %.*s", records[i].record,
                     is_good, outline.has_all, BYTES_ARGS(outline.redirect),
                     BYTES_ARGS(outline.exp), BYTES_ARGS(outline.bad));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_by_table),
        cmocka_unit_test(slips_are_told),
        cmocka_unit_test(records_by_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
