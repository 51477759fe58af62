/* Gateways among those who are trusted: what the kernel's tables say, and what follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/gateways.h"

#define HEAD                                                                                       \
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT \n"
#define ZEROS "00000000000000000000000000000000"
#define BEHIND " 00000400 00000003 00000000 "

/* The number that this machine's kernel would print for the address. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DOCKER "010011AC" /* 172.17.0.1 */
#else
#define DOCKER "AC110001"
#endif

static const struct {
    const char *name, *text;
    bool is_ipv6;
    const char *want; /* "interface address", a line each */
} tables[] = {
    {"a default route", HEAD "eth0\t00000000\t" DOCKER "\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
     false, "eth0 172.17.0.1\n"},
    {"a network's own route", HEAD "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
     false, ""},
    {"a gateway to one network",
     HEAD "eth0\t0000A8C0\t" DOCKER "\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n", false, ""},
    {"half of the internet, as VPNs do it",
     HEAD "tun0\t00000000\t" DOCKER "\t0003\t0\t0\t0\t00000080\t0\t0\t0\n", false, ""},
    {"a route that is down", "eth0\t00000000\t" DOCKER "\t0002\t0\t0\t0\t00000000\t0\t0\t0\n",
     false, ""},
    {"twice the same, with other metrics",
     "eth0\t00000000\t" DOCKER "\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
     "wlan0\t00000000\t" DOCKER "\t0003\t0\t0\t600\t00000000\t0\t0\t0\n",
     false, "eth0 172.17.0.1\n"},
    {"a line that ends early", "eth0\t00000000\t" DOCKER "\t0003\t0\t0\t0", false, ""},
    {"no digits", "eth0\t0000000x\t" DOCKER "\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", false, ""},
    {"no end of line", "eth0\t00000000\t" DOCKER "\t0003\t0\t0\t0\t00000000", false,
     "eth0 172.17.0.1\n"},
    {"a long name", "interface-of-seventeen\t00000000\t" DOCKER "\t0003\t0\t0\t0\t00000000\n",
     false, "interface-of-se 172.17.0.1\n"},
    {"nothing", "", false, ""},
    {"a default route of IPv6",
     ZEROS " 00 " ZEROS " 00 fd000000000000000000000000000001" BEHIND "00000003     eth0\n", true,
     "eth0 fd00::1\n"},
    {"the kernel's own refusal",
     ZEROS " 00 " ZEROS " 00 " ZEROS " ffffffff 00000001 00000000 00200200       lo\n", true, ""},
    {"a network's own route of IPv6",
     "fd000000000000000000000000000000 40 " ZEROS " 00 " ZEROS BEHIND "00000001     eth0\n", true,
     ""},
    {"a gateway to one network of IPv6",
     "fd000000000000000000000000000000 40 " ZEROS " 00 fd000000000000000000000000000001" BEHIND
     "00000003     eth0\n",
     true, ""},
    {"a line of IPv6 that ends early", ZEROS " 00 " ZEROS " 00 fd0000000000000000000000000000",
     true, ""},
};

static void tables_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(tables); i++) {
        struct gateways gateways = {.count = 0};
        struct buf got;
        size_t len = strlen(tables[i].text);
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, tables[i].text, len);
        struct bytes text = {exact, len};
        if (tables[i].is_ipv6)
            gateways_read_ipv6(&gateways, text);
        else
            gateways_read_ipv4(&gateways, text);
        free(exact);
        buf_init(&got, 4096);
        for (size_t j = 0; j < gateways.count; j++) {
            buf_addf(&got, "%s ", gateways.list[j].interface);
            ip_print(&got, &gateways.list[j].ip);
            buf_add_byte(&got, '\n');
        }
        if (!bytes_equal(buf_view(&got), bytes_of(tables[i].want)))
            fail_msg("%s: %.*s", tables[i].name, BYTES_ARGS(buf_view(&got)));
        buf_done(&got);
    }
}

static void many_are_bounded(void **state)
{
    struct gateways gateways = {.count = 0};
    for (unsigned i = 0; i < 2 * GATEWAY_LIMIT; i++) {
        struct ip ip = ip_from_ipv4((const uint8_t[]){10, 0, 0, (uint8_t)i});
        gateways_add(&gateways, GATEWAY_ROUTE, &ip, BYTES("eth0"));
    }
    assert_int_equal(gateways.count, GATEWAY_LIMIT);
}

static const struct {
    const char *name, *gateway;
    enum gateway_kind kind;
    bool is_contained, has_bridge;
    const char *trusted;
    enum gateway_danger want;
} rows[] = {
    {"a container that trusts its network", "172.17.0.1", GATEWAY_ROUTE, true, false,
     "172.16.0.0/12", GATEWAY_HIDES},
    {"by IPv6", "fd00::1", GATEWAY_ROUTE, true, false, "fd00::/8", GATEWAY_HIDES},
    {"one that trusts its gateway alone", "172.17.0.1", GATEWAY_ROUTE, true, false, "172.17.0.1",
     GATEWAY_HIDES},
    {"one that trusts another network", "172.17.0.1", GATEWAY_ROUTE, true, false, "10.0.0.0/8",
     GATEWAY_HARMLESS},
    {"a container on its host's network", "192.168.1.1", GATEWAY_ROUTE, true, true,
     "192.168.1.0/24", GATEWAY_MAY_HIDE},
    {"a host that trusts its router's network", "192.168.1.1", GATEWAY_ROUTE, false, false,
     "192.168.1.0/24", GATEWAY_MAY_HIDE},
    {"a host that trusts its containers", "172.17.0.1", GATEWAY_BRIDGE, false, true,
     "172.17.0.0/16", GATEWAY_MAY_HIDE},
    {"a host that trusts itself", "192.168.1.1", GATEWAY_ROUTE, false, true, "127.0.0.0/8",
     GATEWAY_HARMLESS},
};

static void trust_is_judged(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gateways gateways = {.is_contained = rows[i].is_contained};
        struct networks *trusted = networks_new();
        struct ip ip, bridge;
        char hint[64];
        assert_true(ip_scan(bytes_of(rows[i].gateway), &ip));
        assert_true(ip_scan(BYTES("172.31.0.1"), &bridge));
        assert_true(networks_add(trusted, bytes_of(rows[i].trusted), hint));
        gateways_add(&gateways, rows[i].kind, &ip, BYTES("eth0"));
        if (rows[i].has_bridge)
            gateways_add(&gateways, GATEWAY_BRIDGE, &bridge, BYTES("docker0"));
        if (gateway_judge(&gateways, &gateways.list[0], trusted) != rows[i].want)
            fail_msg("%s", rows[i].name);
        networks_free(trusted);
    }
}

static void names_and_groups(void **state)
{
    static const char *const bridges[] = {"docker0", "br-1a2b3c4d5e6f", "cni0", "podman1",
                                          "virbr0"};
    static const char *const others[] = {"eth0", "enp3s0", "br0", "lo", "wg0", ""};
    for (size_t i = 0; i < COUNT(bridges); i++)
        assert_true(gateway_is_bridge_name(bytes_of(bridges[i])));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(gateway_is_bridge_name(bytes_of(others[i])));
    assert_true(gateways_is_container(BYTES("0::/system.slice/docker-0123456789ab.scope\n")));
    assert_true(gateways_is_container(BYTES("1:name=systemd:/kubepods/burstable/pod1234\n")));
    assert_false(gateways_is_container(BYTES("0::/init.scope\n")));
    assert_false(gateways_is_container(BYTES_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_read),
        cmocka_unit_test(many_are_bounded),
        cmocka_unit_test(trust_is_judged),
        cmocka_unit_test(names_and_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
