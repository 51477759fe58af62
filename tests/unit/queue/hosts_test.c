/* Which address of which host a connection tries when, and what is remembered of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "facts/facts.h"
#include "queue/hosts.h"

enum { PORT = 25, SEEDS = 64 };

static struct ip ip_of(const char *text)
{
    struct ip ip;
    assert_true(ip_scan(bytes_of(text), &ip));
    return ip;
}

/* A word of the text, which begins behind it then; empty at the end. */
static struct bytes next_word(struct bytes *text)
{
    struct bytes word;
    bytes_cut(*text, ' ', &word, text);
    return word;
}

/* --- The order ---------------------------------------------------------------------------------
 */

/* A host: its preference and its addresses. */
static const struct {
    const char *name, *hosts[4];
    enum address_families families;
    const char *down, *want;
} orders[] = {
    {"one address", {"0 192.0.2.1"}, FAMILIES_BOTH, "", "192.0.2.1"},
    {"no host", {NULL}, FAMILIES_BOTH, "", ""},
    {"a host without address", {"0", "5 192.0.2.1"}, FAMILIES_BOTH, "", "192.0.2.1"},
    {"preference decides",
     {"5 192.0.2.3", "10 192.0.2.2", "20 192.0.2.1"},
     FAMILIES_BOTH,
     "",
     "192.0.2.3 192.0.2.2 192.0.2.1"},
    {"both families in turns, IPv6 first",
     {"5 192.0.2.1 2001:db8::1", "10 192.0.2.2 2001:db8::2"},
     FAMILIES_BOTH,
     "",
     "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2"},
    {"IPv4 alone", {"5 192.0.2.1 2001:db8::1"}, FAMILIES_IPV4, "", "192.0.2.1"},
    {"IPv6 alone", {"5 192.0.2.1", "10 2001:db8::1"}, FAMILIES_IPV6, "", "2001:db8::1"},
    {"none of the family", {"5 192.0.2.1"}, FAMILIES_IPV6, "", ""},
    {"the best is down",
     {"5 192.0.2.1", "10 192.0.2.2"},
     FAMILIES_BOTH,
     "192.0.2.1",
     "192.0.2.2 192.0.2.1"},
    {"all are down",
     {"5 192.0.2.1", "10 192.0.2.2"},
     FAMILIES_BOTH,
     "192.0.2.1 192.0.2.2",
     "192.0.2.1 192.0.2.2"},
    {"IPv6 is down",
     {"5 192.0.2.1 2001:db8::1", "10 192.0.2.2"},
     FAMILIES_BOTH,
     "2001:db8::1",
     "192.0.2.1 192.0.2.2 2001:db8::1"},
};

static size_t read_hosts(const char *const *texts, struct plan_host *list,
                         struct host_addresses *addresses)
{
    size_t count = 0;
    for (; count < 4 && texts[count]; count++) {
        struct bytes rest = bytes_of(texts[count]), word = next_word(&rest);
        struct host_addresses *into = &addresses[count];
        uint64_t preference;
        assert_true(scan_u64(word, UINT16_MAX, &preference));
        *into = (struct host_addresses){.count = 0};
        while ((word = next_word(&rest)).len)
            assert_true(ip_scan(word, &into->list[into->count++]));
        list[count] = (struct plan_host){(uint16_t)preference, into};
    }
    return count;
}

static void print_plan(struct buf *out, const struct candidate *plan, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_byte(out, ' ');
        ip_print(out, &plan[i].ip);
    }
}

static void order_is_planned(void **state)
{
    for (size_t row = 0; row < COUNT(orders); row++) {
        struct plan_host list[4];
        struct host_addresses addresses[4];
        size_t count = read_hosts(orders[row].hosts, list, addresses);
        struct hosts *hosts = hosts_new(1);
        struct bytes down = bytes_of(orders[row].down), word;
        while ((word = next_word(&down)).len) {
            struct ip ip;
            assert_true(ip_scan(word, &ip));
            hosts_failed(hosts, &ip, PORT, 1000);
        }
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct plan_wish wish = {PORT, orders[row].families, seed, 2000};
            struct candidate plan[PLAN_LIMIT];
            struct buf got;
            buf_init(&got, 4096);
            print_plan(&got, plan, hosts_plan(hosts, list, count, &wish, plan));
            if (!bytes_equal(buf_view(&got), bytes_of(orders[row].want)))
                fail_msg("%s: %.*s", orders[row].name, BYTES_ARGS(buf_view(&got)));
            buf_done(&got);
        }
        hosts_free(hosts);
    }
}

static void equals_come_by_chance(void **state)
{
    static const char *const texts[] = {"5 192.0.2.1", "5 192.0.2.2 192.0.2.3", NULL};
    struct plan_host list[4];
    struct host_addresses addresses[4];
    struct hosts *hosts = hosts_new(1);
    unsigned first[4] = {0};
    size_t count = read_hosts(texts, list, addresses);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct plan_wish wish = {PORT, FAMILIES_BOTH, seed, 0};
        struct candidate plan[PLAN_LIMIT];
        assert_int_equal(hosts_plan(hosts, list, count, &wish, plan), 3);
        first[plan[0].ip.at[15]]++;
        /* A host's addresses stay together. */
        assert_int_not_equal(plan[1].ip.at[15], 1);
    }
    assert_true(first[1] > SEEDS / 4);
    assert_true(first[2] > SEEDS / 8);
    assert_true(first[3] > SEEDS / 8);
    hosts_free(hosts);
}

/* As many hosts with as many addresses as there may be: each of the better ones is there, by both
 * families. */
static void every_host_has_its_share(void **state)
{
    static struct host_addresses addresses[MX_HOST_LIMIT];
    struct plan_host list[MX_HOST_LIMIT];
    struct hosts *hosts = hosts_new(1);
    for (size_t count = 1; count <= MX_HOST_LIMIT; count++) {
        for (size_t i = 0; i < count; i++) {
            addresses[i].count = HOST_ADDRESS_LIMIT;
            for (size_t j = 0; j < HOST_ADDRESS_LIMIT; j++) {
                addresses[i].list[j] = ip_of(j % 2 ? "192.0.2.0" : "2001:db8::");
                addresses[i].list[j].at[15] = (uint8_t)(i * 16 + j / 2);
            }
            list[i] = (struct plan_host){(uint16_t)i, &addresses[i]};
        }
        struct plan_wish wish = {PORT, FAMILIES_BOTH, count, 0};
        struct candidate plan[PLAN_LIMIT];
        unsigned seen[MX_HOST_LIMIT][2] = {{0}};
        size_t found = hosts_plan(hosts, list, count, &wish, plan);
        assert_true(found <= PLAN_LIMIT && found > PLAN_LIMIT / 2);
        for (size_t i = 0; i < found; i++)
            seen[plan[i].host][ip_is_ipv4(&plan[i].ip)]++;
        for (size_t i = 0; i < count && i < PLAN_LIMIT / 2; i++)
            assert_true(seen[i][0] > 0 && seen[i][1] > 0);
    }
    hosts_free(hosts);
}

/* --- What is down ------------------------------------------------------------------------------
 */

static void a_host_is_down_for_longer_each_time(void **state)
{
    struct hosts *hosts = hosts_new(7);
    struct ip ip = ip_of("192.0.2.1"), other = ip_of("192.0.2.2");
    int64_t now_ms = 1000000, want_ms = HOSTS_DOWN_FIRST_MS;
    assert_false(hosts_is_down(hosts, &ip, PORT, now_ms));
    for (int strike = 1; strike < 12; strike++) {
        hosts_failed(hosts, &ip, PORT, now_ms);
        /* What fails while it is down is the same failure. */
        hosts_failed(hosts, &ip, PORT, now_ms + 1);
        assert_true(hosts_is_down(hosts, &ip, PORT, now_ms + want_ms * 4 / 5 - 1));
        assert_false(hosts_is_down(hosts, &ip, PORT, now_ms + want_ms * 6 / 5));
        now_ms += want_ms * 6 / 5;
        want_ms = want_ms * 2 < HOSTS_DOWN_MOST_MS ? want_ms * 2 : HOSTS_DOWN_MOST_MS;
    }
    assert_false(hosts_is_down(hosts, &other, PORT, now_ms));
    /* Another port is another server. */
    hosts_failed(hosts, &ip, PORT, now_ms);
    assert_false(hosts_is_down(hosts, &ip, PORT + 1, now_ms));
    hosts_worked(hosts, &ip, PORT);
    assert_false(hosts_is_down(hosts, &ip, PORT, now_ms));
    hosts_failed(hosts, &ip, PORT, now_ms);
    assert_false(hosts_is_down(hosts, &ip, PORT, now_ms + HOSTS_DOWN_FIRST_MS * 6 / 5));
    hosts_free(hosts);
}

static void old_failures_do_not_count(void **state)
{
    struct hosts *hosts = hosts_new(7);
    struct ip ip = ip_of("2001:db8::1");
    hosts_failed(hosts, &ip, PORT, 0);
    hosts_failed(hosts, &ip, PORT, 100000);
    int64_t later_ms = 100000 + 2 * INT64_C(86400000);
    hosts_failed(hosts, &ip, PORT, later_ms);
    assert_true(hosts_is_down(hosts, &ip, PORT, later_ms));
    assert_false(hosts_is_down(hosts, &ip, PORT, later_ms + HOSTS_DOWN_FIRST_MS * 6 / 5));
    hosts_free(hosts);
}

static void clear_text_has_its_time(void **state)
{
    struct hosts *hosts = hosts_new(1);
    struct ip ip = ip_of("192.0.2.1");
    assert_false(hosts_is_clear(hosts, &ip, 25, 1000));
    hosts_tls_failed(hosts, &ip, 25, 1000);
    assert_true(hosts_is_clear(hosts, &ip, 25, 1000 + HOSTS_CLEAR_MS - 1));
    assert_false(hosts_is_clear(hosts, &ip, 26, 1000));
    assert_false(hosts_is_down(hosts, &ip, 25, 1000));
    hosts_worked(hosts, &ip, 25);
    assert_true(hosts_is_clear(hosts, &ip, 25, 2000));
    hosts_tls_failed(hosts, &ip, 25, 2000);
    assert_true(hosts_is_clear(hosts, &ip, 25, 1000 + HOSTS_CLEAR_MS));
    assert_false(hosts_is_clear(hosts, &ip, 25, 2000 + HOSTS_CLEAR_MS));
    hosts_free(hosts);
}

static void the_oldest_is_forgotten(void **state)
{
    struct hosts *hosts = hosts_new(7);
    struct ip ip = ip_of("10.0.0.0");
    for (int i = 0; i <= HOSTS_DOWN_LIMIT; i++) {
        ip.at[14] = (uint8_t)(i >> 8);
        ip.at[15] = (uint8_t)i;
        hosts_failed(hosts, &ip, PORT, 1000);
        assert_true(hosts_is_down(hosts, &ip, PORT, 1000));
    }
    ip = ip_of("10.0.0.0");
    assert_false(hosts_is_down(hosts, &ip, PORT, 1000));
    ip = ip_of("10.0.0.1");
    assert_true(hosts_is_down(hosts, &ip, PORT, 1000));
    hosts_free(hosts);
}

static bool begins_by_ipv4(struct hosts *hosts, const char *text, int64_t now_ms)
{
    const char *const texts[] = {text, NULL};
    struct plan_host list[4];
    struct host_addresses addresses[4];
    struct plan_wish wish = {PORT, FAMILIES_BOTH, 1, now_ms};
    struct candidate plan[PLAN_LIMIT];
    size_t count = read_hosts(texts, list, addresses);
    assert_true(hosts_plan(hosts, list, count, &wish, plan) > 0);
    return ip_is_ipv4(&plan[0].ip);
}

static void miss(struct hosts *hosts, const char *text, int64_t now_ms)
{
    struct ip ip = ip_of(text);
    hosts_missed(hosts, &ip, PORT, now_ms);
    hosts_failed(hosts, &ip, PORT, now_ms);
}

static void ipv6_that_leads_nowhere_comes_second(void **state)
{
    struct hosts *hosts = hosts_new(7);
    const char *both = "5 2001:db8::9 192.0.2.9";
    struct ip reached = ip_of("2001:db8::8"), refused = ip_of("192.0.2.8");
    int64_t now_ms = 1000;
    miss(hosts, "2001:db8::1", now_ms);
    miss(hosts, "2001:db8::2", now_ms);
    /* Again, while it is down: says nothing new. */
    miss(hosts, "2001:db8::2", now_ms);
    assert_false(begins_by_ipv4(hosts, both, now_ms));
    /* One that refuses is reached. */
    hosts_reached(hosts, &reached);
    miss(hosts, "2001:db8::3", now_ms);
    assert_false(begins_by_ipv4(hosts, both, now_ms));
    miss(hosts, "2001:db8::4", now_ms);
    miss(hosts, "2001:db8::5", now_ms);
    assert_true(begins_by_ipv4(hosts, both, now_ms));
    /* Neither leads anywhere, as when the line is cut. */
    miss(hosts, "192.0.2.1", now_ms);
    miss(hosts, "192.0.2.2", now_ms);
    miss(hosts, "192.0.2.3", now_ms);
    assert_false(begins_by_ipv4(hosts, both, now_ms));
    hosts_reached(hosts, &refused);
    assert_true(begins_by_ipv4(hosts, both, now_ms));
    /* After a while one more shows whether it still is so. */
    now_ms += FAMILY_DOUBT_MS;
    assert_false(begins_by_ipv4(hosts, both, now_ms));
    miss(hosts, "2001:db8::6", now_ms);
    assert_true(begins_by_ipv4(hosts, both, now_ms));
    hosts_reached(hosts, &reached);
    assert_false(begins_by_ipv4(hosts, both, now_ms));
    hosts_free(hosts);
}

/* --- Addresses of a host -----------------------------------------------------------------------
 */

/* What the DNS says of each family: "NODATA" and the like, or addresses. */
static const struct {
    const char *name, *host, *ipv6, *ipv4; /* NULL: not asked */
    enum host_outcome outcome;
    const char *want;
} names[] = {
    {"both families", "mx.example", "2001:db8::1", "192.0.2.1 192.0.2.2", HOST_FOUND,
     "2001:db8::1 192.0.2.1 192.0.2.2"},
    {"IPv4 alone", "mx.example", "NODATA", "192.0.2.1", HOST_FOUND, "192.0.2.1"},
    {"IPv6 fails", "mx.example", "SERVFAIL", "192.0.2.1", HOST_FOUND, "192.0.2.1"},
    {"IPv4 fails", "mx.example", "2001:db8::1", "TIMEOUT", HOST_FOUND, "2001:db8::1"},
    {"one is missing, one fails", "mx.example", "NODATA", "TIMEOUT", HOST_UNKNOWN, ""},
    {"no such name", "mx.example", "NXDOMAIN", "NXDOMAIN", HOST_ABSENT, ""},
    {"no address", "mx.example", "NODATA", "NODATA", HOST_ABSENT, ""},
    {"addresses of no host", "mx.example", ":: ff02::1", "0.0.0.0 224.0.0.1 255.255.255.255",
     HOST_ABSENT, ""},
    {"IPv4 in IPv6", "mx.example", "::ffff:0.0.0.0 ::ffff:192.0.2.1", "NODATA", HOST_FOUND,
     "192.0.2.1"},
    {"an IPv4 address", "192.0.2.1", NULL, NULL, HOST_FOUND, "192.0.2.1"},
    {"an IPv6 address", "2001:DB8::1", NULL, NULL, HOST_FOUND, "2001:db8::1"},
    {"the address of no host", "0.0.0.0", NULL, NULL, HOST_ABSENT, ""},
};

static enum answer_status status_of(struct bytes text)
{
    return bytes_equal(text, BYTES("NODATA"))     ? ANSWER_NODATA
           : bytes_equal(text, BYTES("NXDOMAIN")) ? ANSWER_NXDOMAIN
           : bytes_equal(text, BYTES("SERVFAIL")) ? ANSWER_SERVFAIL
           : bytes_equal(text, BYTES("TIMEOUT"))  ? ANSWER_TIMEOUT
                                                  : ANSWER_FOUND;
}

static void answer(struct facts *facts, enum fact_type type, const char *host, const char *text)
{
    struct answer_record records[8];
    struct ip ips[8];
    struct bytes rest = bytes_of(text), word;
    struct answer answer = {.status = status_of(rest), .ttl_s = 60, .records = records};
    while (answer.status == ANSWER_FOUND && (word = next_word(&rest)).len) {
        struct ip *ip = &ips[answer.count];
        assert_true(ip_scan(word, ip));
        records[answer.count++] = (struct answer_record){
            .data = type == FACT_A ? (struct bytes){ip->at + 12, 4} : (struct bytes){ip->at, 16}};
    }
    facts_answer(facts, type, bytes_of(host), &answer);
}

static void hosts_have_addresses(void **state)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        struct facts *facts = facts_new();
        struct host_addresses found;
        if (names[i].ipv6) {
            assert_int_equal(host_find(facts, bytes_of(names[i].host), &found), HOST_NEEDS_FACTS);
            answer(facts, FACT_AAAA, names[i].host, names[i].ipv6);
            assert_int_equal(host_find(facts, bytes_of(names[i].host), &found), HOST_NEEDS_FACTS);
            answer(facts, FACT_A, names[i].host, names[i].ipv4);
        }
        if (host_find(facts, bytes_of(names[i].host), &found) != names[i].outcome)
            fail_msg("%s: outcome", names[i].name);
        struct buf got;
        buf_init(&got, 4096);
        for (size_t at = 0; at < found.count; at++) {
            if (at > 0)
                buf_add_byte(&got, ' ');
            ip_print(&got, &found.list[at]);
        }
        if (!bytes_equal(buf_view(&got), bytes_of(names[i].want)))
            fail_msg("%s: %.*s", names[i].name, BYTES_ARGS(buf_view(&got)));
        buf_done(&got);
        facts_free(facts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_planned),
        cmocka_unit_test(equals_come_by_chance),
        cmocka_unit_test(every_host_has_its_share),
        cmocka_unit_test(a_host_is_down_for_longer_each_time),
        cmocka_unit_test(old_failures_do_not_count),
        cmocka_unit_test(clear_text_has_its_time),
        cmocka_unit_test(the_oldest_is_forgotten),
        cmocka_unit_test(ipv6_that_leads_nowhere_comes_second),
        cmocka_unit_test(hosts_have_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
