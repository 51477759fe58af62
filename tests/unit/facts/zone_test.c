/* The zone on file: what it answers, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "facts/zone.h"

/* clang-format off */
static const char zone_text[] = "{"
    "\"Name.Example.\": {"
    "  \"TXT\": [\"one record\", [\"in two\", \" strings\"], []], \"A\": [\"192.0.2.1\"],"
    "  \"AAAA\": [\"2001:db8::1\", \"::ffff:192.0.2.9\"], \"MX\": [[10, \"mx.example.\"], [0, \"\"]],"
    "  \"TLSA\": [[3, 1, 2, \"00fFa0\"]],"
    "  \"SRV\": [[0, 1, 465, \"mx.example.\"]], \"SPF\": [\"old\"], \"PTR\": []},"
    "\"alias.example\": {\"CNAME\": [\"NAME.example\"]},"
    "\"far.example\": {\"CNAME\": [\"alias.example.\"]},"
    "\"dangling.example\": {\"CNAME\": [\"gone.example\"]},"
    "\"round.example\": {\"CNAME\": [\"round.example\"]},"
    "\"half.example\": {\"*\": \"SERVFAIL\", \"A\": [\"192.0.2.2\"], \"TXT\": \"TIMEOUT\"},"
    "\"dead-alias.example\": {\"CNAME\": [\"half.example\"], \"*\": \"TIMEOUT\"},"
    "\"safe.example\": {\"A\": [\"192.0.2.3\"]},"
    "\"to-safe.example\": {\"CNAME\": [\"safe.example\"]},"
    "\"safe-to-safe.example\": {\"CNAME\": [\"safe.example\"]},"
    "\"@secure\": [\"SAFE.example\", \"safe-to-safe.example.\", \"absent.example\"]"
    "}";
/* clang-format on */

static const struct {
    const char *name, *asked;
    enum fact_type type;
    enum answer_status status;
    bool is_secure;
    const char *canonical;
    size_t count;
    struct bytes first; /* the data of the first record */
} rows[] = {
    {"A", "name.example", FACT_A, ANSWER_FOUND, false, "", 1, BYTES_INIT("\xc0\x00\x02\x01")},
    {"any case", "NAME.example", FACT_A, ANSWER_FOUND, false, "", 1,
     BYTES_INIT("\xc0\x00\x02\x01")},
    {"AAAA", "name.example", FACT_AAAA, ANSWER_FOUND, false, "", 2,
     BYTES_INIT("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01")},
    {"TXT", "name.example", FACT_TXT, ANSWER_FOUND, false, "", 3, BYTES_INIT("one record")},
    {"MX", "name.example", FACT_MX, ANSWER_FOUND, false, "", 2, BYTES_INIT("mx.example")},
    {"TLSA", "name.example", FACT_TLSA, ANSWER_FOUND, false, "", 1, BYTES_INIT("\x00\xff\xa0")},
    {"SRV", "name.example", FACT_SRV, ANSWER_FOUND, false, "", 1, BYTES_INIT("mx.example")},
    {"an empty list", "name.example", FACT_PTR, ANSWER_NODATA, false, "", 0, {NULL, 0}},
    {"no such type", "name.example", FACT_CNAME, ANSWER_NODATA, false, "", 0, {NULL, 0}},
    {"no such name", "example", FACT_A, ANSWER_NXDOMAIN, false, "", 0, {NULL, 0}},
    {"alias", "alias.example", FACT_MX, ANSWER_FOUND, false, "NAME.example", 2,
     BYTES_INIT("mx.example")},
    {"alias of an alias", "far.example", FACT_A, ANSWER_FOUND, false, "NAME.example", 1,
     BYTES_INIT("\xc0\x00\x02\x01")},
    {"the alias itself", "far.example", FACT_CNAME, ANSWER_FOUND, false, "", 1,
     BYTES_INIT("alias.example")},
    {"alias of nothing",
     "dangling.example",
     FACT_A,
     ANSWER_NXDOMAIN,
     false,
     "gone.example",
     0,
     {NULL, 0}},
    {"alias of itself", "round.example", FACT_A, ANSWER_SERVFAIL, false, "", 0, {NULL, 0}},
    {"one type silent", "half.example", FACT_TXT, ANSWER_TIMEOUT, false, "", 0, {NULL, 0}},
    {"one type there", "half.example", FACT_A, ANSWER_FOUND, false, "", 1,
     BYTES_INIT("\xc0\x00\x02\x02")},
    {"all others fail", "half.example", FACT_MX, ANSWER_SERVFAIL, false, "", 0, {NULL, 0}},
    {"an alias goes before *",
     "dead-alias.example",
     FACT_MX,
     ANSWER_SERVFAIL,
     false,
     "half.example",
     0,
     {NULL, 0}},
    {"secure", "safe.example", FACT_A, ANSWER_FOUND, true, "", 1, BYTES_INIT("\xc0\x00\x02\x03")},
    {"secure without data", "safe.example", FACT_MX, ANSWER_NODATA, true, "", 0, {NULL, 0}},
    {"secure without a name", "absent.example", FACT_TXT, ANSWER_NXDOMAIN, true, "", 0, {NULL, 0}},
    {"an alias that is not secure", "to-safe.example", FACT_A, ANSWER_FOUND, false, "safe.example",
     1, BYTES_INIT("\xc0\x00\x02\x03")},
    {"an alias that is secure", "safe-to-safe.example", FACT_A, ANSWER_FOUND, true, "safe.example",
     1, BYTES_INIT("\xc0\x00\x02\x03")},
};

static void questions_are_answered(void **state)
{
    struct error err;
    struct zone *zone = zone_parse(bytes_of(zone_text), &err);
    assert_non_null(zone);
    struct facts *facts = facts_new();
    for (size_t i = 0; i < COUNT(rows); i++)
        (void)facts_ask(facts, rows[i].type, bytes_of(rows[i].asked));
    zone_answer(zone, facts);
    zone_free(zone);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct answer *answer = facts_ask(facts, rows[i].type, bytes_of(rows[i].asked));
        if (!answer)
            fail_msg("%s: not answered", rows[i].name);
        if (answer->status != rows[i].status || answer->count != rows[i].count ||
            answer->is_secure != rows[i].is_secure)
            fail_msg("%s: %s, %zu records, secure %d", rows[i].name,
                     answer_status_name(answer->status), answer->count, answer->is_secure);
        if (!bytes_equal(answer->canonical, bytes_of(rows[i].canonical)))
            fail_msg("%s: canonical %.*s", rows[i].name, BYTES_ARGS(answer->canonical));
        if (answer->count && !bytes_equal(answer->records[0].data, rows[i].first))
            fail_msg("%s: the first record", rows[i].name);
    }
    facts_free(facts);
}

static void records_have_all_their_parts(void **state)
{
    struct error err;
    struct zone *zone = zone_parse(bytes_of(zone_text), &err);
    struct facts *facts = facts_new();
    (void)facts_ask(facts, FACT_TXT, BYTES("name.example"));
    (void)facts_ask(facts, FACT_MX, BYTES("name.example"));
    (void)facts_ask(facts, FACT_TLSA, BYTES("name.example"));
    zone_answer(zone, facts);
    const struct answer *answer = facts_ask(facts, FACT_TXT, BYTES("name.example"));
    assert_true(bytes_equal(answer->records[1].data, BYTES("in two strings")));
    assert_int_equal(answer->records[2].data.len, 0);
    answer = facts_ask(facts, FACT_MX, BYTES("name.example"));
    assert_int_equal(answer->records[0].preference, 10);
    assert_int_equal(answer->records[1].data.len, 0);
    answer = facts_ask(facts, FACT_TLSA, BYTES("name.example"));
    assert_int_equal(answer->records[0].usage, 3);
    assert_int_equal(answer->records[0].selector, 1);
    assert_int_equal(answer->records[0].matching, 2);
    facts_free(facts);
    zone_free(zone);
}

static const struct {
    const char *name, *text, *error;
} bad_rows[] = {
    {"nothing", "", "line 1: "},
    {"broken", "{\"a\": {", "line 1: "},
    {"a list", "[]", "a zone is an object of names"},
    {"a name without types", "{\"a.example\": []}", "a.example: wants an object of record types"},
    {"a name twice", "{\"a\": {}, \"A.\": {}}", "A.: is there twice"},
    {"a type twice", "{\"a\": {\"A\": [], \"a\": []}}", "a: a: is there twice"},
    {"a word that is no failure", "{\"a\": {\"A\": \"NODATA\"}}", "a: A: wants \"TIMEOUT\" or"},
    {"one record without a list", "{\"a\": {\"TXT\": {}}}", "a: TXT: wants a list of records"},
    {"* with records", "{\"a\": {\"*\": [\"x\"]}}", "a: *: wants \"TIMEOUT\" or \"SERVFAIL\""},
    {"no address", "{\"a\": {\"A\": [\"1.2.3\"]}}", "a: A: \"1.2.3\" is no IPv4 address"},
    {"a number", "{\"a\": {\"A\": [1]}}", "a: A: \"\" is no IPv4 address"},
    {"the other family", "{\"a\": {\"AAAA\": [\"1.2.3.4\"]}}", "a: AAAA: \"1.2.3.4\" is no IPv6"},
    {"an MX without preference", "{\"a\": {\"MX\": [\"b\"]}}", "a: MX: an MX record is ["},
    {"an MX beyond 65535", "{\"a\": {\"MX\": [[65536, \"b\"]]}}", "a: MX: an MX record is ["},
    {"an MX without name", "{\"a\": {\"MX\": [[5, 6]]}}", "a: MX: a name is a string"},
    {"TXT of numbers", "{\"a\": {\"TXT\": [[\"x\", 1]]}}", "a: TXT: a TXT record is a string or"},
    {"two aliases", "{\"a\": {\"CNAME\": [\"b\", \"c\"]}}", "a: CNAME: a name is the alias of one"},
    {"TLSA of three", "{\"a\": {\"TLSA\": [[3, 1, \"00\"]]}}", "a: TLSA: a TLSA record is ["},
    {"TLSA beyond 255", "{\"a\": {\"TLSA\": [[3, 1, 256, \"00\"]]}}",
     "a: TLSA: a TLSA record is ["},
    {"SRV of three", "{\"a\": {\"SRV\": [[0, 1, \"mx\"]]}}", "a: SRV: an SRV record is ["},
    {"SRV beyond 65535", "{\"a\": {\"SRV\": [[0, 1, 65536, \"mx\"]]}}",
     "a: SRV: an SRV record is ["},
    {"TLSA with an odd digit", "{\"a\": {\"TLSA\": [[3, 1, 1, \"000\"]]}}", "a: TLSA: the data of"},
    {"TLSA without digits", "{\"a\": {\"TLSA\": [[3, 1, 1, \"xy\"]]}}", "a: TLSA: the data of"},
    {"@secure of one name", "{\"@secure\": \"a\"}", "@secure: wants a list of names"},
    {"@secure of numbers", "{\"@secure\": [1]}", "@secure: wants a list of names"},
};

static void bad_zones_are_refused(void **state)
{
    for (size_t i = 0; i < COUNT(bad_rows); i++) {
        struct error err = {.text = ""};
        struct zone *zone = zone_parse(bytes_of(bad_rows[i].text), &err);
        if (zone || strncmp(err.text, bad_rows[i].error, strlen(bad_rows[i].error)) != 0)
            fail_msg("%s: %s", bad_rows[i].name, zone ? "was taken" : err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_answered),
        cmocka_unit_test(records_have_all_their_parts),
        cmocka_unit_test(bad_zones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
