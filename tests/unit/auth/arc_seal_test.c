/* ARC sealing: the signing suite of the ARC test project by data, and that a chain which we seal
 * and seal again is found whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include <openssl/pem.h>

#include "auth/arc_seal.h"
#include "auth/dkim_key.h"
#include "auth/tag.h"
#include "letter.h"

static const char *text_of(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static EVP_PKEY *key_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(pkey);
    return pkey;
}

static struct arc_report validate(const struct letter *letter, struct facts *facts,
                                  char reason[200])
{
    struct arc_report report;
    struct body_hash *body = body_hash_new();
    struct arc_verify *verify = arc_verify_new(letter->section, body, NULL);
    body_hash_add(body, letter->body);
    body_hash_end(body);
    if (arc_verify_finish(verify, facts, 20000, &report) == ARC_NEEDS_FACTS) {
        facts_answer_open(facts, ANSWER_NXDOMAIN);
        assert_int_equal(arc_verify_finish(verify, facts, 20000, &report), ARC_DONE);
    }
    snprintf(reason, 200, "%.*s", BYTES_ARGS(report.reason));
    arc_verify_free(verify);
    body_hash_free(body);
    return report;
}

/* Appends the fields of a new set. */
static void seal_letter(struct buf *out, const struct arc_seal_plan *plan,
                        const struct letter *letter, EVP_PKEY *pkey)
{
    uint8_t digest[DIGEST_BYTES], signature[512];
    struct body_hash *body = body_hash_new();
    struct arc_seal *seal = arc_seal_new(plan, letter->section, body);
    assert_non_null(seal);
    body_hash_add(body, letter->body);
    body_hash_end(body);
    arc_seal_message_digest(seal, digest);
    size_t len = sign_digest(pkey, digest, signature);
    arc_seal_add_message(seal, (struct bytes){signature, len});
    arc_seal_chain_digest(seal, digest);
    len = sign_digest(pkey, digest, signature);
    arc_seal_add_chain(seal, (struct bytes){signature, len});
    arc_seal_print(seal, out);
    arc_seal_free(seal);
    body_hash_free(body);
}

/* The field of that name among the new ones: every tag as it is expected. b= of a seal is left out:
 * the suite's sealer signs a message signature that it folds afterwards, which a relaxed form
 * tells apart, and ours signs what goes out. */
static void check_field(const char *test, struct bytes fields, const char *name, const char *want)
{
    struct header_field field;
    struct tag tag;
    struct bytes list = bytes_of(want), value;
    while (header_next(&fields, &field) && !bytes_equal_nocase(field.name, bytes_of(name)))
        ;
    while (tag_next(&list, &tag) == TAG_FOUND) {
        char tag_name[8];
        struct buf dense, wanted;
        bool is_base64 = tag.name.at[0] == 'b';
        snprintf(tag_name, sizeof tag_name, "%.*s", BYTES_ARGS(tag.name));
        assert_true(tag_find(field.value, tag_name, &value));
        if (is_base64 && strcmp(name, "ARC-Seal") == 0)
            continue;
        buf_init(&dense, 4096);
        buf_init(&wanted, 4096);
        if (is_base64)
            assert_true(dkim_base64_scan(&dense, value) && dkim_base64_scan(&wanted, tag.value));
        if (is_base64 ? !bytes_equal(buf_view(&dense), buf_view(&wanted))
                      : !bytes_equal(value, tag.value))
            fail_msg("%s: %s: %s=%.*s", test, name, tag_name, BYTES_ARGS(value));
        buf_done(&dense);
        buf_done(&wanted);
    }
}

/* With the new set in front the chain is whole, or the sealer's word that it is not stands. */
static void check_sealed(const char *test, const struct arc_seal_plan *plan,
                         const struct letter *letter, struct buf *fields, struct facts *facts)
{
    struct letter sealed;
    char reason[200];
    buf_add(fields, buf_view(&letter->text));
    letter_init(&sealed, buf_view(fields));
    struct arc_report report = validate(&sealed, facts, reason);
    bool is_whole = plan->chain != ARC_FAIL;
    if (report.result != (is_whole ? ARC_PASS : ARC_FAIL) || report.is_closed == is_whole ||
        report.instances != plan->instance)
        fail_msg("%s: %u, %s", test, report.instances, reason);
    letter_done(&sealed);
}

/* What is merged into the ARC-Authentication-Results is taken from the case: that is not the
 * sealer's work. */
static void check_case(const json_t *suite, const json_t *test, struct facts *facts, EVP_PKEY *pkey)
{
    const char *name = text_of(test, "name");
    struct letter letter;
    char reason[200];
    letter_init(&letter, bytes_of(text_of(test, "message")));
    struct arc_report report = validate(&letter, facts, reason);
    if (report.is_closed) {
        assert_string_equal(text_of(test, "AS"), "");
        letter_done(&letter);
        return;
    }
    struct bytes instance, results;
    bytes_cut(bytes_of(text_of(test, "AAR")), ';', &instance, &results);
    struct buf crlf, fields;
    buf_init(&crlf, 4096);
    buf_init(&fields, 1 << 16);
    for (size_t i = 0; i < results.len; i++) {
        if (results.at[i] == '\n')
            buf_add(&crlf, i + 1 < results.len ? BYTES("\r\n ") : BYTES(""));
        else
            buf_add_byte(&crlf, results.at[i]);
    }
    struct arc_seal_plan plan = {
        .domain = bytes_of(text_of(suite, "domain")),
        .selector = bytes_of(text_of(suite, "sel")),
        .algorithm = KEY_RSA,
        .instance = report.instances + 1,
        .chain = report.result,
        .results = buf_view(&crlf),
        .names = bytes_of(text_of(test, "sig-headers")),
        .now_s = json_integer_value(json_object_get(test, "t")),
    };
    seal_letter(&fields, &plan, &letter, pkey);
    check_field(name, buf_view(&fields), "ARC-Message-Signature", text_of(test, "AMS"));
    check_field(name, buf_view(&fields), "ARC-Seal", text_of(test, "AS"));
    check_sealed(name, &plan, &letter, &fields, facts);
    buf_done(&crlf);
    buf_done(&fields);
    letter_done(&letter);
}

static void signing_suite(void **state)
{
    json_error_t error;
    json_t *all = json_load_file(TEST_DATA "/arc/arc-draft-sign-tests.json", 0, &error);
    json_t *suite, *test, *record;
    const char *name;
    size_t i, k, count = 0;
    if (!all)
        fail_msg("%s", error.text);
    json_array_foreach(json_object_get(all, "suites"), i, suite)
    {
        EVP_PKEY *pkey = key_of(text_of(suite, "privatekey"));
        json_array_foreach(json_object_get(suite, "tests"), k, test)
        {
            struct facts *facts = facts_new();
            json_object_foreach(json_object_get(suite, "txt-records"), name, record)
                facts_add_txt(facts, bytes_of(name), bytes_of(json_string_value(record)));
            check_case(suite, test, facts, pkey);
            facts_free(facts);
            count++;
        }
        EVP_PKEY_free(pkey);
    }
    assert_int_equal(count, 17);
    json_decref(all);
}

/* Sealed again and again, up to the limit: whole each time. */
static void chains_of_our_own(void **state)
{
    EVP_PKEY *pkey = ed25519_new();
    struct facts *facts = facts_new();
    struct buf text;
    char reason[200];
    facts_add_txt(facts, BYTES("sel._domainkey.example.org"), BYTES(ED25519_RECORD));
    buf_init(&text, 1 << 20);
    buf_add(&text, BYTES("From: ann@example.org\r\nSubject: hi\r\n\r\nhello\r\n"));
    for (unsigned instance = 1; instance <= ARC_SETS_MOST; instance++) {
        struct letter letter;
        struct buf next;
        struct arc_seal_plan plan = {
            .domain = BYTES("example.org"),
            .selector = BYTES("sel"),
            .algorithm = KEY_ED25519,
            .instance = instance,
            .chain = instance == 1 ? ARC_NONE : ARC_PASS,
            .results = BYTES("mx.example.org;\r\n\tspf=pass smtp.mailfrom=example.org"),
            .now_s = 10000 + instance};
        letter_init(&letter, buf_view(&text));
        buf_init(&next, 1 << 20);
        seal_letter(&next, &plan, &letter, pkey);
        buf_add(&next, buf_view(&text));
        letter_done(&letter);
        buf_done(&text);
        text = next;
        letter_init(&letter, buf_view(&text));
        struct arc_report report = validate(&letter, facts, reason);
        if (report.result != ARC_PASS || report.instances != instance)
            fail_msg("%u: %s", instance, reason);
        letter_done(&letter);
    }
    buf_done(&text);
    facts_free(facts);
    EVP_PKEY_free(pkey);
}

static void too_many_fields(void **state)
{
    struct arc_seal_plan plan = {.domain = BYTES("example.org"),
                                 .selector = BYTES("sel"),
                                 .instance = 1,
                                 .results = BYTES("x; none")};
    struct buf section;
    struct body_hash *body = body_hash_new();
    buf_init(&section, 1 << 20);
    for (size_t i = 0; i < 2049; i++)
        buf_add(&section, BYTES("a: b\r\n"));
    assert_null(arc_seal_new(&plan, buf_view(&section), body));
    arc_seal_free(NULL);
    body_hash_free(body);
    buf_done(&section);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signing_suite),
        cmocka_unit_test(chains_of_our_own),
        cmocka_unit_test(too_many_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
