#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/tls_level.h"

static const struct tls_rule smtps = {.level = TLS_LEVEL_FORCED, .source = TLS_BY_NATURE};
static const struct tls_rule local = {.level = TLS_LEVEL_NONE, .source = TLS_BY_NATURE};
static const struct bytes two_names[] = {BYTES_INIT("mx.google.example"),
                                         BYTES_INIT(".mail.example")};
static const uint8_t two_pins[][TLS_PIN_SIZE] = {{1, 2, 3}, {4, 5, 6}};

static const struct tls_rule none = {.level = TLS_LEVEL_NONE, .source = TLS_BY_ROUTE};
static const struct tls_rule may = {.level = TLS_LEVEL_OPPORTUNISTIC};
static const struct tls_rule must = {.level = TLS_LEVEL_FORCED, .source = TLS_BY_DOMAIN};
static const struct tls_rule named = {.level = TLS_LEVEL_FORCED,
                                      .source = TLS_BY_ROUTE,
                                      .names = two_names,
                                      .name_count = COUNT(two_names)};
static const struct tls_rule pinned = {
    .level = TLS_LEVEL_FORCED, .pins = two_pins, .pin_count = COUNT(two_pins)};
static const struct tls_rule other_pin = {
    .level = TLS_LEVEL_FORCED, .pins = two_pins, .pin_count = 1};
static const struct tls_rule own_ca = {.level = TLS_LEVEL_FORCED,
                                       .ca_file = BYTES_INIT("/etc/ca.pem")};

/* --- One connection ----------------------------------------------------------------------------
 */

#define HOST .host = BYTES_INIT("mx1.host.example")
#define BY_MX HOST, .is_by_mx = true, .domain = BYTES_INIT("a.example")

static const struct {
    const char *name;
    const struct tls_rule *rule;
    struct tls_hop hop;
    enum tls_level level;
    const char *reason, *names;
} choices[] = {
    {"none", &none, {BY_MX}, TLS_LEVEL_NONE, "routes.tls", ""},
    {"opportunistic", &may, {BY_MX}, TLS_LEVEL_OPPORTUNISTIC, "outbound.tls", ""},
    {"its handshake failed",
     &may,
     {BY_MX, .has_failed = true},
     TLS_LEVEL_NONE,
     "its TLS handshake failed of late",
     ""},
    {"it failed, and there is no clear text",
     &may,
     {HOST, .has_failed = true, .is_implicit = true},
     TLS_LEVEL_OPPORTUNISTIC,
     "outbound.tls",
     ""},
    {"forced: an unsafe MX name is no name",
     &must,
     {BY_MX},
     TLS_LEVEL_FORCED,
     "outbound.tls_domains",
     "a.example .a.example"},
    {"forced: a safe one is",
     &must,
     {BY_MX, .is_host_secure = true},
     TLS_LEVEL_FORCED,
     "outbound.tls_domains",
     "a.example .a.example mx1.host.example"},
    {"forced: a domain that has no name for certificates",
     &must,
     {HOST, .is_by_mx = true},
     TLS_LEVEL_FORCED,
     "outbound.tls_domains",
     "invalid"},
    {"forced: the route's host",
     &must,
     {HOST},
     TLS_LEVEL_FORCED,
     "outbound.tls_domains",
     "mx1.host.example"},
    {"forced: no fallback",
     &must,
     {HOST, .has_failed = true},
     TLS_LEVEL_FORCED,
     "outbound.tls_domains",
     "mx1.host.example"},
    {"the names of the rule, and no other",
     &named,
     {BY_MX, .is_host_secure = true},
     TLS_LEVEL_FORCED,
     "routes.tls",
     "mx.google.example .mail.example"},
    {"smtps", &smtps, {HOST, .is_implicit = true}, TLS_LEVEL_FORCED, "smtps", "mx1.host.example"},
    {"a socket", &local, {HOST}, TLS_LEVEL_NONE, "a local socket", ""},
};

static void test_choose(void **state)
{
    for (size_t i = 0; i < COUNT(choices); i++) {
        struct tls_terms terms;
        struct buf names;
        print_message("  %s\n", choices[i].name);
        tls_level_choose(choices[i].rule, &choices[i].hop, &terms);
        assert_int_equal(terms.level, choices[i].level);
        assert_string_equal(terms.reason, choices[i].reason);
        buf_init(&names, 1000);
        for (size_t j = 0; j < terms.name_count; j++)
            buf_addf(&names, "%s%.*s", j ? " " : "", BYTES_ARGS(terms.names[j]));
        buf_add_byte(&names, 0);
        assert_string_equal((const char *)names.at, choices[i].names);
        buf_done(&names);
    }
}

static void test_longest_domain(void **state)
{
    uint8_t domain[256];
    struct tls_terms terms;
    memset(domain, 'a', sizeof domain);
    const struct tls_hop fits = {HOST, .is_by_mx = true, .domain = {domain, 255}},
                         not = {HOST, .is_by_mx = true, .domain = {domain, 256}};
    tls_level_choose(&must, &fits, &terms);
    assert_int_equal(terms.name_count, 2);
    assert_int_equal(terms.names[1].len, 256);
    tls_level_choose(&must, &not, &terms);
    assert_int_equal(terms.name_count, 1);
}

/* --- Rules -------------------------------------------------------------------------------------
 */

static const struct {
    const struct tls_rule *rule;
    const char *start; /* of what is printed */
    bool has_more, is_bound;
} prints[] = {
    {&none, ";tls=none", false, false},     {&may, "", false, false},
    {&must, ";tls=forced", false, true},    {&named, ";tls=forced:", true, false},
    {&pinned, ";tls=forced:", true, false}, {&own_ca, ";tls=forced:", true, true},
};

static struct bytes print(const struct tls_rule *rule, struct buf *out)
{
    buf_clear(out);
    tls_rule_print(out, rule);
    return buf_view(out);
}

static void test_print(void **state)
{
    struct buf one, other;
    buf_init(&one, 1000);
    buf_init(&other, 1000);
    for (size_t i = 0; i < COUNT(prints); i++) {
        struct bytes text = print(prints[i].rule, &one);
        assert_true(bytes_starts(text, bytes_of(prints[i].start)));
        assert_int_equal(text.len, strlen(prints[i].start) + (prints[i].has_more ? 16 : 0));
        assert_int_equal(tls_rule_is_bound(prints[i].rule), prints[i].is_bound);
    }
    assert_false(bytes_equal(print(&pinned, &one), print(&other_pin, &other)));
    assert_false(bytes_equal(print(&named, &one), print(&own_ca, &other)));
    buf_done(&one);
    buf_done(&other);
}

static void test_copy(void **state)
{
    const struct tls_rule all = {.level = TLS_LEVEL_FORCED,
                                 .source = TLS_BY_DOMAIN,
                                 .ca_file = BYTES("/etc/ca.pem"),
                                 .names = two_names,
                                 .name_count = COUNT(two_names),
                                 .pins = two_pins,
                                 .pin_count = COUNT(two_pins)};
    struct tls_rule *copy = tls_rule_copy(&all);
    assert_true(copy->names != all.names && copy->pins != all.pins);
    assert_int_equal(copy->source, TLS_BY_DOMAIN);
    assert_true(bytes_equal(copy->ca_file, all.ca_file));
    for (size_t i = 0; i < COUNT(two_names); i++)
        assert_true(bytes_equal(copy->names[i], two_names[i]));
    assert_memory_equal(copy->pins, two_pins, sizeof two_pins);
    free(copy);
}

static void test_find(void **state)
{
    struct tls_rules *rules = tls_rules_new(1);
    assert_int_equal(tls_rules_find(rules, BYTES("a.example"))->level, TLS_LEVEL_OPPORTUNISTIC);
    assert_true(tls_rules_add(rules, BYTES("Bank.example"), &must));
    assert_true(tls_rules_add(rules, BYTES(".bank.example"), &none));
    assert_false(tls_rules_add(rules, BYTES("bank.EXAMPLE"), &none));
    assert_false(tls_rules_add(rules, BYTES("bank..example"), &none));
    tls_rules_set_default(rules, &pinned);
    assert_int_equal(tls_rules_find(rules, BYTES("BANK.example"))->level, TLS_LEVEL_FORCED);
    assert_int_equal(tls_rules_find(rules, BYTES("x.y.bank.example"))->level, TLS_LEVEL_NONE);
    assert_int_equal(tls_rules_find(rules, BYTES("a.example"))->pin_count, COUNT(two_pins));
    assert_true(tls_rules_add(rules, BYTES("*"), &may));
    assert_int_equal(tls_rules_find(rules, BYTES("a.example"))->level, TLS_LEVEL_OPPORTUNISTIC);
    tls_rules_free(rules);
    tls_rules_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose), cmocka_unit_test(test_longest_domain),
        cmocka_unit_test(test_print),  cmocka_unit_test(test_copy),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
