/* Where mail for a domain goes, by a zone of odd domains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "facts/zone.h"
#include "queue/mx.h"

/* clang-format off */
static const char zone_text[] = "{"
    /* Hosts */
    "\"mx1.example\": {\"A\": [\"192.0.2.1\"]},"
    "\"mx2.example\": {\"A\": [\"192.0.2.2\"], \"AAAA\": [\"2001:db8::2\"]},"
    "\"mx3.example\": {\"AAAA\": [\"2001:db8::3\"]},"
    "\"alias.example\": {\"CNAME\": [\"mx1.example\"]},"
    "\"empty.example\": {\"TXT\": [\"no address\"]},"
    "\"any.example\": {\"A\": [\"0.0.0.0\"], \"AAAA\": [\"::\"]},"
    "\"silent.example\": {\"*\": \"TIMEOUT\"},"
    "\"broken.example\": {\"*\": \"SERVFAIL\"},"
    "\"ours-by-address.example\": {\"A\": [\"192.0.2.9\", \"192.0.2.100\"]},"
    "\"mx.here.example\": {\"A\": [\"192.0.2.100\"]},"
    /* Domains */
    "\"one.example\": {\"MX\": [[10, \"mx1.example\"]]},"
    "\"three.example\": {\"MX\": [[20, \"mx3.example\"], [5, \"MX1.Example\"], [10, \"mx2.example\"]]},"
    "\"equal.example\": {\"MX\": [[10, \"mx3.example\"], [10, \"mx1.example\"], [10, \"mx2.example\"]]},"
    "\"twice.example\": {\"MX\": [[20, \"mx1.example\"], [10, \"mx2.example\"], [5, \"mx1.example\"]]},"
    "\"implicit.example\": {\"A\": [\"192.0.2.7\"]},"
    "\"implicit6.example\": {\"AAAA\": [\"2001:db8::7\"]},"
    "\"no-host.example\": {\"TXT\": [\"no mail\"]},"
    "\"no-mail.example\": {\"MX\": [[0, \"\"]], \"A\": [\"192.0.2.7\"]},"
    "\"null-and-more.example\": {\"MX\": [[0, \"\"], [10, \"mx1.example\"]]},"
    "\"cname.example\": {\"CNAME\": [\"three.example\"]},"
    "\"cname-implicit.example\": {\"CNAME\": [\"implicit.example\"]},"
    "\"cname-ours.example\": {\"CNAME\": [\"mx.here.example\"]},"
    "\"to-alias.example\": {\"MX\": [[10, \"alias.example\"]]},"
    "\"half.example\": {\"MX\": [[5, \"empty.example\"], [10, \"gone.example\"], [20, \"mx1.example\"]]},"
    "\"gone-only.example\": {\"MX\": [[5, \"gone.example\"]]},"
    "\"any-only.example\": {\"MX\": [[5, \"any.example\"]]},"
    "\"doubtful.example\": {\"MX\": [[5, \"silent.example\"], [10, \"mx1.example\"]]},"
    "\"doubtful-only.example\": {\"MX\": [[5, \"silent.example\"], [10, \"gone.example\"]]},"
    "\"to-ip.example\": {\"MX\": [[10, \"192.0.2.1\"]]},"
    "\"to-ip-and-more.example\": {\"MX\": [[10, \"192.0.2.1\"], [20, \"mx1.example\"]]},"
    "\"illegal.example\": {\"MX\": [[10, \"a b.example\"], [10, \"-\\u0001.example\"], [20, \"mx1.example\"]]},"
    "\"loop.example\": {\"MX\": [[10, \"mx.here.example\"]]},"
    "\"loop-best.example\": {\"MX\": [[10, \"MX.HERE.example\"], [20, \"mx1.example\"]]},"
    "\"backup.example\": {\"MX\": [[5, \"mx1.example\"], [10, \"mx.here.example\"], [20, \"mx2.example\"]]},"
    "\"equal-to-us.example\": {\"MX\": [[5, \"mx1.example\"], [10, \"mx2.example\"], [10, \"mx.here.example\"]]},"
    "\"loop-by-address.example\": {\"MX\": [[5, \"ours-by-address.example\"]]},"
    "\"backup-by-address.example\": {\"MX\": [[5, \"mx1.example\"], [10, \"ours-by-address.example\"]]},"
    "\"xn--bcher-kva.example\": {\"MX\": [[10, \"mx1.example\"]]}"
    "}";
/* clang-format on */

static const struct {
    const char *name, *domain;
    enum mx_outcome outcome;
    const char *want; /* the hosts, "10 name", with commas; else the status */
} rows[] = {
    {"one host", "one.example", MX_FOUND, "10 mx1.example"},
    {"any case", "ONE.Example", MX_FOUND, "10 mx1.example"},
    {"by preference", "three.example", MX_FOUND, "5 mx1.example, 10 mx2.example, 20 mx3.example"},
    {"equals by name", "equal.example", MX_FOUND, "10 mx1.example, 10 mx2.example, 10 mx3.example"},
    {"one host twice", "twice.example", MX_FOUND, "5 mx1.example, 10 mx2.example"},
    {"implicit", "implicit.example", MX_FOUND, "0 implicit.example"},
    {"implicit, IPv6 alone", "implicit6.example", MX_FOUND, "0 implicit6.example"},
    {"neither MX nor address", "no-host.example", MX_FAILED, "5.4.4"},
    {"no such domain", "nowhere.example", MX_FAILED, "5.1.2"},
    {"no name", "a..example", MX_FAILED, "5.1.2"},
    {"null MX", "no-mail.example", MX_FAILED, "5.1.10"},
    {"null MX among others means nothing", "null-and-more.example", MX_FOUND, "10 mx1.example"},
    {"CNAME", "cname.example", MX_FOUND, "5 mx1.example, 10 mx2.example, 20 mx3.example"},
    {"CNAME to an implicit MX", "cname-implicit.example", MX_FOUND, "0 implicit.example"},
    {"CNAME to ourselves", "cname-ours.example", MX_FAILED, "5.4.6"},
    {"MX to a CNAME", "to-alias.example", MX_FOUND, "10 alias.example"},
    {"hosts without address", "half.example", MX_FOUND, "20 mx1.example"},
    {"no host has an address", "gone-only.example", MX_FAILED, "5.4.4"},
    {"the address of no host", "any-only.example", MX_FAILED, "5.4.4"},
    {"one host's address is not known now", "doubtful.example", MX_FOUND,
     "5 silent.example, 10 mx1.example"},
    {"no host's address is known now", "doubtful-only.example", MX_DEFERRED, "4.4.3"},
    {"MX to an address", "to-ip.example", MX_FAILED, "5.4.4"},
    {"MX to an address and a host", "to-ip-and-more.example", MX_FOUND, "20 mx1.example"},
    {"MX to what is no name", "illegal.example", MX_FOUND, "20 mx1.example"},
    {"servers fail", "broken.example", MX_DEFERRED, "4.4.3"},
    {"nobody answers", "silent.example", MX_DEFERRED, "4.4.3"},
    {"we are the MX", "loop.example", MX_FAILED, "5.4.6"},
    {"we are the best MX", "loop-best.example", MX_FAILED, "5.4.6"},
    {"we are a backup", "backup.example", MX_FOUND, "5 mx1.example"},
    {"equals of ours are no better", "equal-to-us.example", MX_FOUND, "5 mx1.example"},
    {"we are the MX, by address", "loop-by-address.example", MX_FAILED, "5.4.6"},
    {"we are a backup, by address", "backup-by-address.example", MX_FOUND, "5 mx1.example"},
    {"the host itself, which is we", "mx.here.example", MX_FAILED, "5.4.6"},
    {"UTF-8", "bücher.example", MX_FOUND, "10 mx1.example"},
    {"A-labels", "xn--bcher-kva.example", MX_FOUND, "10 mx1.example"},
    {"IPv4 literal", "[192.0.2.1]", MX_FOUND, "0 192.0.2.1"},
    {"IPv6 literal", "[IPv6:2001:db8::1]", MX_FOUND, "0 2001:db8::1"},
    {"our own literal", "[192.0.2.100]", MX_FAILED, "5.4.6"},
    {"no literal", "[192.0.2.300]", MX_FAILED, "5.1.2"},
    {"a name in brackets", "[mx1.example]", MX_FAILED, "5.1.2"},
    {"an open bracket", "[", MX_FAILED, "5.1.2"},
    {"literal of no host", "[0.0.0.0]", MX_FAILED, "5.1.2"},
    {"nothing", "", MX_FAILED, "5.1.2"},
};

/* --- Looking up --------------------------------------------------------------------------------
 */

static struct mx_self ourselves(void)
{
    static struct mx_self_address addresses[2];
    assert_true(ip_scan(BYTES("198.51.100.1"), &addresses[0].ip));
    assert_true(ip_scan(BYTES("192.0.2.100"), &addresses[1].ip));
    addresses[0].port = addresses[1].port = 25;
    return (struct mx_self){BYTES("mx.Here.example"), addresses, COUNT(addresses), 25};
}

static enum mx_outcome find(struct facts *facts, const struct zone *zone, const char *domain,
                            const struct mx_self *self, struct arena *arena, struct mx_result *out)
{
    enum mx_outcome outcome;
    for (int rounds = 0;
         (outcome = mx_find(facts, bytes_of(domain), self, arena, out)) == MX_NEEDS_FACTS;
         rounds++) {
        assert_true(rounds < 2);
        zone_answer(zone, facts);
    }
    return outcome;
}

static void print_result(struct buf *out, enum mx_outcome outcome, const struct mx_result *result)
{
    if (outcome != MX_FOUND)
        buf_add(out, bytes_of(result->status));
    for (size_t i = 0; i < result->host_count; i++)
        buf_addf(out, "%s%u %.*s", i > 0 ? ", " : "", (unsigned)result->hosts[i].preference,
                 BYTES_ARGS(result->hosts[i].name));
}

static struct zone *read_zone(void)
{
    struct error err;
    struct zone *zone = zone_parse(bytes_of(zone_text), &err);
    if (!zone)
        fail_msg("%s", err.text);
    return zone;
}

static void domains_have_hosts(void **state)
{
    struct zone *zone = read_zone();
    struct mx_self self = ourselves();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct facts *facts = facts_new();
        struct arena *arena = arena_new(MX_ARENA);
        struct mx_result result;
        struct buf got;
        buf_init(&got, 4096);
        enum mx_outcome outcome = find(facts, zone, rows[i].domain, &self, arena, &result);
        print_result(&got, outcome, &result);
        if (outcome != rows[i].outcome || !bytes_equal(buf_view(&got), bytes_of(rows[i].want)))
            fail_msg("%s: %d, %.*s", rows[i].name, outcome, BYTES_ARGS(buf_view(&got)));
        if (outcome != MX_FOUND && result.reason.len == 0)
            fail_msg("%s: no reason", rows[i].name);
        buf_done(&got);
        arena_free(arena);
        facts_free(facts);
    }
    zone_free(zone);
}

/* Another server on this host, at another port, is not ourselves. */
static void another_port_is_another_server(void **state)
{
    struct zone *zone = read_zone();
    struct mx_self self = ourselves();
    struct facts *facts = facts_new();
    struct arena *arena = arena_new(MX_ARENA);
    struct mx_result result;
    self.port = 2525;
    assert_int_equal(find(facts, zone, "loop-by-address.example", &self, arena, &result), MX_FOUND);
    arena_free(arena);
    facts_free(facts);
    zone_free(zone);
}

/* --- Hostile and unsound answers ---------------------------------------------------------------
 */

enum { MANY = FACTS_RECORD_LIMIT };

/* As many MX as an answer may have, the last the best; all names have one address. */
static void answer_many(struct facts *facts, const char *domain, int self_at)
{
    static char names[MANY][32];
    static const uint8_t address[4] = {192, 0, 2, 1};
    struct answer_record records[MANY], only = {.data = {address, sizeof address}};
    struct answer all = {.status = ANSWER_FOUND, .records = records, .count = MANY};
    struct answer one = {.status = ANSWER_FOUND, .records = &only, .count = 1};
    struct answer none = {.status = ANSWER_NODATA};
    for (int i = 0; i < MANY; i++) {
        if (i == self_at)
            snprintf(names[i], sizeof names[i], "mx.here.example");
        else
            snprintf(names[i], sizeof names[i], "mx%03d.example", i);
        records[i] = (struct answer_record){.data = bytes_of(names[i]),
                                            .preference = (uint16_t)(1000 - i / 2)};
        facts_answer(facts, FACT_A, bytes_of(names[i]), &one);
        facts_answer(facts, FACT_AAAA, bytes_of(names[i]), &none);
    }
    facts_answer(facts, FACT_MX, bytes_of(domain), &all);
}

static void of_many_hosts_the_best_are_kept(void **state)
{
    struct mx_self self = ourselves();
    struct mx_result result;
    struct arena *arena = arena_new(MX_ARENA);
    struct facts *facts = facts_new();
    answer_many(facts, "many.example", -1);
    assert_int_equal(mx_find(facts, BYTES("many.example"), &self, arena, &result), MX_FOUND);
    assert_int_equal(result.host_count, MX_HOST_LIMIT);
    assert_true(bytes_equal(result.hosts[0].name, BYTES("mx098.example")));
    assert_true(bytes_equal(result.hosts[1].name, BYTES("mx099.example")));
    facts_free(facts);
    /* We are the best but one, and one of two equals. */
    facts = facts_new();
    answer_many(facts, "ours.example", MANY - 3);
    assert_int_equal(mx_find(facts, BYTES("ours.example"), &self, arena, &result), MX_FOUND);
    assert_int_equal(result.host_count, 2);
    facts_free(facts);
    /* We are one of those that would not be kept. */
    facts = facts_new();
    answer_many(facts, "far.example", 0);
    assert_int_equal(mx_find(facts, BYTES("far.example"), &self, arena, &result), MX_FOUND);
    assert_int_equal(result.host_count, MX_HOST_LIMIT);
    facts_free(facts);
    arena_free(arena);
}

static void no_memory_defers(void **state)
{
    struct mx_self self = ourselves();
    struct mx_result result;
    struct facts *facts = facts_new();
    answer_many(facts, "many.example", -1);
    for (size_t ceiling = 0; ceiling < 2048; ceiling += 64) {
        struct arena *arena = arena_new(ceiling);
        enum mx_outcome outcome = mx_find(facts, BYTES("many.example"), &self, arena, &result);
        if (outcome == MX_FOUND)
            assert_int_equal(result.host_count, MX_HOST_LIMIT);
        else
            assert_true(outcome == MX_DEFERRED && strcmp(result.status, "4.3.1") == 0 &&
                        result.reason.len > 0);
        arena_free(arena);
    }
    facts_free(facts);
}

static const struct {
    const char *name;
    struct answer answer;
    enum mx_outcome outcome;
    const char *status;
    bool is_secure;
    int64_t ttl_ms;
} unsound[] = {
    {"false by DNSSEC",
     {.status = ANSWER_SERVFAIL, .is_bogus = true, .reason = BYTES_INIT("expired")},
     MX_DEFERRED,
     "4.7.5",
     false,
     MX_TTL_LEAST_MS},
    {"validated, and there is none",
     {.status = ANSWER_NXDOMAIN, .is_secure = true, .ttl_s = 600},
     MX_FAILED,
     "5.1.2",
     true,
     600000},
    {"kept for long",
     {.status = ANSWER_NXDOMAIN, .ttl_s = UINT32_MAX},
     MX_FAILED,
     "5.1.2",
     false,
     MX_TTL_MOST_MS},
    {"not to be kept", {.status = ANSWER_NXDOMAIN}, MX_FAILED, "5.1.2", false, MX_TTL_LEAST_MS},
};

static void answers_are_judged(void **state)
{
    struct mx_self self = ourselves();
    for (size_t i = 0; i < COUNT(unsound); i++) {
        struct facts *facts = facts_new();
        struct arena *arena = arena_new(MX_ARENA);
        struct mx_result result;
        facts_answer(facts, FACT_MX, BYTES("one.example"), &unsound[i].answer);
        enum mx_outcome outcome = mx_find(facts, BYTES("one.example"), &self, arena, &result);
        if (outcome != unsound[i].outcome || strcmp(result.status, unsound[i].status) != 0 ||
            result.is_secure != unsound[i].is_secure || result.ttl_ms != unsound[i].ttl_ms)
            fail_msg("%s: %s, %lld ms", unsound[i].name, result.status, (long long)result.ttl_ms);
        arena_free(arena);
        facts_free(facts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_have_hosts),
        cmocka_unit_test(another_port_is_another_server),
        cmocka_unit_test(of_many_hosts_the_best_are_kept),
        cmocka_unit_test(no_memory_defers),
        cmocka_unit_test(answers_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
