/* Sets of networks: what is one, and who is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/networks.h"

static const struct {
    const char *name, *network;
    bool is_valid;
    const char *hint;
    const char *inside, *outside;
} rows[] = {
    {"one IPv4 address", "192.0.2.7", true, "", "192.0.2.7", "192.0.2.8"},
    {"IPv4 network", "10.0.0.0/8", true, "", "10.255.255.255", "11.0.0.0"},
    {"odd length", "192.0.2.128/25", true, "", "192.0.2.200", "192.0.2.127"},
    {"length 32", "192.0.2.7/32", true, "", "192.0.2.7", "192.0.2.6"},
    {"all of IPv4", "0.0.0.0/0", true, "", "203.0.113.1", "2001:db8::1"},
    {"mapped client in an IPv4 network", "127.0.0.0/8", true, "", "::ffff:127.0.0.1", "::1"},
    {"IPv4 client in a mapped network", "::ffff:192.0.2.0/120", true, "", "192.0.2.9", "192.0.3.9"},
    {"one IPv6 address", "2001:db8::1", true, "", "2001:DB8:0::1", "2001:db8::2"},
    {"IPv6 network", "2001:db8::/32", true, "", "2001:db8:ffff::1", "2001:db9::1"},
    {"IPv6 odd length", "2001:db8::/33", true, "", "2001:db8:7fff::", "2001:db8:8000::"},
    {"all of IPv6 is not IPv4", "::/0", true, "", "2001:db8::1", "192.0.2.1"},
    {"host bits, IPv4", "192.0.2.7/24", false, "192.0.2.0/24", NULL, NULL},
    {"host bits, IPv6", "2001:db8::1/32", false, "2001:db8::/32", NULL, NULL},
    {"length too large, IPv4", "192.0.2.0/33", false, "", NULL, NULL},
    {"length too large, IPv6", "2001:db8::/129", false, "", NULL, NULL},
    {"no length behind the slash", "192.0.2.0/", false, "", NULL, NULL},
    {"length with a sign", "192.0.2.0/+8", false, "", NULL, NULL},
    {"length with many zeros", "0.0.0.0/0000", false, "", NULL, NULL},
    {"a mask", "192.0.2.0/255.255.255.0", false, "", NULL, NULL},
    {"leading zero", "010.0.0.1", false, "", NULL, NULL},
    {"three numbers", "192.0.2", false, "", NULL, NULL},
    {"brackets", "[2001:db8::1]", false, "", NULL, NULL},
    {"a zone", "fe80::1%eth0", false, "", NULL, NULL},
    {"a name", "localhost", false, "", NULL, NULL},
    {"nothing", "", false, "", NULL, NULL},
    {"a space", " 192.0.2.1", false, "", NULL, NULL},
};

/* The text at the very end of a heap block, so that a byte read too far is seen. */
static bool add(struct networks *networks, const char *text, char hint[64])
{
    size_t len = strlen(text);
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    bool was_added = networks_add(networks, (struct bytes){exact, len}, hint);
    free(exact);
    return was_added;
}

static bool have(const struct networks *networks, const char *text)
{
    struct ip ip;
    assert_true(ip_scan(bytes_of(text), &ip));
    return networks_have(networks, &ip);
}

static void networks_table(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct networks *networks = networks_new();
        char hint[64] = "left over";
        if (add(networks, rows[i].network, hint) != rows[i].is_valid)
            fail_msg("%s: validity", rows[i].name);
        if (strcmp(hint, rows[i].hint) != 0)
            fail_msg("%s: hint \"%s\"", rows[i].name, hint);
        if (rows[i].inside && !have(networks, rows[i].inside))
            fail_msg("%s: %s is inside", rows[i].name, rows[i].inside);
        if (rows[i].outside && have(networks, rows[i].outside))
            fail_msg("%s: %s is outside", rows[i].name, rows[i].outside);
        networks_free(networks);
    }
}

static void many_networks(void **state)
{
    struct networks *networks = networks_new();
    char text[64], hint[64];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "10.%d.0.0/16", i);
        assert_true(networks_add(networks, bytes_of(text), hint));
    }
    assert_true(have(networks, "10.99.1.2"));
    assert_false(have(networks, "10.100.1.2"));
    networks_free(networks);
    networks_free(NULL);
}

static void embedded_nul_is_no_end(void **state)
{
    struct ip ip;
    assert_false(ip_scan(BYTES("192.0.2.1\0"), &ip));
}

static void addresses_are_printed_as_read(void **state)
{
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "::1", "0.0.0.0", "::"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct ip ip;
        struct buf out;
        buf_init(&out, 64);
        assert_true(ip_scan(bytes_of(texts[i]), &ip));
        ip_print(&out, &ip);
        assert_true(bytes_equal(buf_view(&out), bytes_of(texts[i])));
        assert_int_equal(ip_is_ipv4(&ip), strchr(texts[i], '.') != NULL);
        struct ip again = ip_is_ipv4(&ip) ? ip_from_ipv4(ip.at + 12) : ip_from_ipv6(ip.at);
        assert_memory_equal(&again, &ip, sizeof ip);
        buf_done(&out);
    }
}

static const struct {
    const char *network;
    bool is_world;
} widths[] = {
    {"0.0.0.0/0", true},     {"128.0.0.0/1", true},    {"8.0.0.0/7", true},
    {"9.0.0.0/8", true},     {"10.0.0.0/8", false},    {"127.0.0.0/8", false},
    {"10.0.0.0/7", true},    {"9.128.0.0/9", false},   {"172.16.0.0/12", false},
    {"192.0.2.1/32", false}, {"::/0", true},           {"2000::/3", true},
    {"2001:db0::/28", true}, {"2001:db8::/29", false}, {"fc00::/7", false},
    {"fd00::/8", false},     {"fe80::/10", false},     {"::1/128", false},
    {"fc00::/6", true},      {"::ffff:0:0/96", true},
};

static void worlds_are_told(void **state)
{
    for (size_t i = 0; i < COUNT(widths); i++) {
        struct networks *networks = networks_new();
        char hint[64];
        struct ip ip;
        unsigned bits;
        size_t place = 0;
        assert_true(networks_add(networks, bytes_of(widths[i].network), hint));
        assert_true(networks_next(networks, &place, &ip, &bits));
        if (network_is_world(&ip, bits) != widths[i].is_world)
            fail_msg("%s", widths[i].network);
        assert_false(networks_next(networks, &place, &ip, &bits));
        networks_free(networks);
    }
}

static void networks_are_printed_as_read(void **state)
{
    static const char *const texts[] = {"192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32"};
    struct networks *networks = networks_new();
    struct ip ip;
    unsigned bits;
    char hint[64];
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_true(networks_add(networks, bytes_of(texts[i]), hint));
    for (size_t place = 0, i = 0; networks_next(networks, &place, &ip, &bits); i++) {
        struct buf out;
        buf_init(&out, 64);
        network_print(&out, &ip, bits);
        assert_true(bytes_equal(buf_view(&out), bytes_of(texts[i])));
        buf_done(&out);
    }
    networks_free(networks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_table),         cmocka_unit_test(many_networks),
        cmocka_unit_test(embedded_nul_is_no_end), cmocka_unit_test(addresses_are_printed_as_read),
        cmocka_unit_test(worlds_are_told),        cmocka_unit_test(networks_are_printed_as_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
