/* Names of clients that lead back to their addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/iprev.h"
#include "base/error.h"
#include "facts/zone.h"

/* clang-format off */
static const char zone_text[] = "{"
    "\"1.2.0.192.in-addr.arpa\": {\"PTR\": [\"a.example\"]},"
    "\"2.2.0.192.in-addr.arpa\": {\"PTR\": [\"a.example\", \"b.example\", \"c.example\"]},"
    "\"3.2.0.192.in-addr.arpa\": {\"PTR\": [\"a.example\", \"gone.example\"]},"
    "\"4.2.0.192.in-addr.arpa\": {\"PTR\": [\"a.example\", \"slow.example\"]},"
    "\"5.2.0.192.in-addr.arpa\": {\"PTR\": [\"slow.example\", \"five.example\"]},"
    "\"6.2.0.192.in-addr.arpa\": {\"*\": \"SERVFAIL\"},"
    "\"7.2.0.192.in-addr.arpa\": {\"TXT\": [\"no name\"]},"
    "\"8.2.0.192.in-addr.arpa\": {\"PTR\": [\"a b.example\", \"\", \"-.example\"]},"
    "\"9.2.0.192.in-addr.arpa\": {\"CNAME\": [\"9.8-15.2.0.192.in-addr.arpa\"]},"
    "\"9.8-15.2.0.192.in-addr.arpa\": {\"PTR\": [\"nine.example\"]},"
    "\"10.2.0.192.in-addr.arpa\": {\"PTR\": [\"n1.x\", \"n2.x\", \"n3.x\", \"n4.x\", \"n5.x\","
    "  \"n6.x\", \"n7.x\", \"n8.x\", \"n9.x\", \"n10.x\", \"ten.example\"]},"
    "\"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa\":"
    "  {\"PTR\": [\"six.example\"]},"
    "\"a.example\": {\"A\": [\"192.0.2.1\"]},"
    "\"b.example\": {\"A\": [\"192.0.2.7\", \"192.0.2.2\"]},"
    "\"c.example\": {\"CNAME\": [\"b.example\"]},"
    "\"slow.example\": {\"*\": \"TIMEOUT\"},"
    "\"five.example\": {\"A\": [\"192.0.2.5\"]},"
    "\"nine.example\": {\"A\": [\"192.0.2.9\"]},"
    "\"ten.example\": {\"A\": [\"192.0.2.10\"]},"
    "\"six.example\": {\"AAAA\": [\"2001:db8::1\"]}"
    "}";
/* clang-format on */

static const struct {
    const char *name, *ip;
    enum iprev_result result;
    const char *names;
} rows[] = {
    {"one", "192.0.2.1", IPREV_PASS, "a.example"},
    {"mapped", "::ffff:192.0.2.1", IPREV_PASS, "a.example"},
    {"two of three", "192.0.2.2", IPREV_PASS, "b.example c.example"},
    {"none leads back", "192.0.2.3", IPREV_FAIL, ""},
    {"perhaps the slow one", "192.0.2.4", IPREV_TEMPERROR, ""},
    {"one does, one is slow", "192.0.2.5", IPREV_PASS, "five.example"},
    {"servers fail", "192.0.2.6", IPREV_TEMPERROR, ""},
    {"no data", "192.0.2.7", IPREV_PERMERROR, ""},
    {"no such name", "192.0.2.200", IPREV_PERMERROR, ""},
    {"names that no host has", "192.0.2.8", IPREV_FAIL, ""},
    {"classless delegation", "192.0.2.9", IPREV_PASS, "nine.example"},
    {"the eleventh is not looked up", "192.0.2.10", IPREV_FAIL, ""},
    {"IPv6", "2001:db8::1", IPREV_PASS, "six.example"},
};

static void clients_by_table(void **state)
{
    struct error err;
    struct zone *zone = zone_parse(bytes_of(zone_text), &err);
    assert_non_null(zone);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct facts *facts = facts_new();
        struct iprev_names names;
        struct buf got;
        struct ip ip;
        enum iprev_result result;
        int rounds = 0;
        assert_true(ip_scan(bytes_of(rows[i].ip), &ip));
        for (; (result = iprev_check(&ip, facts, &names)) == IPREV_NEEDS_FACTS; rounds++)
            zone_answer(zone, facts);
        buf_init(&got, 256);
        for (size_t j = 0; j < names.count; j++)
            buf_addf(&got, "%s%.*s", j ? " " : "", BYTES_ARGS(names.list[j]));
        if (result != rows[i].result || !bytes_equal(buf_view(&got), bytes_of(rows[i].names)))
            fail_msg("%s: %s, %.*s", rows[i].name, iprev_result_name(result),
                     BYTES_ARGS(buf_view(&got)));
        assert_true(rounds <= 2);
        buf_done(&got);
        facts_free(facts);
    }
    zone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_by_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
