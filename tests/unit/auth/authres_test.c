/* Authentication-Results: what is written, what is cut out, and the fields of mox's tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "auth/authres.h"
#include "mail/header.h"

#define OURS "mx.example.org"

static const struct {
    const char *name;
    struct authres_result results[3];
    size_t count;
    const char *want;
} prints[] = {
    {"none", {{0}}, 0, "Authentication-Results: mx.example.org; none\r\n"},
    {"one",
     {{"spf", "pass", BYTES_INIT(""), {{"smtp.mailfrom", BYTES_INIT("ann@example.com")}}}},
     1,
     "Authentication-Results: mx.example.org;\r\n\tspf=pass smtp.mailfrom=ann@example.com\r\n"},
    {"several, folded",
     {{"iprev", "pass", BYTES_INIT(""), {{"policy.iprev", BYTES_INIT("2001:db8::1")}}},
      {"dkim",
       "pass",
       BYTES_INIT("2048-bit key (RSA)"),
       {{"header.d", BYTES_INIT("example.com")},
        {"header.s", BYTES_INIT("s1")},
        {"header.a", BYTES_INIT("rsa-sha256")},
        {"header.b", BYTES_INIT("CfNW8cht1/v3")}}},
      {"dmarc",
       "pass",
       BYTES_INIT("p=reject"),
       {{"header.from", BYTES_INIT("example.com")}, {"policy.dmarc", BYTES_INIT("")}}}},
     3,
     "Authentication-Results: mx.example.org;\r\n"
     "\tiprev=pass policy.iprev=\"2001:db8::1\";\r\n"
     "\tdkim=pass (2048-bit key \\(RSA\\)) header.d=example.com header.s=s1\r\n"
     "\theader.a=rsa-sha256 header.b=\"CfNW8cht1/v3\";\r\n"
     "\tdmarc=pass (p=reject) header.from=example.com\r\n"},
    {"hostile values",
     {{"spf",
       "fail",
       BYTES_INIT("a)\r\nX: (\xff"),
       {{"smtp.mailfrom", BYTES_INIT("a\"b\\\r\nc@x; dkim=pass")},
        {"smtp.helo", BYTES_INIT("@example.com")},
        {"header.i", BYTES_INIT("@")}}}},
     1,
     "Authentication-Results: mx.example.org;\r\n"
     "\tspf=fail (a\\)??X: \\(?) smtp.mailfrom=\"a\\\"b\\\\??c@x; dkim=pass\"\r\n"
     "\tsmtp.helo=@example.com header.i=\"@\"\r\n"},
};

static void fields_are_written(void **state)
{
    for (size_t i = 0; i < COUNT(prints); i++) {
        struct buf out;
        struct header_field field;
        buf_init(&out, AUTHRES_RESULT_BYTES * 4);
        authres_print(&out, BYTES(OURS), prints[i].results, prints[i].count);
        struct bytes rest = buf_view(&out);
        if (!bytes_equal(rest, bytes_of(prints[i].want)))
            fail_msg("%s: %.*s", prints[i].name, BYTES_ARGS(rest));
        assert_true(header_next(&rest, &field) && rest.len == 0);
        buf_done(&out);
    }
}

static void long_values_stay_in_bounds(void **state)
{
    static uint8_t long_value[5000];
    struct authres_result result = {"spf", "pass", {long_value, sizeof long_value}, {{0}}};
    struct buf out;
    memset(long_value, '"', sizeof long_value);
    for (size_t i = 0; i < AUTHRES_PROPERTY_LIMIT; i++)
        result.properties[i] =
            (struct authres_property){"smtp.mailfrom", {long_value, sizeof long_value}};
    buf_init(&out, AUTHRES_RESULT_BYTES * 2);
    authres_print(&out, BYTES(OURS), &result, 1);
    assert_false(out.overflowed);
    for (struct bytes rest = buf_view(&out), line; rest.len;) {
        bytes_cut(rest, '\n', &line, &rest);
        assert_true(line.len < 998);
    }
    buf_done(&out);
}

static const struct {
    const char *name, *value;
    bool is_cut;
} claims[] = {
    {"ours", " mx.example.org; spf=pass", true},
    {"of somebody else", " mx.example.com; spf=pass smtp.mailfrom=mx.example.org", false},
    {"longer name", " mx.example.org.evil.example; spf=pass", false},
    {"name below ours", " a.mx.example.org; spf=pass", false},
    {"case", " MX.Example.ORG; spf=pass", true},
    {"no blank", "mx.example.org;spf=pass", true},
    {"folded", "\r\n\tmx.example.org\r\n\t;\r\n spf=pass", true},
    {"comment in front", " (a;b(c)\\)) mx.example.org; spf=pass", true},
    {"comment behind", " mx.example.org (a); spf=pass", true},
    {"comment without blanks", "mx.example.org(a);spf=pass", true},
    {"quotes", " \"mx.example.org\"; spf=pass", true},
    {"quoted pair in quotes", " \"mx.example\\.org\"; spf=pass", true},
    {"dot at the end", " mx.example.org.; spf=pass", true},
    {"version", " mx.example.org 1; spf=pass", true},
    {"version and comments", " mx.example.org (a) 1 (b); spf=pass", true},
    {"version of somebody else", " mx.example.com (a) 1 (b); spf=pass", false},
    {"version that we do not know", " mx.example.com 2; spf=pass", true},
    {"version 10", " mx.example.com 10; spf=pass", true},
    {"none", " mx.example.com; none", false},
    {"none of ours", " mx.example.org; none", true},
    {"no results", " mx.example.com", false},
    {"empty", "", true},
    {"no id", "; spf=pass", true},
    {"results without id", " spf=pass smtp.mailfrom=a@example.com; dkim=none", true},
    {"comment does not end", " (mx.example.com; spf=pass", true},
    {"ours in a comment", " evil.example (mx.example.org); spf=pass", true},
    {"ours behind a slash", " evil.example/mx.example.org; spf=pass", true},
    {"ours behind another", " evil.example mx.example.org; spf=pass", true},
    {"encoded-word", " =?utf-8?q?mx.example.org?=; spf=pass", true},
    {"NUL in it", " mx.exa\x01mple.org; spf=pass", true},
};

static void what_claims_to_be_ours_is_cut(void **state)
{
    for (size_t i = 0; i < COUNT(claims); i++) {
        struct buf section, out, want;
        buf_init(&section, 1000);
        buf_init(&out, 1000);
        buf_init(&want, 1000);
        buf_addf(&section, "A: b\r\nauthentication-RESULTS :%s\r\nC: d\r\n", claims[i].value);
        buf_add(&want, claims[i].is_cut ? BYTES("A: b\r\nC: d\r\n") : BYTES(""));
        size_t count = authres_cut(&out, buf_view(&section), BYTES(OURS));
        if (count != claims[i].is_cut || !bytes_equal(buf_view(&out), buf_view(&want)))
            fail_msg("%s: %zu %.*s", claims[i].name, count, BYTES_ARGS(buf_view(&out)));
        buf_done(&section);
        buf_done(&out);
        buf_done(&want);
    }
}

static void names_beyond_ascii_are_compared(void **state)
{
    struct buf out;
    buf_init(&out, 1000);
    struct bytes section = BYTES("Authentication-Results: m\xc3\x98x.example; spf=pass\r\n");
    assert_int_equal(authres_cut(&out, section, BYTES("xn--mx-lka.example")), 1);
    section = BYTES("Authentication-Results: XN--MX-LKA.example; spf=pass\r\n");
    assert_int_equal(authres_cut(&out, section, BYTES("m\xc3\xb8x.example")), 1);
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

static void sections_are_cut(void **state)
{
    struct buf out;
    buf_init(&out, 1000);
    struct bytes section = BYTES("Authentication-Results: " OURS "; spf=pass\r\n"
                                 "odd line\r\n"
                                 "X-Authentication-Results: " OURS "; spf=pass\r\n"
                                 "ARC-Authentication-Results: i=1; " OURS "; spf=pass\r\n"
                                 "A: b\nAuthentication-Results: " OURS "; spf=pass\r\n"
                                 "Authentication-Results: " OURS "; dkim=pass");
    assert_int_equal(authres_cut(&out, section, BYTES(OURS)), 3);
    assert_true(bytes_equal(buf_view(&out),
                            BYTES("odd line\r\n"
                                  "X-Authentication-Results: " OURS "; spf=pass\r\n"
                                  "ARC-Authentication-Results: i=1; " OURS "; spf=pass\r\n")));
    buf_done(&out);
}

static void results_are_found(void **state)
{
    static const struct {
        const char *name, *value;
        bool says;
    } said[] = {
        {"plain", " x.example; spf=fail; dmarc=pass header.from=a.example", true},
        {"case and blanks", "x.example;DMARC (a;b) = (c)\r\n PASS", true},
        {"version", "x.example; dmarc/1=pass", true},
        {"another version", "x.example; dmarc/2=pass", false},
        {"several, one passes", "x.example; dmarc=fail; dmarc=pass", true},
        {"another result", "x.example; dmarc=fail", false},
        {"longer result", "x.example; dmarc=passed", false},
        {"longer method", "x.example; xdmarc=pass", false},
        {"in a comment", "x.example; dmarc=fail (; dmarc=pass)", false},
        {"in quotes", "x.example; spf=fail reason=\"; dmarc=pass\"", false},
        {"behind a quoted quote", "x.example; spf=fail reason=\"\\\"; dmarc=pass\"", false},
        {"in place of the id", "dmarc=pass", false},
        {"comment does not end", "x.example; dmarc (=pass", false},
        {"nothing", "", false},
    };
    for (size_t i = 0; i < COUNT(said); i++)
        if (authres_says(bytes_of(said[i].value), "dmarc", "pass") != said[i].says)
            fail_msg("%s", said[i].name);
}

/* mox's fields: each is known by its authserv-id and by no other, and its results are found. */
static void fields_of_mox(void **state)
{
    json_error_t err;
    json_t *vectors = json_load_file(TEST_DATA "/authres/mox.json", 0, &err), *vector;
    size_t i;
    if (!vectors)
        fail_msg("mox.json: %s", err.text);
    json_array_foreach(json_object_get(vectors, "cases"), i, vector)
    {
        const char *value = json_string_value(json_array_get(vector, 0));
        const char *id =
            json_string_value(json_object_get(json_array_get(vector, 1), "authserv_id"));
        struct buf section, out;
        size_t k;
        json_t *result;
        json_array_foreach(json_object_get(json_array_get(vector, 1), "results"), k, result)
            assert_true(authres_says(bytes_of(value), json_string_value(json_array_get(result, 0)),
                                     json_string_value(json_array_get(result, 1))));
        buf_init(&section, 10000);
        buf_init(&out, 10000);
        buf_addf(&section, "Authentication-Results: %s", value);
        assert_int_equal(authres_cut(&out, buf_view(&section), bytes_of(id)), 1);
        assert_int_equal(authres_cut(&out, buf_view(&section), BYTES(OURS)), 0);
        assert_int_equal(out.len, 0);
        buf_done(&section);
        buf_done(&out);
    }
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_written),
        cmocka_unit_test(long_values_stay_in_bounds),
        cmocka_unit_test(what_claims_to_be_ours_is_cut),
        cmocka_unit_test(names_beyond_ascii_are_compared),
        cmocka_unit_test(sections_are_cut),
        cmocka_unit_test(results_are_found),
        cmocka_unit_test(fields_of_mox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
