/* Where an audit comes from: an address that the listener has no reason to trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/relay_origin.h"

#define HOST "hostname: mx.example.org\n"

/* Of the machine's own network only loopback is sure to be there. */
static const struct {
    const char *name, *config, *from; /* from: asked for; NULL: searched */
    enum origin_result want;
    const char *to, *source; /* of ORIGIN_FOUND */
} rows[] = {
    {"nobody is trusted", HOST "listen: [{address: \"127.0.0.1:2525\"}]\n", NULL, ORIGIN_FOUND,
     "127.0.0.1", "127.0.0.2"},
    {"one is trusted",
     HOST "relay: {networks: [127.0.0.2]}\nlisten: [{address: \"127.0.0.1:2525\"}]\n", NULL,
     ORIGIN_FOUND, "127.0.0.1", "127.0.0.3"},
    {"this host is trusted",
     HOST "relay: {networks: [127.0.0.0/8]}\nlisten: [{address: \"127.0.0.1:2525\"}]\n", NULL,
     ORIGIN_OWN_ALONE, NULL, NULL},
    {"everybody is trusted, which nobody means",
     HOST "relay: {networks: [0.0.0.0/0]}\nlisten: [{address: \"127.0.0.1:2525\"}]\n", NULL,
     ORIGIN_FOUND, "127.0.0.1", "127.0.0.2"},
    {"submission trusts this host",
     HOST "listen: [{address: \"127.0.0.1:2525\", role: submission}]\n", NULL, ORIGIN_OWN_ALONE,
     NULL, NULL},
    {"proxies have to say more",
     HOST "listen: [{address: \"127.0.0.1:2525\", proxy: [127.0.0.0/9]}]\n", NULL, ORIGIN_FOUND,
     "127.0.0.1", "127.255.0.9"},
    {"by IPv6", HOST "listen: [{address: \"[::1]:2525\"}]\n", NULL, ORIGIN_FOUND, "::1", "::1"},
    {"by IPv6, where that is trusted",
     HOST "relay: {networks: [\"::1\"]}\nlisten: [{address: \"[::1]:2525\"}]\n", NULL,
     ORIGIN_OWN_ALONE, NULL, NULL},
    {"an address that was asked for", HOST "listen: [{address: \"127.0.0.1:2525\"}]\n", "127.9.9.9",
     ORIGIN_FOUND, "127.0.0.1", "127.9.9.9"},
    {"one of the other family", HOST "listen: [{address: \"127.0.0.1:2525\"}]\n", "::1",
     ORIGIN_NONE, NULL, NULL},
    {"asked for, at all addresses", HOST "listen: [{address: \"0.0.0.0:2525\"}]\n", "127.9.9.9",
     ORIGIN_FOUND, "127.0.0.1", "127.9.9.9"},
};

static void check_ip(const char *name, const char *want, const struct ip *got)
{
    struct ip ip;
    assert_true(ip_scan(bytes_of(want), &ip));
    if (memcmp(&ip, got, sizeof ip) != 0)
        fail_msg("%s: not %s", name, want);
}

static void origins_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf problems;
        struct origin origin;
        struct ip from;
        buf_init(&problems, 65536);
        struct config *config = config_parse(bytes_of(rows[i].config), "c.yaml", "/tmp", &problems);
        if (!config)
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&problems)));
        assert_true(!rows[i].from || ip_scan(bytes_of(rows[i].from), &from));
        enum origin_result got =
            origin_find(config, &config->listeners[0], NULL, rows[i].from ? &from : NULL, &origin);
        if (got != rows[i].want)
            fail_msg("%s: %d", rows[i].name, (int)got);
        if (got == ORIGIN_FOUND) {
            check_ip(rows[i].name, rows[i].to, &origin.to);
            check_ip(rows[i].name, rows[i].source, &origin.from);
        }
        config_free(config);
        buf_done(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(origins_by_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
