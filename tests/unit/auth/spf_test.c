/* SPF: the suite of RFC 7208 by its data, our own cases, and hostile DNS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "auth/spf.h"
#include "base/error.h"
#include "facts/zone.h"

enum { ROUND_LIMIT = 40, NOW_S = 1700000000 };

struct outcome {
    struct arena *arena;
    struct spf_verdict verdict;
    int rounds;
    size_t questions;
};

static struct outcome check(const struct zone *zone, const struct spf_query *query)
{
    struct outcome outcome = {.arena = arena_new(SPF_ARENA)};
    struct facts *facts = facts_new();
    struct question question;
    while (spf_check(query, facts, outcome.arena, &outcome.verdict) == SPF_NEEDS_FACTS) {
        assert_true(outcome.rounds++ < ROUND_LIMIT);
        for (size_t place = 0; facts_next_open(facts, &place, &question);)
            outcome.questions++;
        zone_answer(zone, facts);
    }
    facts_free(facts);
    return outcome;
}

static struct spf_query query_of(const char *ip, const char *helo, const char *mail_from)
{
    struct spf_query query = {.helo = bytes_of(helo),
                              .mail_from = bytes_of(mail_from),
                              .receiver = BYTES("mx.here.example"),
                              .now_ms = NOW_S * (int64_t)1000};
    if (!ip_scan(bytes_of(ip), &query.ip))
        fail_msg("%s is no address", ip);
    return query;
}

/* --- The suite of RFC 7208 ---------------------------------------------------------------------
 */

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool has_type(const json_t *records, const char *type)
{
    for (size_t i = 0; i < json_array_size(records); i++)
        if (strcmp(text(json_array_get(records, i), "type"), type) == 0)
            return true;
    return false;
}

/* A record as the zone on file has it. */
static json_t *record_of(const json_t *record, const char *type)
{
    if (strcmp(type, "TXT") == 0)
        return json_deep_copy(json_object_get(record, "strings"));
    if (strcmp(type, "MX") == 0)
        return json_pack("[O,O]", json_object_get(record, "pref"),
                         json_object_get(record, "exchange"));
    return json_string(text(record, "data"));
}

/* SPF records stand for TXT where there is no entry for TXT, as the suite's format says. */
static json_t *types_of(const json_t *records)
{
    json_t *types = json_object();
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        const char *type = text(record, "type");
        const json_t *special = json_object_get(record, "special");
        if (strcmp(type, "SPF") == 0) {
            if (has_type(records, "TXT"))
                continue;
            type = "TXT";
        }
        if (json_is_true(special)) {
            json_object_set_new(types, "*", json_string(type));
        } else if (json_is_string(special)) {
            if (strcmp(json_string_value(special), "NONE") != 0)
                json_object_set_new(types, type, json_string(json_string_value(special)));
        } else {
            if (!json_object_get(types, type))
                json_object_set_new(types, type, json_array());
            json_array_append_new(json_object_get(types, type), record_of(record, type));
        }
    }
    return types;
}

static struct zone *zone_of(const json_t *zonedata)
{
    json_t *root = json_object();
    const char *name;
    json_t *records;
    json_object_foreach((json_t *)(uintptr_t)zonedata, name, records)
        json_object_set_new(root, name, types_of(records));
    char *dump = json_dumps(root, 0);
    struct error err;
    struct zone *zone = zone_parse(bytes_of(dump), &err);
    if (!zone)
        fail_msg("%s", err.text);
    free(dump);
    json_decref(root);
    return zone;
}

static bool is_wanted(const json_t *test, const struct spf_verdict *verdict)
{
    const json_t *results = json_object_get(test, "result");
    const char *explanation = text(test, "explanation"), *got = spf_result_name(verdict->result);
    bool is_good = false;
    for (size_t i = 0; i < json_array_size(results); i++)
        is_good |= strcmp(json_string_value(json_array_get(results, i)), got) == 0;
    /* What we say ourselves where the domain says nothing is the caller's. */
    if (explanation && strcmp(explanation, "DEFAULT") == 0)
        explanation = "";
    return is_good && (!explanation || bytes_equal(verdict->explanation, bytes_of(explanation)));
}

static size_t check_scenario(const json_t *scenario)
{
    struct zone *zone = zone_of(json_object_get(scenario, "zonedata"));
    const json_t *tests = json_object_get(scenario, "tests");
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        struct spf_query query =
            query_of(text(test, "host"), text(test, "helo"), text(test, "mailfrom"));
        struct outcome outcome = check(zone, &query);
        const struct spf_verdict *verdict = &outcome.verdict;
        if (!is_wanted(test, verdict))
            fail_msg("%s, %s: %s (%.*s) \"%.*s\"", text(scenario, "scenario"), text(test, "name"),
                     spf_result_name(verdict->result), BYTES_ARGS(verdict->problem),
                     BYTES_ARGS(verdict->explanation));
        bool is_error = verdict->result == SPF_TEMPERROR || verdict->result == SPF_PERMERROR ||
                        verdict->result == SPF_NONE;
        if (is_error != (verdict->problem.len > 0))
            fail_msg("%s: problem \"%.*s\"", text(test, "name"), BYTES_ARGS(verdict->problem));
        arena_free(outcome.arena);
    }
    zone_free(zone);
    return json_array_size(tests);
}

/* All of them, without a deviation. */
static void suite_of_rfc7208(void **state)
{
    json_error_t wrong;
    json_t *suite = json_load_file(TEST_DATA "/spf/rfc7208-tests.json", JSON_ALLOW_NUL, &wrong);
    if (!suite)
        fail_msg("line %d: %s", wrong.line, wrong.text);
    const json_t *scenarios = json_object_get(suite, "scenarios");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(scenarios); i++)
        count += check_scenario(json_array_get(scenarios, i));
    assert_int_equal(count, 203);
    json_decref(suite);
}

/* --- Our own cases -----------------------------------------------------------------------------
 */

/* clang-format off */
static const char zone_text[] = "{"
    "\"one.example\": {\"TXT\": [\"hello\", [\"v=spf1 ip4:192.0.2.0/24 \", \"-all\"]]},"
    "\"list.example\": {\"TXT\": [\"v=spf1 include:one.example ~all\"]},"
    "\"not.example\": {\"TXT\": [\"v=spf1 -include:one.example +all exp=why.%{d}\"]},"
    "\"why.not.example\": {\"TXT\": [\"%{c} is %{p}, %{h} asks %{r} at %{t}; %{S}\"]},"
    "\"moved.example\": {\"TXT\": [\"v=spf1 redirect=_spf.one.example exp=never.example\"]},"
    "\"_spf.one.example\": {\"TXT\": [\"v=spf1 a mx -all exp=x.one.example\"],"
    "  \"A\": [\"192.0.2.77\"], \"MX\": [[10, \"mx.one.example\"]]},"
    "\"x.one.example\": {\"TXT\": [\"%{d} does not know you\"]},"
    "\"mx.one.example\": {\"A\": [\"192.0.2.78\"], \"AAAA\": [\"2001:db8::78\"]},"
    "\"bad.example\": {\"TXT\": [\"v=spf1 ip4:192.0.2.0/24 ip4:192.0.2/24 -all\"]},"
    "\"includes-bad.example\": {\"TXT\": [\"v=spf1 include:bad.example -all\"]},"
    "\"includes-none.example\": {\"TXT\": [\"v=spf1 include:mx.one.example -all\"]},"
    "\"redirects-none.example\": {\"TXT\": [\"v=spf1 redirect=mx.one.example\"]},"
    "\"redirects-literal.example\": {\"TXT\": [\"v=spf1 redirect=%{h}\"]},"
    "\"slow.example\": {\"TXT\": \"TIMEOUT\"},"
    "\"includes-slow.example\": {\"TXT\": [\"v=spf1 include:slow.example -all\"]},"
    "\"slow-behind-match.example\": {\"TXT\": [\"v=spf1 ip4:192.0.2.1 include:slow.example\"]},"
    "\"half.example\": {\"TXT\": [\"v=spf1 a:broken.example -all\"]},"
    "\"broken.example\": {\"*\": \"SERVFAIL\"},"
    "\"xn--bcher-kva.example\": {\"TXT\": [\"v=spf1 exists:%{o}.seen.example -all\"]},"
    "\"xn--bcher-kva.example.seen.example\": {\"A\": [\"127.0.0.2\"]},"
    "\"local.example\": {\"TXT\": [\"v=spf1 exists:%{l}.seen.example exists:%{s}.x.example"
    "  exists:%{L}.y.example a:none.one.example a:none.two.example ?all\"]},"
    "\"utf8-exp.example\": {\"TXT\": [\"v=spf1 -all exp=lower.example\"]},"
    "\"lower.example\": {\"TXT\": [\"you are %{l}\"]},"
    "\"upper-exp.example\": {\"TXT\": [\"v=spf1 -all exp=upper.example\"]},"
    "\"upper.example\": {\"TXT\": [\"you are %{L}\"]},"
    "\"redirect-local.example\": {\"TXT\": [\"v=spf1 redirect=%{l}.seen.example\"]},"
    "\"6.example\": {\"TXT\": [\"v=spf1 ip6:2001:db8::/32 ip6:::ffff:192.0.2.0/112 -all\"]},"
    "\"all6.example\": {\"TXT\": [\"v=spf1 ip6:::/0 ~ip4:0.0.0.0/0\"]},"
    "\"ptr.example\": {\"TXT\": [\"v=spf1 ptr:one.example -all\"]},"
    "\"78.2.0.192.in-addr.arpa\": {\"PTR\": [\"a b.one.example\", \"mx.one.example\"]},"
    "\"79.2.0.192.in-addr.arpa\": {\"PTR\": [\"mx.one.example\"]},"
    "\"p.example\": {\"TXT\": [\"v=spf1 a:0.%{p} a:%{p} -all\"]},"
    "\"invalid-void.example\": {\"TXT\": [\"v=spf1 a:.x a:..x a:a..x a:b..x ?all\"]},"
    "\"void2.example\": {\"TXT\": [\"v=spf1 a:none.x mx:none.x ?all\"]},"
    "\"void3.example\": {\"TXT\": [\"v=spf1 a:none.x mx:none.x exists:none.x ?all\"]},"
    "\"mx6.example\": {\"TXT\": [\"v=spf1 mx -all\"], \"MX\": [[1, \"m1.x\"], [2, \"m2.x\"],"
    "  [3, \"m3.x\"], [4, \"m4.x\"]]},"
    "\"null-mx.example\": {\"TXT\": [\"v=spf1 mx -all\"], \"MX\": [[0, \"\"]]},"
    "\"two.example\": {\"TXT\": [\"v=spf1 -all\", \"v=spf1 ?all\"]},"
    "\"twice.example\": {\"TXT\": [\"v=spf1 exp=a.b exp=c.d -all\"]},"
    "\"all-redirect.example\": {\"TXT\": [\"v=spf1 redirect=slow.example ?all\"]},"
    "\"exp-two.example\": {\"TXT\": [\"v=spf1 -all exp=two.example\"]},"
    "\"exp-bad.example\": {\"TXT\": [\"v=spf1 -all exp=bad-exp.example\"]},"
    "\"bad-exp.example\": {\"TXT\": [\"100% wrong\"]},"
    "\"exp-slow.example\": {\"TXT\": [\"v=spf1 -all exp=slow.example\"]}"
    "}";
/* clang-format on */

static const struct {
    const char *name, *ip, *helo, *mail_from;
    enum spf_result result;
    const char *domain, *mechanism;
    const char *words; /* the explanation of SPF_FAIL; of errors, what the problem begins with */
} rows[] = {
    {"listed", "192.0.2.1", "h.x", "ann@one.example", SPF_PASS, "one.example", "ip4:192.0.2.0/24",
     ""},
    {"mapped", "::ffff:192.0.2.1", "h.x", "ann@one.example", SPF_PASS, "one.example",
     "ip4:192.0.2.0/24", ""},
    {"not listed", "192.0.3.1", "h.x", "ann@ONE.Example", SPF_FAIL, "one.example", "-all", ""},
    {"null reverse-path", "192.0.2.1", "one.example", "", SPF_PASS, "one.example",
     "ip4:192.0.2.0/24", ""},
    {"quoted local part with @", "192.0.2.1", "h.x", "\"a@b\"@one.example", SPF_PASS, "one.example",
     "ip4:192.0.2.0/24", ""},
    {"included", "192.0.2.1", "h.x", "a@list.example", SPF_PASS, "list.example",
     "include:one.example", ""},
    {"included fail is no match", "192.0.3.1", "h.x", "a@list.example", SPF_SOFTFAIL,
     "list.example", "~all", ""},
    {"excluded, explained", "192.0.2.1", "h.x", "a b@not.example", SPF_FAIL, "not.example",
     "-include:one.example",
     "192.0.2.1 is unknown, h.x asks mx.here.example at 1700000000; a%20b%40not.example"},
    {"redirected", "192.0.2.77", "h.x", "a@moved.example", SPF_PASS, "moved.example", "a", ""},
    {"redirected to mx, IPv6", "2001:db8::78", "h.x", "a@moved.example", SPF_PASS, "moved.example",
     "mx", ""},
    {"the explanation of the redirected", "192.0.2.9", "h.x", "a@moved.example", SPF_FAIL,
     "moved.example", "-all", "_spf.one.example does not know you"},
    {"syntax error behind a match", "192.0.2.1", "h.x", "a@bad.example", SPF_PERMERROR,
     "bad.example", "", "in the record of bad.example \"ip4:192.0.2/24\" is no IPv4 network"},
    {"included syntax error", "192.0.2.1", "h.x", "a@includes-bad.example", SPF_PERMERROR,
     "includes-bad.example", "", "in the record of bad.example \"ip4:192.0.2/24\" is no"},
    {"included without record", "192.0.2.1", "h.x", "a@includes-none.example", SPF_PERMERROR,
     "includes-none.example", "include:mx.one.example",
     "\"include:mx.one.example\" of includes-none.example: mx.one.example has no SPF record"},
    {"redirected without record", "192.0.2.1", "h.x", "a@redirects-none.example", SPF_PERMERROR,
     "redirects-none.example", "", "redirect: mx.one.example has no SPF record"},
    {"redirected to no domain", "192.0.2.1", "host", "a@redirects-literal.example", SPF_PERMERROR,
     "redirects-literal.example", "", "redirect: host is no domain"},
    {"slow", "192.0.2.1", "h.x", "a@slow.example", SPF_TEMPERROR, "slow.example", "",
     "the DNS does not tell TXT of slow.example"},
    {"slow include", "192.0.2.1", "h.x", "a@includes-slow.example", SPF_TEMPERROR,
     "includes-slow.example", "", "the DNS does not tell TXT of slow.example"},
    {"slow behind a match", "192.0.2.1", "h.x", "a@slow-behind-match.example", SPF_PASS,
     "slow-behind-match.example", "ip4:192.0.2.1", ""},
    {"servers fail", "192.0.2.1", "h.x", "a@half.example", SPF_TEMPERROR, "half.example", "",
     "the DNS does not tell A of broken.example"},
    {"no domain", "192.0.2.1", "h.x", "a@nowhere.example", SPF_NONE, "nowhere.example", "",
     "nowhere.example does not exist"},
    {"no record", "192.0.2.1", "h.x", "a@mx.one.example", SPF_NONE, "mx.one.example", "",
     "mx.one.example has no SPF record"},
    {"literal", "192.0.2.1", "[192.0.2.1]", "", SPF_NONE, "", "", "[192.0.2.1] is no domain"},
    {"no HELO", "192.0.2.1", "", "", SPF_NONE, "", "", "no name is no domain"},
    {"U-labels", "192.0.2.1", "h.x", "a@bücher.example", SPF_PASS, "xn--bcher-kva.example",
     "exists:%{o}.seen.example", ""},
    {"no IDNA", "192.0.2.1", "h.x", "a@\xff.example", SPF_NONE, "", "", "no name is no domain"},
    {"UTF-8 local part matches nothing", "192.0.2.1", "h.x", "jürgen@local.example", SPF_NEUTRAL,
     "local.example", "?all", ""},
    {"ASCII local part does look", "192.0.2.1", "h.x", "j@local.example", SPF_PERMERROR,
     "local.example", "", "more than 2 terms find nothing in the DNS, the last for j.y.example"},
    {"UTF-8 in an explanation", "192.0.2.1", "h.x", "jürgen@utf8-exp.example", SPF_FAIL,
     "utf8-exp.example", "-all", ""},
    {"UTF-8 escaped in an explanation", "192.0.2.1", "h.x", "jü@upper-exp.example", SPF_FAIL,
     "upper-exp.example", "-all", "you are j%C3%BC"},
    {"UTF-8 local part in a redirect", "192.0.2.1", "h.x", "jü@redirect-local.example", SPF_NEUTRAL,
     "redirect-local.example", "", ""},
    {"IPv6 listed", "2001:db8:1::1", "h.x", "a@6.example", SPF_PASS, "6.example",
     "ip6:2001:db8::/32", ""},
    {"IPv4 is not in an IPv6 network", "192.0.2.1", "h.x", "a@6.example", SPF_FAIL, "6.example",
     "-all", ""},
    {"nor in all of them", "192.0.2.1", "h.x", "a@all6.example", SPF_SOFTFAIL, "all6.example",
     "~ip4:0.0.0.0/0", ""},
    {"IPv6 in all of them", "2001:db8::1", "h.x", "a@all6.example", SPF_PASS, "all6.example",
     "ip6:::/0", ""},
    {"name that leads back", "192.0.2.78", "h.x", "a@ptr.example", SPF_PASS, "ptr.example",
     "ptr:one.example", ""},
    {"name that does not", "192.0.2.79", "h.x", "a@ptr.example", SPF_FAIL, "ptr.example", "-all",
     ""},
    {"no name", "192.0.2.81", "h.x", "a@ptr.example", SPF_FAIL, "ptr.example", "-all", ""},
    {"%{p}", "192.0.2.78", "h.x", "a@p.example", SPF_PASS, "p.example", "a:%{p}", ""},
    {"what is no name was not looked up", "192.0.2.1", "h.x", "a@invalid-void.example", SPF_NEUTRAL,
     "invalid-void.example", "?all", ""},
    {"two find nothing", "192.0.2.1", "h.x", "a@void2.example", SPF_NEUTRAL, "void2.example",
     "?all", ""},
    {"three find nothing", "192.0.2.1", "h.x", "a@void3.example", SPF_PERMERROR, "void3.example",
     "", "more than 2 terms find nothing in the DNS"},
    {"hosts of an MX without address are one term", "2001:db8::1", "h.x", "a@mx6.example", SPF_FAIL,
     "mx6.example", "-all", ""},
    {"null MX", "192.0.2.1", "h.x", "a@null-mx.example", SPF_FAIL, "null-mx.example", "-all", ""},
    {"two records", "192.0.2.1", "h.x", "a@two.example", SPF_PERMERROR, "two.example", "",
     "two.example has several SPF records"},
    {"a modifier twice", "192.0.2.1", "h.x", "a@twice.example", SPF_PERMERROR, "twice.example", "",
     "in the record of twice.example \"exp=c.d\" is there a second time"},
    {"redirect is nothing beside all", "192.0.2.1", "h.x", "a@all-redirect.example", SPF_NEUTRAL,
     "all-redirect.example", "?all", ""},
    {"two explanations", "192.0.2.1", "h.x", "a@exp-two.example", SPF_FAIL, "exp-two.example",
     "-all", ""},
    {"a bad explanation", "192.0.2.1", "h.x", "a@exp-bad.example", SPF_FAIL, "exp-bad.example",
     "-all", ""},
    {"a slow explanation", "192.0.2.1", "h.x", "a@exp-slow.example", SPF_FAIL, "exp-slow.example",
     "-all", ""},
};

static struct zone *read_zone(const char *json)
{
    struct error err;
    struct zone *zone = zone_parse(bytes_of(json), &err);
    if (!zone)
        fail_msg("%s", err.text);
    return zone;
}

static void checks_by_table(void **state)
{
    struct zone *zone = read_zone(zone_text);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct spf_query query = query_of(rows[i].ip, rows[i].helo, rows[i].mail_from);
        struct outcome outcome = check(zone, &query);
        const struct spf_verdict *got = &outcome.verdict;
        struct bytes words = got->result == SPF_FAIL ? got->explanation : got->problem;
        if (got->result != rows[i].result ||
            !bytes_equal(got->mechanism, bytes_of(rows[i].mechanism)) ||
            !bytes_equal(got->domain, bytes_of(rows[i].domain)))
            fail_msg("%s: %s by \"%.*s\" of \"%.*s\" (%.*s)", rows[i].name,
                     spf_result_name(got->result), BYTES_ARGS(got->mechanism),
                     BYTES_ARGS(got->domain), BYTES_ARGS(got->problem));
        if (!bytes_starts(words, bytes_of(rows[i].words)) || (words.len && !*rows[i].words))
            fail_msg("%s: \"%.*s\"", rows[i].name, BYTES_ARGS(words));
        arena_free(outcome.arena);
    }
    zone_free(zone);
}

static void helo_has_a_record_of_its_own(void **state)
{
    struct zone *zone = read_zone(zone_text);
    struct spf_query query = query_of("192.0.3.1", "one.example", "a@all6.example");
    query.identity = SPF_HELO;
    struct outcome outcome = check(zone, &query);
    assert_int_equal(outcome.verdict.result, SPF_FAIL);
    assert_true(bytes_equal(outcome.verdict.domain, BYTES("one.example")));
    assert_true(bytes_equal(outcome.verdict.record, BYTES("v=spf1 ip4:192.0.2.0/24 -all")));
    arena_free(outcome.arena);
    zone_free(zone);
}

static void verdict_names_the_record(void **state)
{
    struct zone *zone = read_zone(zone_text);
    struct spf_query query = query_of("192.0.2.9", "h.x", "a@moved.example");
    struct outcome outcome = check(zone, &query);
    assert_true(bytes_equal(outcome.verdict.record_domain, BYTES("_spf.one.example")));
    assert_true(bytes_starts(outcome.verdict.record, BYTES("v=spf1 a mx -all")));
    assert_int_equal(outcome.verdict.terms, 3);
    arena_free(outcome.arena);
    zone_free(zone);
}

/* An arena without room costs texts, not the verdict. */
static void verdict_without_memory(void **state)
{
    struct zone *zone = read_zone(zone_text);
    struct spf_query query = query_of("192.0.2.9", "h.x", "a@moved.example");
    for (size_t ceiling = 0; ceiling < 512; ceiling += 16) {
        struct facts *facts = facts_new();
        struct arena *arena = arena_new(ceiling);
        struct spf_verdict verdict;
        while (spf_check(&query, facts, arena, &verdict) == SPF_NEEDS_FACTS)
            zone_answer(zone, facts);
        assert_int_equal(verdict.result, SPF_FAIL);
        arena_free(arena);
        facts_free(facts);
    }
    zone_free(zone);
}

/* --- Rounds ------------------------------------------------------------------------------------
 */

static void all_terms_are_asked_for_at_once(void **state)
{
    struct zone *zone = read_zone(
        "{\"many.example\": {\"TXT\": [\"v=spf1 a:a.x include:b.x mx:c.x exists:d.x ptr a:e.x"
        " -all\"]}, \"a.x\": {\"A\": [\"192.0.2.1\"]}, \"b.x\": {\"TXT\": [\"v=spf1 a:e.x\"]},"
        "\"c.x\": {\"MX\": [[1, \"a.x\"]]}, \"e.x\": {\"A\": [\"192.0.2.2\"]}}");
    struct spf_query query = query_of("192.0.2.3", "h.x", "j@many.example");
    struct outcome outcome = check(zone, &query);
    assert_int_equal(outcome.verdict.result, SPF_FAIL);
    /* The record; all that its terms need. */
    assert_int_equal(outcome.rounds, 2);
    arena_free(outcome.arena);
    zone_free(zone);
}

static void nothing_is_asked_for_behind_the_end(void **state)
{
    struct zone *zone = read_zone("{\"end.example\": {\"TXT\": [\"v=spf1 a:a.x ip4:192.0.2.3 "
                                  "include:b.x redirect=c.x\"]}}");
    struct spf_query query = query_of("192.0.2.3", "h.x", "j@end.example");
    struct outcome outcome = check(zone, &query);
    assert_int_equal(outcome.verdict.result, SPF_PASS);
    assert_int_equal(outcome.questions, 2);
    arena_free(outcome.arena);
    zone_free(zone);
}

/* --- Hostile DNS -------------------------------------------------------------------------------
 */

/* Answers everything alike: each name has this record, these hosts, these addresses. */
static void answer_all(struct facts *facts, const struct answer answers[FACT_TYPES])
{
    struct question question;
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        facts_answer(facts, question.type, question.name, &answers[question.type]);
}

static const struct {
    const char *name, *record;
    enum spf_result result;
    size_t hosts;
    size_t questions; /* at most */
} hostile[] = {
    {"includes itself", "v=spf1 include:%{d} -all", SPF_PERMERROR, 1, 1},
    {"redirects to itself", "v=spf1 redirect=%{d}", SPF_PERMERROR, 1, 1},
    {"a new name each time",
     "v=spf1 include:a.%{d} include:b.%{d} include:c.%{d} include:d.%{d} "
     "include:e.%{d} include:f.%{d} include:g.%{d} include:h.%{d} include:i.%{d} include:j.%{d}",
     SPF_PERMERROR, 1, 60},
    {"ten times ten hosts",
     "v=spf1 mx:a.x mx:b.x mx:c.x mx:d.x mx:e.x mx:f.x mx:g.x mx:h.x mx:i.x "
     "mx:j.x -all",
     SPF_FAIL, 10, 21},
    {"a hundred hosts", "v=spf1 mx -all", SPF_PERMERROR, 100, 2},
    {"a hundred names", "v=spf1 ptr -all", SPF_FAIL, 100, 12},
    {"more addresses than are kept", "v=spf1 a -all", SPF_PERMERROR, 101, 2},
    {"names too long", "v=spf1 include:%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d} -all", SPF_PERMERROR,
     1, 12},
};

static void hostile_answers_are_bounded(void **state)
{
    enum { MANY = FACTS_RECORD_LIMIT + 1 };
    static char names[MANY][16];
    static const uint8_t address[4] = {192, 0, 2, 1};
    struct answer_record hosts[MANY], addresses[MANY], record = {.preference = 0};
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "h%zu.example", i);
        hosts[i] = (struct answer_record){.data = bytes_of(names[i])};
        addresses[i] = (struct answer_record){.data = {address, sizeof address}};
    }
    for (size_t i = 0; i < COUNT(hostile); i++) {
        struct answer answers[FACT_TYPES] = {
            [FACT_A] = {.records = addresses, .count = hostile[i].hosts},
            [FACT_MX] = {.records = hosts, .count = hostile[i].hosts},
            [FACT_PTR] = {.records = hosts, .count = hostile[i].hosts},
            [FACT_TXT] = {.records = &record, .count = 1},
        };
        record.data = bytes_of(hostile[i].record);
        struct spf_query query = query_of("198.51.100.1", "h.x", "j@evil.example");
        struct facts *facts = facts_new();
        struct arena *arena = arena_new(SPF_ARENA);
        struct spf_verdict verdict;
        struct question question;
        size_t questions = 0, rounds = 0;
        while (spf_check(&query, facts, arena, &verdict) == SPF_NEEDS_FACTS) {
            assert_true(rounds++ < ROUND_LIMIT);
            for (size_t place = 0; facts_next_open(facts, &place, &question);)
                questions++;
            answer_all(facts, answers);
        }
        if (verdict.result != hostile[i].result || questions > hostile[i].questions)
            fail_msg("%s: %s (%.*s), %zu questions in %zu rounds", hostile[i].name,
                     spf_result_name(verdict.result), BYTES_ARGS(verdict.problem), questions,
                     rounds);
        arena_free(arena);
        facts_free(facts);
    }
}

/* Records as long as they may be, and one byte longer, of macros that expand to much. */
static void long_records_are_bounded(void **state)
{
    static const struct {
        size_t len;
        const char *problem;
    } lengths[] = {
        {SPF_RECORD_LIMIT, "\"%{s}.a%{s}.a"},
        {SPF_RECORD_LIMIT + 1, "the SPF record of long.example is longer than 8192 bytes"},
        {65000, "the SPF record of long.example is longer than 8192 bytes"},
    };
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t len = lengths[i].len, start;
        char *record = calloc(len + 1, 1);
        assert_non_null(record);
        start = (size_t)snprintf(record, len, "v=spf1 exists:");
        for (; len - start >= 6; start += 6)
            memcpy(record + start, "%{s}.a", 6);
        memset(record + start, 'a', len - start);
        struct answer_record text = {.data = {(uint8_t *)record, len}};
        struct answer answer = {.status = ANSWER_FOUND, .records = &text, .count = 1};
        struct facts *facts = facts_new();
        struct arena *arena = arena_new(SPF_ARENA);
        struct spf_verdict verdict;
        struct spf_query query = query_of("192.0.2.1", "h.x", "j@long.example");
        facts_answer(facts, FACT_TXT, BYTES("long.example"), &answer);
        assert_int_equal(spf_check(&query, facts, arena, &verdict), SPF_PERMERROR);
        if (!bytes_starts(verdict.problem, bytes_of(lengths[i].problem)))
            fail_msg("%zu: %.*s", len, BYTES_ARGS(verdict.problem));
        arena_free(arena);
        facts_free(facts);
        free(record);
    }
}

/* An error of the explanation is none of the check (RFC 7208, 6.2). */
static void long_explanations_are_none(void **state)
{
    char record[4096] = "v=spf1 -all exp=";
    struct answer_record text = {.preference = 0};
    struct answer answer = {.status = ANSWER_FOUND, .records = &text, .count = 1};
    struct spf_query query = query_of("192.0.2.1", "h.x", "j@a-domain.example");
    struct facts *facts = facts_new();
    struct arena *arena = arena_new(SPF_ARENA);
    struct spf_verdict verdict;
    for (size_t len = strlen(record); len + 5 < sizeof record; len += 4)
        memcpy(record + len, "%{d}", 4);
    text.data = bytes_of(record);
    facts_answer(facts, FACT_TXT, BYTES("a-domain.example"), &answer);
    assert_int_equal(spf_check(&query, facts, arena, &verdict), SPF_FAIL);
    assert_int_equal(verdict.problem.len + verdict.explanation.len, 0);
    arena_free(arena);
    facts_free(facts);
}

static void names_for_helo_by_table(void **state)
{
    static const struct {
        const char *helo;
        bool is_domain;
    } names[] = {
        {"mail.example", true},        {"mail.example.", true}, {"\xc3\xbc.example", true},
        {"[192.0.2.1]", false},        {"localhost", false},    {"", false},
        {"[IPv6:2001:db8::1]", false}, {"a..example", false},   {"a_b.example", true},
        {"a b.example", false},        {"\xff.example", false},
    };
    for (size_t i = 0; i < COUNT(names); i++)
        if (spf_helo_is_domain(bytes_of(names[i].helo)) != names[i].is_domain)
            fail_msg("%s", names[i].helo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite_of_rfc7208),
        cmocka_unit_test(checks_by_table),
        cmocka_unit_test(helo_has_a_record_of_its_own),
        cmocka_unit_test(verdict_names_the_record),
        cmocka_unit_test(verdict_without_memory),
        cmocka_unit_test(all_terms_are_asked_for_at_once),
        cmocka_unit_test(nothing_is_asked_for_behind_the_end),
        cmocka_unit_test(hostile_answers_are_bounded),
        cmocka_unit_test(long_records_are_bounded),
        cmocka_unit_test(long_explanations_are_none),
        cmocka_unit_test(names_for_helo_by_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
