/* Endpoints and routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "queue/route.h"

static const struct {
    const char *name, *text;
    bool is_valid;
    enum endpoint_kind kind;
    const char *host;
    uint16_t port;
    const char *unix_path;
} endpoint_rows[] = {
    {"smarthost", "smtp://10.0.0.5:2525", true, ENDPOINT_SMTP, "10.0.0.5", 2525, ""},
    {"port of SMTP", "smtp://mx.example.org", true, ENDPOINT_SMTP, "mx.example.org", 25, ""},
    {"TLS from the beginning", "smtps://mx.example.org", true, ENDPOINT_SMTP, "mx.example.org", 465,
     ""},
    {"any case", "SMTP://mx.example.org", true, ENDPOINT_SMTP, "mx.example.org", 25, ""},
    {"LMTP", "lmtp://127.0.0.1:24", true, ENDPOINT_LMTP, "127.0.0.1", 24, ""},
    {"IPv6", "lmtp://[::1]:24", true, ENDPOINT_LMTP, "::1", 24, ""},
    {"IPv6 without port", "smtp://[2001:db8::1]", true, ENDPOINT_SMTP, "2001:db8::1", 25, ""},
    {"Unix socket", "lmtp:unix:/run/dovecot/lmtp", true, ENDPOINT_LMTP, "", 0, "/run/dovecot/lmtp"},
    {"Unix socket, short", "unix:/run/lmtp", true, ENDPOINT_LMTP, "", 0, "/run/lmtp"},
    {"by MX", "mx", true, ENDPOINT_MX, "", 25, ""},
    {"by MX, another port", "MX:2525", true, ENDPOINT_MX, "", 2525, ""},
    {"by MX, port missing", "mx:", false, 0, "", 0, ""},
    {"by MX, port zero", "mx:0", false, 0, "", 0, ""},
    {"by MX, of a domain", "mx:example.org", false, 0, "", 0, ""},
    {"by MX, no other word", "mxx", false, 0, "", 0, ""},
    {"nothing", "", false, 0, "", 0, ""},
    {"scheme alone", "smtp://", false, 0, "", 0, ""},
    {"no scheme", "mx.example.org:25", false, 0, "", 0, ""},
    {"other scheme", "http://mx.example.org", false, 0, "", 0, ""},
    {"LMTP without port", "lmtp://127.0.0.1", false, 0, "", 0, ""},
    {"relative path", "unix:run/lmtp", false, 0, "", 0, ""},
    {"path missing", "lmtp:unix:", false, 0, "", 0, ""},
    {"port zero", "smtp://h:0", false, 0, "", 0, ""},
    {"port too large", "smtp://h:65536", false, 0, "", 0, ""},
    {"port missing", "smtp://h:", false, 0, "", 0, ""},
    {"port missing behind brackets", "smtp://[::1]:", false, 0, "", 0, ""},
    {"bare IPv6", "smtp://2001:db8::1", false, 0, "", 0, ""},
    {"bracket open", "smtp://[::1", false, 0, "", 0, ""},
    {"behind the bracket", "smtp://[::1]x25", false, 0, "", 0, ""},
    {"empty brackets", "smtp://[]:25", false, 0, "", 0, ""},
    {"a path behind", "smtp://h:25/x", false, 0, "", 0, ""},
    {"a space", "smtp://h h:25", false, 0, "", 0, ""},
};

static void endpoint_table(void **state)
{
    for (size_t i = 0; i < COUNT(endpoint_rows); i++) {
        size_t len = strlen(endpoint_rows[i].text);
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, endpoint_rows[i].text, len);
        struct endpoint got = {.port = 7};
        struct error err = {0};
        if (endpoint_scan((struct bytes){exact, len}, &got, &err) != endpoint_rows[i].is_valid)
            fail_msg("%s: validity (%s)", endpoint_rows[i].name, err.text);
        if (!endpoint_rows[i].is_valid) {
            if (!err.text[0] || got.port != 7)
                fail_msg("%s: no reason, or written to", endpoint_rows[i].name);
        } else if (got.kind != endpoint_rows[i].kind || got.port != endpoint_rows[i].port ||
                   !bytes_equal(got.host, bytes_of(endpoint_rows[i].host)) ||
                   !bytes_equal(got.unix_path, bytes_of(endpoint_rows[i].unix_path)) ||
                   !bytes_equal(got.name, bytes_of(endpoint_rows[i].text))) {
            fail_msg("%s: read otherwise", endpoint_rows[i].name);
        }
        free(exact);
    }
}

static void endpoint_path_has_a_limit(void **state)
{
    char text[200] = "unix:/";
    struct endpoint got;
    struct error err;
    memset(text + 6, 'x', 106);
    assert_true(endpoint_scan((struct bytes){(uint8_t *)text, 6 + 106}, &got, &err));
    text[6 + 106] = 'x';
    assert_false(endpoint_scan((struct bytes){(uint8_t *)text, 6 + 107}, &got, &err));
    assert_false(endpoint_scan(BYTES("unix:/a\0b"), &got, &err));
}

static const struct {
    const char *name, *domain, *want; /* the host routed to; NULL: none */
} find_rows[] = {
    {"exact", "example.org", "exact"},
    {"any case", "Example.ORG", "exact"},
    {"below", "a.example.org", "below"},
    {"far below", "x.y.example.org", "below"},
    {"longest suffix", "x.deep.example.org", "deep"},
    {"suffix is not the domain itself", "deep.example.org", "below"},
    {"exact before suffix", "mail.example.org", "mail"},
    {"no label border", "anexample.org", "rest"},
    {"everything else", "elsewhere.example", "rest"},
    {"top level", "org", "rest"},
    {"literal", "[192.0.2.1]", "rest"},
    {"a dot in front", ".example.org", "below"},
    {"empty", "", "rest"},
};

static void add(struct routes *routes, const char *pattern, const char *host)
{
    struct endpoint endpoint = {.kind = ENDPOINT_SMTP, .host = bytes_of(host), .port = 25};
    assert_true(routes_add(routes, bytes_of(pattern), &endpoint));
}

static void routes_table(void **state)
{
    struct routes *routes = routes_new(3);
    assert_null(routes_find(routes, BYTES("example.org")));
    add(routes, "example.org", "exact");
    add(routes, ".example.org", "below");
    add(routes, ".Deep.example.org", "deep");
    add(routes, "mail.example.org", "mail");
    assert_null(routes_find(routes, BYTES("elsewhere.example")));
    add(routes, "*", "rest");
    for (size_t i = 0; i < COUNT(find_rows); i++) {
        const struct endpoint *got = routes_find(routes, bytes_of(find_rows[i].domain));
        if (!got || !bytes_equal(got->host, bytes_of(find_rows[i].want)))
            fail_msg("%s", find_rows[i].name);
    }
    routes_free(routes);
    routes_free(NULL);
}

static void patterns_are_checked(void **state)
{
    static const char *const bad[] = {
        "", ".", "a..b", "a.", "..a", "*.b.example", "**", "ann@b.example", "example.org"};
    struct routes *routes = routes_new(3);
    struct endpoint endpoint = {.kind = ENDPOINT_SMTP, .host = BYTES("h"), .port = 25};
    assert_true(routes_add(routes, BYTES("EXAMPLE.org"), &endpoint));
    for (size_t i = 0; i < COUNT(bad); i++)
        if (routes_add(routes, bytes_of(bad[i]), &endpoint))
            fail_msg("%s", bad[i]);
    uint8_t large[300];
    memset(large, 'a', sizeof large);
    assert_false(routes_add(routes, (struct bytes){large, sizeof large}, &endpoint));
    assert_null(routes_find(routes, (struct bytes){large, sizeof large}));
    routes_free(routes);
}

/* A route's own rule for TLS, then its nature, then the domain's, then the default. */
static void a_route_has_its_rule_for_tls(void **state)
{
    static const struct tls_rule none = {.level = TLS_LEVEL_NONE, .source = TLS_BY_ROUTE};
    static const struct tls_rule forced = {.level = TLS_LEVEL_FORCED, .source = TLS_BY_DOMAIN};
    static const struct {
        const char *domain;
        enum tls_level level;
        enum tls_source source;
        const char *name; /* of the route */
    } rows[] = {
        {"own.example", TLS_LEVEL_NONE, TLS_BY_ROUTE, "smtp://h;tls=none"},
        {"smtps.example", TLS_LEVEL_FORCED, TLS_BY_NATURE, "smtps://h"},
        {"login.example", TLS_LEVEL_FORCED, TLS_BY_LOGIN, "smtp://h;user=me"},
        {"here.example", TLS_LEVEL_OPPORTUNISTIC, TLS_BY_DEFAULT, "smtp://127.0.0.1;user=me"},
        {"local.example", TLS_LEVEL_NONE, TLS_BY_NATURE, "unix:/run/lmtp"},
        {"routed.example", TLS_LEVEL_FORCED, TLS_BY_DOMAIN, "smtp://h"},
        {"forced.example", TLS_LEVEL_FORCED, TLS_BY_DOMAIN, NULL},
        {"else.example", TLS_LEVEL_OPPORTUNISTIC, TLS_BY_DEFAULT, NULL},
    };
    struct routes *routes = routes_new(1);
    struct endpoint endpoint;
    struct error err;
    assert_true(endpoint_scan(BYTES("smtp://h"), &endpoint, &err));
    assert_true(routes_add(routes, BYTES("routed.example"), &endpoint));
    endpoint.tls = &none;
    assert_true(routes_add(routes, BYTES("own.example"), &endpoint));
    assert_true(endpoint_scan(BYTES("smtps://h"), &endpoint, &err));
    assert_true(endpoint.is_implicit_tls);
    assert_true(routes_add(routes, BYTES("smtps.example"), &endpoint));
    assert_true(endpoint_scan(BYTES("smtp://h"), &endpoint, &err));
    endpoint.user = BYTES("me");
    endpoint.password_file = BYTES("/p");
    assert_true(routes_add(routes, BYTES("login.example"), &endpoint));
    assert_true(endpoint_scan(BYTES("smtp://127.0.0.1"), &endpoint, &err));
    endpoint.user = BYTES("me");
    assert_true(routes_add(routes, BYTES("here.example"), &endpoint));
    assert_true(endpoint_scan(BYTES("unix:/run/lmtp"), &endpoint, &err));
    assert_true(routes_add(routes, BYTES("local.example"), &endpoint));
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i].domain, "else.example") != 0 &&
            strcmp(rows[i].domain, "here.example") != 0)
            assert_true(tls_rules_add(routes_tls(routes), bytes_of(rows[i].domain), &forced));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes domain = bytes_of(rows[i].domain);
        const struct endpoint *route = routes_find(routes, domain);
        const struct tls_rule *rule = routes_tls_rule(routes, route, domain);
        if (rule->level != rows[i].level || rule->source != rows[i].source)
            fail_msg("%s", rows[i].domain);
        if (rows[i].name)
            assert_true(bytes_equal(route->name, bytes_of(rows[i].name)));
    }
    routes_free(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoint_table),
        cmocka_unit_test(endpoint_path_has_a_limit),
        cmocka_unit_test(routes_table),
        cmocka_unit_test(patterns_are_checked),
        cmocka_unit_test(a_route_has_its_rule_for_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
