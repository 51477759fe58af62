/* DMARC records: a table of our own, and that of mox, whose RFC 7489 was stricter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "auth/dmarc_record.h"
#include "base/buf.h"

/* want: p sp np psd, then what is not the default; "unusable"; NULL: no DMARC record. */
static const struct {
    const char *name, *text, *want;
} rows[] = {
    {"least", "v=DMARC1", "none none none u"},
    {"p", "v=DMARC1; p=reject", "reject reject reject u"},
    {"sp stands in for np", "v=DMARC1;p=reject;sp=quarantine", "reject quarantine quarantine u"},
    {"all policies", "v=DMARC1;p=none;sp=quarantine;np=reject", "none quarantine reject u"},
    {"any order", "v=DMARC1; np=reject; sp=none; p=quarantine", "quarantine none reject u"},
    {"any case", "V=DMARC1; P=REJECT; Adkim=S; T=Y; PSD=N", "reject reject reject n t adkim"},
    {"blanks", " v = DMARC1 ; p = reject ; ", "reject reject reject u"},
    {"psd", "v=DMARC1; p=none; psd=y", "none none none y"},
    {"strict", "v=DMARC1; p=none; adkim=s; aspf=s", "none none none u adkim aspf"},
    {"reports", "v=DMARC1; p=none; rua=mailto:a@b.example; ruf=mailto:c@d.example; fo=1:d:s",
     "none none none u rua=mailto:a@b.example ruf=mailto:c@d.example fo=14"},
    {"two URIs, one with a size", "v=DMARC1; rua=mailto:a@b.example!10m , https://c.example/r",
     "none none none u rua=mailto:a@b.example,https://c.example/r"},
    {"bad URIs are passed over", "v=DMARC1; rua=bogus,,mailto:x,mailto:a@b.example!x,tel:1",
     "none none none u rua=tel:1"},
    {"unknown tags are passed over",
     "v=DMARC1; pct=20; ri=x; p=reject; x=", "reject reject reject u"},
    {"no tags are passed over", "v=DMARC1;; bogus; =; p=reject", "reject reject reject u"},
    {"bad flags are the default", "v=DMARC1; p=none; adkim=x; t=1; psd=1; fo=01",
     "none none none u"},
    {"0 and 1", "v=DMARC1; fo=0:1", "none none none u"},
    {"one reason twice", "v=DMARC1; fo=d:d", "none none none u"},
    {"bad p", "v=DMARC1; p=bad", "unusable"},
    {"empty p", "v=DMARC1; p=", "unusable"},
    {"p twice", "v=DMARC1; p=none; p=reject", "unusable"},
    {"bad sp", "v=DMARC1; p=reject; sp=bad", "unusable"},
    {"bad np", "v=DMARC1; p=reject; np=bad", "unusable"},
    {"bad p, but reports", "v=DMARC1; p=bad; sp=reject; rua=mailto:a@b.example",
     "none none none u rua=mailto:a@b.example"},
    {"bad p, bad reports", "v=DMARC1; p=bad; rua=mailto:a", "unusable"},
    {"another version", "v=DMARC2; p=reject", NULL},
    {"version in small letters", "v=dmarc1; p=reject", NULL},
    {"version not in front", "p=reject; v=DMARC1", NULL},
    {"no semicolon", "v=DMARC1 p=reject", NULL},
    {"SPF", "v=spf1 -all", NULL},
    {"nothing", "", NULL},
};

static void print(struct buf *out, const struct dmarc_record *record)
{
    struct bytes list = record->rua, uri;
    if (!record->is_usable) {
        buf_add(out, BYTES("unusable"));
        return;
    }
    buf_addf(out, "%s %s %s %c%s%s%s", dmarc_policy_name(record->p), dmarc_policy_name(record->sp),
             dmarc_policy_name(record->np), "uyn"[record->psd], record -> is_test ? " t" : "",
             record->is_strict_dkim ? " adkim" : "", record->is_strict_spf ? " aspf" : "");
    for (const char *start = " rua="; dmarc_uri_next(&list, &uri); start = ",")
        buf_addf(out, "%s%.*s", start, BYTES_ARGS(uri));
    list = record->ruf;
    for (const char *start = " ruf="; dmarc_uri_next(&list, &uri); start = ",")
        buf_addf(out, "%s%.*s", start, BYTES_ARGS(uri));
    if (record->reports != DMARC_REPORT_ALL)
        buf_addf(out, " fo=%u", record->reports);
}

static void records_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].text);
        uint8_t *exact = malloc(len ? len : 1);
        struct dmarc_record record;
        struct buf got;
        assert_non_null(exact);
        memcpy(exact, rows[i].text, len);
        buf_init(&got, 1000);
        bool is_record = dmarc_record_parse((struct bytes){exact, len}, &record);
        if (is_record)
            print(&got, &record);
        if (is_record != (rows[i].want != NULL) ||
            (is_record && !bytes_equal(buf_view(&got), bytes_of(rows[i].want))))
            fail_msg("%s: %d %.*s", rows[i].name, is_record, BYTES_ARGS(buf_view(&got)));
        buf_done(&got);
        free(exact);
    }
}

/* Records that mox refuses. RFC 9989 wants a version, and passes over what is broken elsewhere
 * (4.8); where it is a policy, the record is of no use without reports (4.10.1). */
static const struct {
    const char *text;
    enum { NO_RECORD, UNUSABLE, USABLE } want;
} refused_by_mox[] = {
    {"", NO_RECORD},
    {"v=", NO_RECORD},
    {"v=DMARC12", NO_RECORD},
    {"v=DMARC1", USABLE}, /* p is not required any more */
    {"v=dmarc1; p=none", NO_RECORD},
    {"v=DMARC1 p=none", NO_RECORD},
    {"v=DMARC1;", USABLE},
    {"v=DMARC1; sp=invalid", UNUSABLE},
    {"v=DMARC1; sp=reject; p=reject", USABLE}, /* nor need it be the second */
    {"v=DMARC1; p=none; p=none", UNUSABLE},
    {"v=DMARC1; p=none; p=reject", UNUSABLE},
    {"v=DMARC1;;", USABLE},
    {"v=DMARC1; adkim=x", USABLE},
    {"v=DMARC1; aspf=123", USABLE},
    {"v=DMARC1; ri=", USABLE}, /* ri, rf and pct are no tags any more */
    {"v=DMARC1; ri=-1", USABLE},
    {"v=DMARC1; ri=99999999999999999999999999999999999999", USABLE},
    {"v=DMARC1; ri=123bad", USABLE},
    {"v=DMARC1; ri=bad", USABLE},
    {"v=DMARC1; fo=", USABLE},
    {"v=DMARC1; fo=01", USABLE},
    {"v=DMARC1; fo=bad", USABLE},
    {"v=DMARC1; rf=bad-trailing-dash-", USABLE},
    {"v=DMARC1; rf=", USABLE},
    {"v=DMARC1; p=badvalue", UNUSABLE},
    {"v=DMARC1; sp=bad", UNUSABLE},
    {"v=DMARC1; pct=110", USABLE},
    {"v=DMARC1; pct=bogus", USABLE},
    {"v=DMARC1; pct=", USABLE},
    {"v=DMARC1; rua=", USABLE},
    {"v=DMARC1; rua=bogus", USABLE},
    {"v=DMARC1; rua=mailto:dmarc-feedback@example.com!", USABLE},
    {"v=DMARC1; rua=mailto:dmarc-feedback@example.com!10p", USABLE},
};

static json_t *read_vectors(void)
{
    json_error_t err;
    json_t *vectors = json_load_file(TEST_DATA "/dmarc/mox-record-facts.json", 0, &err);
    if (!vectors)
        fail_msg("mox-record-facts.json: %s", err.text);
    return vectors;
}

static void what_mox_refuses(void **state)
{
    json_t *vectors = read_vectors(), *text;
    size_t i;
    assert_int_equal(json_array_size(json_object_get(vectors, "invalid")), COUNT(refused_by_mox));
    json_array_foreach(json_object_get(vectors, "invalid"), i, text)
    {
        struct dmarc_record record;
        assert_string_equal(json_string_value(text), refused_by_mox[i].text);
        bool is_record = dmarc_record_parse(bytes_of(json_string_value(text)), &record);
        int got = !is_record ? NO_RECORD : record.is_usable ? USABLE : UNUSABLE;
        if (got != (int)refused_by_mox[i].want)
            fail_msg("%s: %d", refused_by_mox[i].text, got);
        if (is_record && record.rua.len)
            fail_msg("%s: reports", refused_by_mox[i].text);
    }
    json_decref(vectors);
}

static void check_uris(struct bytes list, const json_t *want, const char *text)
{
    struct bytes uri;
    size_t i;
    json_t *item;
    json_array_foreach(want, i, item)
    {
        struct bytes wanted = bytes_of(json_string_value(item)), size;
        bytes_cut(wanted, '!', &wanted, &size);
        if (!dmarc_uri_next(&list, &uri) || !bytes_equal(uri, wanted))
            fail_msg("%s: %s", text, json_string_value(item));
    }
    if (want && dmarc_uri_next(&list, &uri))
        fail_msg("%s: one more", text);
}

static void what_mox_takes(void **state)
{
    json_t *vectors = read_vectors(), *vector;
    size_t i;
    json_array_foreach(json_object_get(vectors, "valid"), i, vector)
    {
        const char *text = json_string_value(json_array_get(vector, 0));
        json_t *want = json_array_get(vector, 1);
        struct dmarc_record record;
        if (!dmarc_record_parse(bytes_of(text), &record) || !record.is_usable)
            fail_msg("%s", text);
        assert_string_equal(dmarc_policy_name(record.p),
                            json_string_value(json_object_get(want, "p")));
        check_uris(record.rua, json_object_get(want, "rua"), text);
        check_uris(record.ruf, json_object_get(want, "ruf"), text);
    }
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(what_mox_refuses),
        cmocka_unit_test(what_mox_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
