/* DMARC: tables of our own over zones, the facts of Mail::DMARC and of mox, the Public Suffix List
 * and its tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>
#include <libpsl.h>

#include "auth/dmarc.h"
#include "base/buf.h"
#include "base/error.h"
#include "facts/facts.h"
#include "facts/zone.h"

enum { IDENTIFIERS_MOST = 8, AUTHORS_MOST = 4 };

/* A query as text: authors; then identifiers, "spf:" or "dkim:" and the domain, "?" in front of
 * what is unsure; each with a blank between. */
struct given {
    char text[400];
    struct bytes authors[AUTHORS_MOST];
    struct dmarc_identifier identifiers[IDENTIFIERS_MOST];
    struct dmarc_query query;
};

static void give(struct given *given, const char *authors, const char *identifiers)
{
    struct bytes rest = bytes_of(authors), word;
    *given = (struct given){0};
    while (rest.len) {
        bytes_cut(rest, ' ', &word, &rest);
        given->authors[given->query.author_count++] = word;
    }
    rest = bytes_of(identifiers);
    while (rest.len) {
        struct dmarc_identifier *next = &given->identifiers[given->query.identifier_count++];
        bytes_cut(rest, ' ', &word, &rest);
        next->is_unsure = word.at[0] == '?';
        word = bytes_from(word, next->is_unsure);
        next->method = bytes_starts(word, BYTES("spf:")) ? DMARC_BY_SPF : DMARC_BY_DKIM;
        bytes_cut(word, ':', &word, &next->domain);
    }
    given->query.authors = given->authors;
    given->query.identifiers = given->identifiers;
}

/* Runs to the end; gives how many rounds of facts it took. */
static unsigned run(const struct given *given, const struct zone *zone, struct facts *facts,
                    const psl_ctx_t *psl, struct dmarc_answer *out)
{
    unsigned rounds = 0;
    while (dmarc_check(&given->query, facts, psl, out) == DMARC_NEEDS_FACTS) {
        assert_true(++rounds < 10);
        zone_answer(zone, facts);
    }
    return rounds;
}

static struct zone *read_zone(const char *text)
{
    struct error err;
    struct zone *zone = zone_parse(bytes_of(text), &err);
    if (!zone)
        fail_msg("zone: %s", err.text);
    return zone;
}

#define AT(domain, record) "\"_dmarc." domain "\":{\"TXT\":[\"v=DMARC1; " record "\"]}"
#define EXISTS(domain) "\"" domain "\":{\"A\":[\"192.0.2.1\"]}"
#define EXAMPLE AT("example.com", "p=reject; sp=quarantine")

/* want: result policy/disposition tag@domain organization spf,dkim */
static const struct {
    const char *name, *zone, *authors, *identifiers, *want;
} rows[] = {
    {"SPF", EXAMPLE, "example.com", "spf:example.com",
     "pass reject/none p@example.com example.com strict,"},
    {"DKIM", EXAMPLE, "example.com", "dkim:example.com",
     "pass reject/none p@example.com example.com ,strict"},
    {"any case, any script", AT("xn--mx-lka.example", "p=reject"), "xn--mx-lka.example",
     "dkim:M\xc3\x98X.example", "pass reject/none p@xn--mx-lka.example xn--mx-lka.example ,strict"},
    {"subdomain of the author", EXAMPLE, "example.com", "spf:bounce.example.com",
     "pass reject/none p@example.com example.com relaxed,"},
    {"parent of the author", EXAMPLE, "news.example.com", "dkim:example.com",
     "pass quarantine/none sp@example.com example.com ,relaxed"},
    {"sibling of the author", EXAMPLE, "news.example.com", "spf:foo.example.com",
     "pass quarantine/none sp@example.com example.com relaxed,"},
    {"the best counts", EXAMPLE, "example.com",
     "dkim:a.example.com dkim:example.com dkim:x.example",
     "pass reject/none p@example.com example.com ,strict"},
    {"nothing", EXAMPLE, "example.com", "", "fail reject/reject p@example.com example.com ,"},
    {"another domain", EXAMPLE, "example.com", "spf:example.net dkim:notexample.com",
     "fail reject/reject p@example.com example.com ,"},
    {"top-level domain", EXAMPLE, "example.com", "dkim:com",
     "fail reject/reject p@example.com example.com ,"},
    {"no domain", EXAMPLE, "example.com", "spf: dkim:- spf:a..b",
     "fail reject/reject p@example.com example.com ,"},
    {"subdomain", EXAMPLE, "news.example.com", "",
     "fail quarantine/quarantine sp@example.com example.com ,"},
    {"no sp", AT("example.com", "p=reject"), "news.example.com", "",
     "fail reject/reject p@example.com example.com ,"},
    {"sp of the author's own record is for others", AT("a.example.com", "p=none;sp=reject"),
     "a.example.com", "", "fail none/none p@a.example.com a.example.com ,"},
    {"no record", "\"example.com\":{}", "example.com", "spf:example.com", "none none/none p@  ,"},
    {"strict SPF", AT("example.com", "p=reject; aspf=s"), "example.com", "spf:a.example.com",
     "fail reject/reject p@example.com example.com ,"},
    {"strict SPF, relaxed DKIM", AT("example.com", "p=reject; aspf=s"), "example.com",
     "spf:a.example.com dkim:a.example.com", "pass reject/none p@example.com example.com ,relaxed"},
    {"strict DKIM", AT("example.com", "p=reject; adkim=s"), "example.com", "dkim:a.example.com",
     "fail reject/reject p@example.com example.com ,"},
    {"strict and identical", AT("example.com", "p=reject; adkim=s; aspf=s"), "example.com",
     "dkim:example.com", "pass reject/none p@example.com example.com ,strict"},
    {"t", AT("example.com", "p=reject; t=y"), "example.com", "",
     "fail reject/quarantine p@example.com example.com ,"},
    {"t and quarantine", AT("example.com", "p=quarantine; t=y"), "example.com", "",
     "fail quarantine/none p@example.com example.com ,"},
    {"two records are none", "\"_dmarc.example.com\":{\"TXT\":[\"v=DMARC1\",\"v=DMARC1;p=none\"]}",
     "example.com", "spf:example.com", "none none/none p@  ,"},
    {"other records do not count",
     "\"_dmarc.example.com\":{\"TXT\":[\"v=spf1 -all\",\"v=DMARC1;p=reject\",\"x\"]}",
     "example.com", "", "fail reject/reject p@example.com example.com ,"},
    {"a record in pieces", "\"_dmarc.example.com\":{\"TXT\":[[\"v=DMA\",\"RC1;p=reject\"]]}",
     "example.com", "", "fail reject/reject p@example.com example.com ,"},
    {"behind an alias",
     "\"_dmarc.example.com\":{\"CNAME\":[\"d.example.net\"]},"
     "\"d.example.net\":{\"TXT\":[\"v=DMARC1;p=reject\"]}",
     "example.com", "", "fail reject/reject p@example.com example.com ,"},
    {"bad p", AT("example.com", "p=bad"), "example.com", "spf:example.com",
     "none none/none p@example.com example.com ,"},
    {"bad p of its own ends the search", AT("a.example.com", "p=bad") "," EXAMPLE, "a.example.com",
     "", "none none/none p@a.example.com example.com ,"},
    {"bad p, but reports", AT("example.com", "p=bad; rua=mailto:a@b.example"), "example.com", "",
     "fail none/none p@example.com example.com ,"},
    /* The tree walk: examples of RFC 9989, 4.10.2, and around them. */
    {"the shortest name is the organization", AT("mail.example.com", "p=none") "," EXAMPLE,
     "a.mail.example.com", "", "fail quarantine/quarantine sp@example.com example.com ,"},
    {"own record, and the organization above", AT("mail.example.com", "p=none") "," EXAMPLE,
     "mail.example.com", "dkim:b.example.com",
     "pass none/none p@mail.example.com example.com ,relaxed"},
    {"psd=n", AT("mail.example.com", "p=none;psd=n") "," EXAMPLE, "a.mail.example.com",
     "dkim:example.com dkim:b.example.com", "fail none/none p@mail.example.com mail.example.com ,"},
    {"psd=n, within", AT("mail.example.com", "p=none;psd=n") "," EXAMPLE, "a.mail.example.com",
     "dkim:b.mail.example.com", "pass none/none p@mail.example.com mail.example.com ,relaxed"},
    {"psd=n of the identifier", AT("mail.example.com", "p=none;psd=n") "," EXAMPLE, "example.com",
     "dkim:a.mail.example.com", "fail reject/reject p@example.com example.com ,"},
    {"psd=y", AT("com", "p=reject;psd=y"), "a.mail.example.com", "dkim:example.com",
     "pass reject/none p@com example.com ,relaxed"},
    {"psd=y holds organizations apart", AT("com", "p=reject;psd=y"), "example.com",
     "dkim:other.com dkim:com", "fail reject/reject p@com example.com ,"},
    {"psd=y above a record", AT("com", "p=reject;psd=y") "," EXAMPLE, "a.example.com",
     "dkim:b.example.com", "pass quarantine/none sp@example.com example.com ,relaxed"},
    {"psd=y above a record that is not the organization's",
     AT("com", "p=reject;psd=y") "," AT("a.example.com", "p=none"), "b.a.example.com", "",
     "fail reject/reject p@com example.com ,"},
    {"psd=y of the author itself", AT("com", "p=reject;psd=y"), "com", "dkim:com",
     "pass reject/none p@com com ,strict"},
    {"long name", AT("h.i.j.mail.example.com", "p=reject"), "a.b.c.d.e.f.g.h.i.j.mail.example.com",
     "spf:x.h.i.j.mail.example.com",
     "pass reject/none p@h.i.j.mail.example.com h.i.j.mail.example.com relaxed,"},
    {"a record that the walk does not come by", AT("f.g.h.i.j.mail.example.com", "p=reject"),
     "a.b.c.d.e.f.g.h.i.j.mail.example.com", "", "none none/none p@  ,"},
    {"eight labels", AT("b.c.d.e.f.g.com", "p=reject"), "a.b.c.d.e.f.g.com", "",
     "fail reject/reject p@b.c.d.e.f.g.com b.c.d.e.f.g.com ,"},
    /* np */
    {"np of a name that is not there", AT("example.com", "p=none;sp=quarantine;np=reject"),
     "ghost.example.com", "", "fail reject/reject np@example.com example.com ,"},
    {"np of a name that is there",
     AT("example.com", "p=none;sp=quarantine;np=reject") "," EXISTS("real.example.com"),
     "real.example.com", "", "fail quarantine/quarantine sp@example.com example.com ,"},
    {"np and a DNS that does not say",
     AT("example.com", "p=none;np=reject") ",\"ghost.example.com\":{\"*\":\"TIMEOUT\"}",
     "ghost.example.com", "", "temperror none/none p@example.com example.com ,"},
    {"np and a DNS that does not say, of no matter",
     AT("example.com", "p=none;np=reject") ",\"ghost.example.com\":{\"*\":\"TIMEOUT\"}",
     "ghost.example.com", "dkim:example.com", "pass none/none p@example.com example.com ,relaxed"},
    {"np without sp", AT("example.com", "p=reject;np=none"), "ghost.example.com", "",
     "fail none/none np@example.com example.com ,"},
    {"np with t", AT("example.com", "p=none;np=reject;t=y"), "ghost.example.com", "",
     "fail reject/quarantine np@example.com example.com ,"},
    {"np of a registry", AT("com", "p=none;np=reject;psd=y"), "ghost.com", "",
     "fail reject/reject np@com ghost.com ,"},
    /* The DNS does not answer. */
    {"no answer", "\"_dmarc.example.com\":{\"*\":\"TIMEOUT\"}", "example.com", "spf:example.com",
     "temperror none/none p@  ,"},
    {"no answer above", "\"_dmarc.example.com\":{\"*\":\"SERVFAIL\"}", "a.example.com",
     "spf:example.com", "temperror none/none p@  ,"},
    {"no answer above the author's own, and identical",
     AT("a.example.com", "p=reject") ",\"_dmarc.example.com\":{\"*\":\"SERVFAIL\"}",
     "a.example.com", "spf:a.example.com", "pass reject/none p@a.example.com  strict,"},
    {"no answer above the author's own, and near",
     AT("a.example.com", "p=reject") ",\"_dmarc.example.com\":{\"*\":\"SERVFAIL\"}",
     "a.example.com", "spf:b.example.com", "temperror reject/none p@a.example.com  ,"},
    {"no answer above the author's own, and far",
     AT("a.example.com", "p=reject") ",\"_dmarc.example.com\":{\"*\":\"SERVFAIL\"}",
     "a.example.com", "spf:a.example.net", "fail reject/reject p@a.example.com  ,"},
    {"no answer above psd=n does not matter",
     AT("example.com", "p=reject;psd=n") ",\"_dmarc.com\":{\"*\":\"SERVFAIL\"}", "a.example.com",
     "spf:example.com", "pass reject/none p@example.com example.com relaxed,"},
    {"no answer above the identifier", EXAMPLE ",\"_dmarc.x.example.com\":{\"*\":\"TIMEOUT\"}",
     "example.com", "spf:x.example.com", "temperror reject/none p@example.com example.com ,"},
    {"unsure", EXAMPLE, "example.com", "?dkim:example.com",
     "temperror reject/none p@example.com example.com ,"},
    {"unsure, relaxed", EXAMPLE, "example.com", "?spf:a.example.com",
     "temperror reject/none p@example.com example.com ,"},
    {"unsure, but of somebody else", EXAMPLE, "example.com", "?dkim:evil.example",
     "fail reject/reject p@example.com example.com ,"},
    {"unsure, but the other passes", EXAMPLE, "example.com", "?dkim:example.com spf:example.com",
     "pass reject/none p@example.com example.com strict,"},
    /* Several authors, and none. */
    {"none", EXAMPLE, "", "spf:example.com", "permerror none/none p@  ,"},
    {"two that pass", EXAMPLE "," AT("example.net", "p=none"), "example.com example.net",
     "dkim:example.com dkim:example.net", "pass reject/none p@example.com example.com ,strict"},
    {"one of two passes", EXAMPLE "," AT("example.net", "p=none"), "example.net example.com",
     "dkim:example.net", "fail reject/reject p@example.com example.com ,"},
    {"the strictest of those that fail", EXAMPLE "," AT("example.net", "p=none"),
     "example.com example.net", "dkim:x.example", "fail reject/reject p@example.com example.com ,"},
    {"one has no record", EXAMPLE, "example.com other.example", "dkim:example.com",
     "none none/none p@  ,"},
};

static void print(struct buf *out, const struct dmarc_answer *answer)
{
    buf_addf(out, "%s %s/%s %s@%.*s %.*s %s,%s", dmarc_result_name(answer->result),
             dmarc_policy_name(answer->policy), dmarc_policy_name(answer->disposition),
             dmarc_tag_name(answer->tag), BYTES_ARGS(answer->domain),
             BYTES_ARGS(answer->organizational), dmarc_alignment_name(answer->spf),
             dmarc_alignment_name(answer->dkim));
}

static void rows_are_judged(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct given given;
        struct dmarc_answer answer;
        struct buf text, got;
        buf_init(&text, 10000);
        buf_init(&got, 10000);
        buf_addf(&text, "{%s}", rows[i].zone);
        buf_add_byte(&text, 0);
        struct zone *zone = read_zone((const char *)text.at);
        struct facts *facts = facts_new();
        give(&given, rows[i].authors, rows[i].identifiers);
        /* One round for a message whose identifiers are near its author; one more to look whether
         * the author exists, or for names that only its organization shows to be near. */
        if (run(&given, zone, facts, NULL, &answer) > 2)
            fail_msg("%s: too many rounds", rows[i].name);
        print(&got, &answer);
        if (!bytes_equal(buf_view(&got), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&got)));
        bool is_told = answer.result == DMARC_PASS || answer.result == DMARC_FAIL;
        if (is_told != (answer.reason == NULL))
            fail_msg("%s: reason %s", rows[i].name, answer.reason);
        facts_free(facts);
        zone_free(zone);
        buf_done(&text);
        buf_done(&got);
    }
}

static void a_walk_asks_eight_questions(void **state)
{
    struct given given;
    struct dmarc_answer answer;
    struct facts *facts = facts_new();
    struct question question;
    size_t place = 0, count = 0;
    static const char *const want[] = {
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    };
    give(&given, "a.b.c.d.e.f.g.h.i.j.mail.example.com", "");
    assert_int_equal(dmarc_check(&given.query, facts, NULL, &answer), DMARC_NEEDS_FACTS);
    while (facts_next_open(facts, &place, &question)) {
        assert_true(count < COUNT(want));
        assert_true(bytes_equal(question.name, bytes_of(want[count++])));
    }
    assert_int_equal(count, COUNT(want));
    facts_free(facts);
}

/* --- The facts of Mail::DMARC ----------------------------------------------------------------- */

static json_t *read_vectors(const char *path)
{
    json_error_t err;
    json_t *vectors = json_load_file(path, 0, &err);
    if (!vectors)
        fail_msg("%s: %s", path, err.text);
    return vectors;
}

/* Its zone in our form. */
static struct zone *zone_of(const json_t *records)
{
    json_t *names = json_object(), *record;
    size_t i;
    json_array_foreach(records, i, record)
    {
        const char *name = json_string_value(json_object_get(record, "name"));
        const char *type = json_string_value(json_object_get(record, "type"));
        if (!json_object_get(names, name))
            json_object_set_new(names, name, json_object());
        if (strcmp(type, "TXT") == 0)
            json_object_set_new(json_object_get(names, name), type,
                                json_pack("[O]", json_object_get(record, "data")));
    }
    char *text = json_dumps(names, 0);
    struct zone *zone = read_zone(text);
    free(text);
    json_decref(names);
    return zone;
}

static void check_message(const json_t *message, const struct zone *zone)
{
    const char *author = json_string_value(json_object_get(message, "header_from"));
    const json_t *expect = json_object_get(message, "expect");
    struct buf identifiers;
    struct given given;
    struct dmarc_answer answer;
    size_t i;
    json_t *item;
    buf_init(&identifiers, 400);
    for (int method = 0; method < 2; method++)
        json_array_foreach(
            json_object_get(message, method ? "dkim" : "spf"), i,
            item) if (strcmp(json_string_value(json_object_get(item, "result")), "pass") == 0)
            buf_addf(&identifiers, "%s%s:%s", identifiers.len ? " " : "", method ? "dkim" : "spf",
                     json_string_value(json_object_get(item, "domain")));
    buf_add_byte(&identifiers, 0);
    struct facts *facts = facts_new();
    give(&given, author, (const char *)identifiers.at);
    run(&given, zone, facts, NULL, &answer);
    const char *result = json_string_value(json_object_get(expect, "result"));
    const char *disposition = json_string_value(json_object_get(expect, "disposition"));
    const char *spf = json_string_value(json_object_get(expect, "spf"));
    const char *dkim = json_string_value(json_object_get(expect, "dkim"));
    if (result && strcmp(result, dmarc_result_name(answer.result)) != 0)
        fail_msg("%s: %s", author, dmarc_result_name(answer.result));
    if (disposition && strcmp(disposition, dmarc_policy_name(answer.disposition)) != 0)
        fail_msg("%s: %s", author, dmarc_policy_name(answer.disposition));
    if (spf && (strcmp(spf, "pass") == 0) != (answer.spf != DMARC_UNALIGNED))
        fail_msg("%s: SPF", author);
    if (dkim && (strcmp(dkim, "pass") == 0) != (answer.dkim != DMARC_UNALIGNED))
        fail_msg("%s: DKIM", author);
    facts_free(facts);
    buf_done(&identifiers);
}

static void messages_of_mail_dmarc(void **state)
{
    json_t *vectors = read_vectors(TEST_DATA "/dmarc/mail-dmarc-facts.json"), *message;
    struct zone *zone = zone_of(json_object_get(vectors, "zone"));
    size_t i;
    json_array_foreach(json_object_get(vectors, "validate"), i, message)
        check_message(message, zone);
    zone_free(zone);
    json_decref(vectors);
}

static void organizations_of_mail_dmarc(void **state)
{
    json_t *vectors = read_vectors(TEST_DATA "/dmarc/mail-dmarc-facts.json"), *pair;
    struct zone *zone = zone_of(json_object_get(vectors, "zone"));
    size_t i;
    json_array_foreach(json_object_get(vectors, "org_domain"), i, pair)
    {
        const char *author = json_string_value(json_array_get(pair, 0));
        const char *want = json_string_value(json_array_get(pair, 1));
        struct given given;
        struct dmarc_answer answer;
        struct facts *facts = facts_new();
        give(&given, author, "");
        run(&given, zone, facts, NULL, &answer);
        /* Without any record the domain itself is its organization, and of no use. */
        struct bytes got = answer.result == DMARC_NONE ? answer.author : answer.organizational;
        if (!bytes_equal(got, bytes_of(want)))
            fail_msg("%s: %.*s", author, BYTES_ARGS(got));
        facts_free(facts);
    }
    zone_free(zone);
    json_decref(vectors);
}

/* Its rows presume that example.com is an organization and net is none, as a list says; by the
 * tree walk this takes records. */
static void alignments_of_mail_dmarc(void **state)
{
    static const char zone_text[] = "{" AT("example.com", "p=none") "," AT(
        "exumple.com", "p=none") "," AT("exanple.com", "p=none") "," AT("net", "p=none;psd=y") "}";
    json_t *vectors = read_vectors(TEST_DATA "/dmarc/mail-dmarc-facts.json"), *row;
    struct zone *zone = read_zone(zone_text);
    size_t i;
    json_array_foreach(json_object_get(vectors, "alignment"), i, row)
    {
        const char *want = json_string_value(json_array_get(row, 3));
        char author[100], identifier[100];
        struct given given;
        struct dmarc_answer answer;
        struct facts *facts = facts_new();
        snprintf(author, sizeof author, "%s", json_string_value(json_array_get(row, 1)));
        snprintf(identifier, sizeof identifier, "%s:%s", json_string_value(json_array_get(row, 0)),
                 json_string_value(json_array_get(row, 2)));
        for (char *c = author; *c; c++)
            *c = (char)ascii_lower((uint8_t)*c);
        give(&given, author, identifier);
        run(&given, zone, facts, NULL, &answer);
        enum dmarc_alignment best = answer.spf > answer.dkim ? answer.spf : answer.dkim;
        if (strcmp(dmarc_alignment_name(best), want ? want : "") != 0)
            fail_msg("%s, %s: %s", author, identifier, dmarc_alignment_name(best));
        facts_free(facts);
    }
    zone_free(zone);
    json_decref(vectors);
}

/* What mox makes of the answers at one name, but for a record with an item that is none: RFC 9989,
 * 4.8 passes over that, and mox says permerror. */
static void lookups_of_mox(void **state)
{
    json_t *vectors = read_vectors(TEST_DATA "/dmarc/mox-record-facts.json"), *lookup;
    size_t i;
    json_array_foreach(json_object_get(vectors, "lookup"), i, lookup)
    {
        const json_t *txt = json_object_get(lookup, "txt");
        const char *want = json_string_value(json_object_get(lookup, "result"));
        struct given given;
        struct dmarc_answer answer;
        struct facts *facts = facts_new();
        json_t *names = json_is_string(txt)
                            ? json_pack("{s:{s:s}}", "_dmarc.example.com", "*", "SERVFAIL")
                            : json_pack("{s:{s:O}}", "_dmarc.example.com", "TXT", txt);
        if (!json_is_string(txt) && json_array_size(txt) == 0)
            json_object_clear(names);
        char *text = json_dumps(names, 0);
        struct zone *zone = read_zone(text);
        give(&given, "example.com", "");
        run(&given, zone, facts, NULL, &answer);
        if (strncmp(want, "none", 4) == 0)
            assert_int_equal(answer.result, DMARC_NONE);
        else if (strcmp(want, "temperror") == 0)
            assert_int_equal(answer.result, DMARC_TEMPERROR);
        else
            assert_int_equal(answer.result, DMARC_FAIL);
        facts_free(facts);
        zone_free(zone);
        free(text);
        json_decref(names);
    }
    json_decref(vectors);
}

/* --- The Public Suffix List ------------------------------------------------------------------- */

static void registries_are_no_organizations(void **state)
{
    static const struct {
        const char *name, *zone, *authors, *identifiers, *want;
    } listed[] = {
        {"registry without psd", AT("gov.uk", "p=reject"), "a.gov.uk", "dkim:b.gov.uk dkim:gov.uk",
         "fail reject/reject p@gov.uk a.gov.uk ,"},
        {"within an organization", AT("gov.uk", "p=reject"), "x.a.gov.uk", "dkim:y.a.gov.uk",
         "pass reject/none p@gov.uk a.gov.uk ,relaxed"},
        {"the registry itself", AT("gov.uk", "p=reject"), "gov.uk", "dkim:gov.uk",
         "pass reject/none p@gov.uk gov.uk ,strict"},
        {"no registry", AT("example.com", "p=reject"), "a.example.com", "dkim:b.example.com",
         "pass reject/none p@example.com example.com ,relaxed"},
        {"private part of the list", AT("github.io", "p=reject"), "a.github.io", "dkim:b.github.io",
         "pass reject/none p@github.io github.io ,relaxed"},
        {"not on the list", AT("example", "p=reject"), "a.example", "dkim:b.example",
         "pass reject/none p@example example ,relaxed"},
        {"psd=n says more than the list", AT("gov.uk", "p=reject;psd=n"), "a.gov.uk",
         "dkim:b.gov.uk", "pass reject/none p@gov.uk gov.uk ,relaxed"},
    };
    psl_ctx_t *psl = psl_load_file(TEST_DATA "/psl/public_suffix_list.dat");
    assert_non_null(psl);
    for (size_t i = 0; i < COUNT(listed); i++) {
        char text[400];
        struct given given;
        struct dmarc_answer answer;
        struct buf got;
        struct facts *facts = facts_new();
        buf_init(&got, 1000);
        snprintf(text, sizeof text, "{%s}", listed[i].zone);
        struct zone *zone = read_zone(text);
        give(&given, listed[i].authors, listed[i].identifiers);
        run(&given, zone, facts, psl, &answer);
        print(&got, &answer);
        if (!bytes_equal(buf_view(&got), bytes_of(listed[i].want)))
            fail_msg("%s: %.*s", listed[i].name, BYTES_ARGS(buf_view(&got)));
        facts_free(facts);
        zone_free(zone);
        buf_done(&got);
    }
    psl_free(psl);
}

/* The list that we hand in is read as its makers mean it. */
static void the_list_is_read(void **state)
{
    psl_ctx_t *psl = psl_load_file(TEST_DATA "/psl/public_suffix_list.dat");
    FILE *tests = fopen(TEST_DATA "/psl/tests.txt", "r");
    char line[300];
    size_t count = 0;
    assert_non_null(psl);
    assert_non_null(tests);
    while (fgets(line, sizeof line, tests)) {
        struct bytes name, want;
        bytes_cut(bytes_trim(bytes_of(line)), ' ', &name, &want);
        if (name.len == 0 || bytes_starts(name, BYTES("//")) || bytes_equal(name, BYTES("null")))
            continue;
        char *text = strndup((const char *)name.at, name.len), *lower = NULL;
        if (psl_str_to_utf8lower(text, "utf-8", NULL, &lower) != PSL_SUCCESS)
            fail_msg("%s", text);
        /* A leading dot is no part of a name: libpsl passes over it, the tests refuse it. */
        const char *got = text[0] == '.' ? NULL : psl_registrable_domain(psl, lower);
        char *want_text = strndup((const char *)want.at, want.len);
        if (strcmp(got ? got : "null", want_text) != 0)
            fail_msg("%s: %s", text, got ? got : "null");
        count++;
        psl_free_string(lower);
        free(want_text);
        free(text);
    }
    assert_true(count > 70);
    fclose(tests);
    psl_free(psl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_judged),
        cmocka_unit_test(a_walk_asks_eight_questions),
        cmocka_unit_test(messages_of_mail_dmarc),
        cmocka_unit_test(organizations_of_mail_dmarc),
        cmocka_unit_test(alignments_of_mail_dmarc),
        cmocka_unit_test(lookups_of_mox),
        cmocka_unit_test(registries_are_no_organizations),
        cmocka_unit_test(the_list_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
