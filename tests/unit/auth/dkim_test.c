/* DKIM verification: the corpora of others by data, and the rules that these do not touch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "auth/dkim.h"
#include "letter.h"
#include "mail/base64.h"

#define CORPUS TEST_DATA "/dkim/mail-dkim"

enum { NOW_S = 1600000000, PATH = 400 };

/* Verifies a letter by those facts, its body cut in two; the caller frees. */
static struct dkim_verify *verify_cut(const struct letter *letter, struct facts *facts, size_t cut,
                                      struct dkim_report *out)
{
    struct body_hash *body = body_hash_new();
    struct dkim_verify *verify = dkim_verify_new(letter->section, body, NULL);
    body_hash_add(body, bytes_sub(letter->body, 0, cut));
    body_hash_add(body, bytes_from(letter->body, cut));
    body_hash_end(body);
    if (dkim_verify_finish(verify, facts, NOW_S, out) == DKIM_NEEDS_FACTS) {
        facts_answer_open(facts, ANSWER_NXDOMAIN);
        assert_int_equal(dkim_verify_finish(verify, facts, NOW_S, out), DKIM_DONE);
    }
    body_hash_free(body);
    return verify;
}

/* FAKE_DNS.dat: a name, two blanks and its record, or what became of the query. */
static struct facts *read_dns(void)
{
    struct facts *facts = facts_new();
    struct buf text = file_read(CORPUS "/FAKE_DNS.dat");
    struct bytes rest = buf_view(&text), line, name, record;
    while (rest.len) {
        bytes_cut(rest, '\n', &line, &rest);
        if (bytes_starts(line, BYTES("#")) || !bytes_cut(line, ' ', &name, &record))
            continue;
        record = bytes_trim(record);
        struct answer answer = {.status = ANSWER_TIMEOUT};
        if (bytes_equal(record, BYTES("~~SERVFAIL~~")))
            answer.status = ANSWER_SERVFAIL;
        if (bytes_equal(record, BYTES("NXDOMAIN")))
            answer.status = ANSWER_NXDOMAIN;
        if (bytes_starts(record, BYTES("~~")) || answer.status == ANSWER_NXDOMAIN)
            facts_answer(facts, FACT_TXT, name, &answer);
        else
            facts_add_txt(facts, name, bytes_equal(record, BYTES("\"\"")) ? BYTES_NONE : record);
    }
    buf_done(&text);
    return facts;
}

static void check_file(const char *name, const json_t *want, struct facts *facts)
{
    char path[PATH];
    snprintf(path, sizeof path, CORPUS "/corpus/%s", name);
    struct buf text = file_read(path);
    struct letter letter;
    struct dkim_report report;
    letter_init(&letter, buf_view(&text));
    struct dkim_verify *verify = verify_cut(&letter, facts, letter.body.len / 2, &report);
    const json_t *signatures = json_object_get(want, "signatures");
    if (json_array_size(signatures) != report.count)
        fail_msg("%s: %zu signatures", name, report.count);
    for (size_t i = 0; i < report.count; i++) {
        char said[300];
        snprintf(said, sizeof said, "%s: %.*s", dkim_result_name(report.checks[i].result),
                 BYTES_ARGS(report.checks[i].reason));
        if (strcmp(said, json_string_value(json_array_get(signatures, i))) != 0)
            fail_msg("%s, signature %zu: %s", name, i, said);
    }
    dkim_verify_free(verify);
    letter_done(&letter);
    buf_done(&text);
}

/* Where we agree with Mail::DKIM nothing is to be explained; else ours.json says why. */
static void check_agreement(const char *name, const json_t *theirs, const json_t *ours)
{
    const char *result = json_string_value(json_object_get(theirs, "result"));
    const char *why = json_string_value(json_object_get(ours, "differs"));
    const char *best = "none";
    const json_t *said;
    size_t i;
    json_array_foreach(json_object_get(ours, "signatures"), i, said)
    {
        const char *text = json_string_value(said);
        if (strncmp(text, "pass", 4) == 0)
            best = "pass";
        else if (strcmp(best, "pass") != 0)
            best = strncmp(text, "fail", 4) == 0 ? "fail" : "invalid";
    }
    if ((strcmp(best, result) == 0) != (why == NULL))
        fail_msg("%s: they say %s, we say %s; %s", name, result, best, why ? why : "why?");
}

static void mail_dkim_corpus(void **state)
{
    json_error_t error;
    json_t *theirs = json_load_file(CORPUS "/expected.json", 0, &error);
    json_t *ours = json_load_file(CORPUS "/ours.json", 0, &error);
    json_t *row;
    const char *name;
    if (!theirs)
        fail_msg("%s", error.text);
    struct facts *facts = read_dns();
    size_t count = 0;
    json_object_foreach(json_object_get(theirs, "cases"), name, row)
    {
        const json_t *want = json_object_get(ours, name);
        check_file(name, want, facts);
        check_agreement(name, row, want);
        count++;
    }
    assert_int_equal(count, 79);
    facts_free(facts);
    json_decref(theirs);
    json_decref(ours);
}

#define RSA_1024                                                                                   \
    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY"  \
    "/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLz"  \
    "BfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

/* Messages of dkimpy's tests, and what we say of their signatures. */
static const struct {
    const char *file;
    size_t count;
    const char *results[2];
    const char *selector, *record; /* of the first; the second is test, RSA_1024 */
} dkimpy_rows[] = {
    {"rfc6376.signed.msg",
     2,
     {"pass", "pass"},
     "brisbane._domainkey.football.example.com",
     ED25519_RECORD},
    {"rfc6376.msg", 0, {NULL, NULL}, "brisbane._domainkey.football.example.com", ED25519_RECORD},
    {"ed25519test2.msg",
     1,
     {"pass", NULL},
     "sed._domainkey.test.ex",
     "v=DKIM1; k=ed25519; p=sPs07Vu29FpHT/80UXUcYHFOHifD4o2ZlP2+XUh9g6E="},
    {"ed25519test2.msg", 1, {"fail", NULL}, "sed._domainkey.test.ex", ED25519_RECORD},
    {"ed25519test2.msg", 1, {"permerror", NULL}, "sed._domainkey.test.ex", "v=DKIM1; " RSA_1024},
    {"test2.message", 1, {"permerror", NULL}, "x.example", ""},
    {"message.mbox",
     1,
     {"permerror", NULL},
     "2007-00._domainkey.kitterman.com",
     "v=DKIM1: g=*; k=rsa; " RSA_1024},
    {"test.message", 0, {NULL, NULL}, "x.example", ""},
    {"test_nofrom.message", 0, {NULL, NULL}, "x.example", ""},
};

static void dkimpy_messages(void **state)
{
    for (size_t i = 0; i < COUNT(dkimpy_rows); i++) {
        char path[PATH];
        snprintf(path, sizeof path, TEST_DATA "/dkim/dkimpy/%s", dkimpy_rows[i].file);
        struct buf text = file_read(path);
        struct letter letter;
        struct dkim_report report;
        struct facts *facts = facts_new();
        facts_add_txt(facts, bytes_of(dkimpy_rows[i].selector), bytes_of(dkimpy_rows[i].record));
        facts_add_txt(facts, BYTES("test._domainkey.football.example.com"), BYTES(RSA_1024));
        letter_init(&letter, buf_view(&text));
        struct dkim_verify *verify = verify_cut(&letter, facts, 0, &report);
        if (report.count != dkimpy_rows[i].count)
            fail_msg("%s: %zu signatures", dkimpy_rows[i].file, report.count);
        for (size_t k = 0; k < report.count; k++)
            if (strcmp(dkim_result_name(report.checks[k].result), dkimpy_rows[i].results[k]) != 0)
                fail_msg("%s, row %zu, signature %zu: %s, %.*s", dkimpy_rows[i].file, i, k,
                         dkim_result_name(report.checks[k].result),
                         BYTES_ARGS(report.checks[k].reason));
        dkim_verify_free(verify);
        facts_free(facts);
        letter_done(&letter);
        buf_done(&text);
    }
}

/* RFC 8463, A.3. */
static void rfc8463_example(void **state)
{
    static const char text[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
                               " d=football.example.com; i=@football.example.com;\n"
                               " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
                               " subject : date : message-id : from : subject : date;\n"
                               " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                               " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
                               " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n"
                               "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
                               " d=football.example.com; i=@football.example.com;\n"
                               " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
                               " date : message-id : from : subject : date;\n"
                               " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                               " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
                               " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
                               " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\n"
                               "From: Joe SixPack <joe@football.example.com>\n"
                               "To: Suzie Q <suzie@shopping.example.net>\n"
                               "Subject: Is dinner ready?\n"
                               "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
                               "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
                               "\n"
                               "Hi.\n\nWe lost the game.  Are you hungry yet?\n\nJoe.\n";
    struct letter letter;
    letter_init(&letter, bytes_of(text));
    for (size_t cut = 0; cut <= letter.body.len; cut++) {
        struct dkim_report report;
        struct facts *facts = facts_new();
        facts_add_txt(facts, BYTES("brisbane._domainkey.football.example.com"),
                      BYTES(ED25519_RECORD));
        facts_add_txt(facts, BYTES("test._domainkey.football.example.com"), BYTES(RSA_1024));
        struct dkim_verify *verify = verify_cut(&letter, facts, cut, &report);
        assert_int_equal(report.count, 2);
        assert_int_equal(report.checks[0].result, DKIM_PASS);
        assert_int_equal(report.checks[0].key_bits, 256);
        assert_int_equal(report.checks[1].result, DKIM_PASS);
        assert_int_equal(report.checks[1].key_bits, 1024);
        assert_true(bytes_equal(report.checks[1].identity, BYTES("@football.example.com")));
        assert_true(bytes_equal(report.checks[1].start, BYTES("F45dVWDf")));
        dkim_verify_free(verify);
        facts_free(facts);
    }
    letter_done(&letter);
}

#define ED "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=sel; h=from:subject"
#define MESSAGE "From: ann@example.org\r\nSubject: hi\r\n\r\none\r\ntwo\r\n"

static const struct {
    const char *name, *tags;
    const char *record; /* NULL: ED25519_RECORD */
    const char *result, *reason;
} rules[] = {
    {"plain", ED, NULL, "pass", ""},
    {"header section simple", "v=1; a=ed25519-sha256; c=simple; d=example.org; s=sel; h=from", NULL,
     "pass", ""},
    {"oversigned", ED ":from:subject:to:cc", NULL, "pass", ""},
    {"expired", ED "; t=1; x=1599999999", NULL, "permerror", "the signature has expired"},
    {"about to expire", ED "; t=1; x=1600000000", NULL, "pass", ""},
    {"a clock that is ahead", ED "; t=1600036000", NULL, "pass", ""},
    {"from the future", ED "; t=1600036001", NULL, "permerror", "the signature is from the future"},
    {"i= below d=", ED "; i=@sub.example.org", NULL, "pass", ""},
    {"i= below d=, t=s", ED "; i=@sub.example.org", ED25519_RECORD "; t=s", "permerror",
     "the key's t=s allows no subdomain in i="},
    {"i= is d=, t=s", ED "; i=ann@EXAMPLE.org", ED25519_RECORD "; t=s", "pass", ""},
    {"h= of the key", ED, ED25519_RECORD "; h=sha1", "permerror",
     "the key's h= does not allow sha256"},
    {"for testing", ED, ED25519_RECORD "; t=y", "pass", "the key is for testing (t=y)"},
    {"revoked", ED, "v=DKIM1; k=ed25519; p=", "permerror", "the key is revoked"},
    {"not for mail", ED, ED25519_RECORD "; s=chat", "permerror",
     "the key record's s= is not for mail"},
    {"a key of another kind", ED, RSA_1024, "permerror", "the key is of another kind than a= says"},
    {"l= within", ED "; l=5", NULL, "pass", "unsafe: l= covers 5 of 10 bytes of the body"},
    {"l= of all", ED "; l=10", NULL, "pass", "unsafe: l= covers 10 of 10 bytes of the body"},
    {"l= of nothing, for testing", ED "; l=0", ED25519_RECORD "; t=y", "pass",
     "unsafe: l= covers 0 of 10 bytes of the body; the key is for testing (t=y)"},
    {"l= beyond", ED "; l=11", NULL, "fail", "the body is shorter than l= says"},
    {"an internationalised domain",
     "v=1; a=ed25519-sha256; d=b\xc3\xbc"
     "cher.example; s=sel; h=from",
     NULL, "pass", ""},
    {"i= in A-labels, d= in U-labels",
     "v=1; a=ed25519-sha256; d=b\xc3\xbc"
     "cher.example; s=sel; h=from; i=@xn--bcher-kva.example",
     ED25519_RECORD "; t=s", "pass", ""},
};

/* A letter with that field before it. */
static void sign_letter(struct letter *letter, const char *tags, EVP_PKEY *pkey)
{
    struct letter plain;
    struct buf text;
    buf_init(&text, 1 << 20);
    letter_init(&plain, BYTES(MESSAGE));
    sign_loosely(&text, tags, &plain, pkey);
    buf_add(&text, buf_view(&plain.text));
    letter_init(letter, buf_view(&text));
    letter_done(&plain);
    buf_done(&text);
}

static void rule_table(void **state)
{
    EVP_PKEY *pkey = ed25519_new();
    for (size_t i = 0; i < COUNT(rules); i++) {
        struct letter letter;
        struct dkim_report report;
        struct facts *facts = facts_new();
        struct bytes record = bytes_of(rules[i].record ? rules[i].record : ED25519_RECORD);
        facts_add_txt(facts, BYTES("sel._domainkey.example.org"), record);
        facts_add_txt(facts, BYTES("sel._domainkey.xn--bcher-kva.example"), record);
        sign_letter(&letter, rules[i].tags, pkey);
        struct dkim_verify *verify = verify_cut(&letter, facts, 3, &report);
        assert_int_equal(report.count, 1);
        const struct dkim_check *check = &report.checks[0];
        if (strcmp(dkim_result_name(check->result), rules[i].result) != 0 ||
            !bytes_equal(check->reason, bytes_of(rules[i].reason)))
            fail_msg("%s: %s, %.*s", rules[i].name, dkim_result_name(check->result),
                     BYTES_ARGS(check->reason));
        assert_int_equal(report.result, check->result);
        assert_int_equal(check->is_partial, strstr(rules[i].name, "l= within") ||
                                                strstr(rules[i].name, "l= of nothing"));
        dkim_verify_free(verify);
        facts_free(facts);
        letter_done(&letter);
    }
    EVP_PKEY_free(pkey);
}

static void answers_of_the_dns(void **state)
{
    static const struct {
        enum answer_status status;
        enum dkim_result result;
    } rows[] = {
        {ANSWER_NODATA, DKIM_PERMERROR},
        {ANSWER_NXDOMAIN, DKIM_PERMERROR},
        {ANSWER_SERVFAIL, DKIM_TEMPERROR},
        {ANSWER_TIMEOUT, DKIM_TEMPERROR},
    };
    EVP_PKEY *pkey = ed25519_new();
    struct letter letter;
    sign_letter(&letter, ED, pkey);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct body_hash *body = body_hash_new();
        struct dkim_verify *verify = dkim_verify_new(letter.section, body, NULL);
        struct facts *facts = facts_new();
        struct dkim_report report;
        body_hash_add(body, letter.body);
        body_hash_end(body);
        assert_int_equal(dkim_verify_finish(verify, facts, NOW_S, &report), DKIM_NEEDS_FACTS);
        assert_int_equal(dkim_verify_finish(verify, facts, NOW_S, &report), DKIM_NEEDS_FACTS);
        facts_answer_open(facts, rows[i].status);
        assert_int_equal(dkim_verify_finish(verify, facts, NOW_S, &report), DKIM_DONE);
        assert_int_equal(report.checks[0].result, rows[i].result);
        assert_int_equal(report.result, rows[i].result);
        facts_free(facts);
        dkim_verify_free(verify);
        body_hash_free(body);
    }
    letter_done(&letter);
    EVP_PKEY_free(pkey);
}

/* The record that fits counts, wherever it is among others, up to a bound. */
static void several_records(void **state)
{
    EVP_PKEY *pkey = ed25519_new();
    struct letter letter;
    sign_letter(&letter, ED, pkey);
    for (size_t good = 0; good < 6; good++) {
        struct answer_record records[6];
        struct answer answer = {.status = ANSWER_FOUND, .records = records, .count = 6};
        struct facts *facts = facts_new();
        struct dkim_report report;
        for (size_t i = 0; i < 6; i++)
            records[i] = (struct answer_record){.data = i == good ? BYTES(ED25519_RECORD)
                                                                  : BYTES("v=spf1 -all")};
        facts_answer(facts, FACT_TXT, BYTES("sel._domainkey.example.org"), &answer);
        struct dkim_verify *verify = verify_cut(&letter, facts, 0, &report);
        assert_int_equal(report.result, good < DKIM_RECORDS_MOST ? DKIM_PASS : DKIM_PERMERROR);
        dkim_verify_free(verify);
        facts_free(facts);
    }
    letter_done(&letter);
    EVP_PKEY_free(pkey);
}

static void short_keys(void **state)
{
    EVP_PKEY *pkey = EVP_RSA_gen(1024);
    struct letter letter;
    uint8_t *der = NULL;
    struct buf record;
    buf_init(&record, 1000);
    buf_add(&record, BYTES("p="));
    int len = i2d_PUBKEY(pkey, &der);
    base64_print(&record, (struct bytes){der, (size_t)len});
    sign_letter(&letter, "v=1; a=rsa-sha256; d=example.org; s=sel; h=from", pkey);
    for (unsigned bits = 1024; bits <= 1025; bits++) {
        struct dkim_limits limits = {.key_bits = bits};
        struct body_hash *body = body_hash_new();
        struct dkim_verify *verify = dkim_verify_new(letter.section, body, &limits);
        struct facts *facts = facts_new();
        struct dkim_report report;
        facts_add_txt(facts, BYTES("sel._domainkey.example.org"), buf_view(&record));
        body_hash_add(body, letter.body);
        body_hash_end(body);
        assert_int_equal(dkim_verify_finish(verify, facts, NOW_S, &report), DKIM_DONE);
        assert_int_equal(report.result, bits == 1024 ? DKIM_PASS : DKIM_POLICY);
        assert_int_equal(report.checks[0].key_bits, 1024);
        facts_free(facts);
        dkim_verify_free(verify);
        body_hash_free(body);
    }
    letter_done(&letter);
    buf_done(&record);
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
}

/* What a signature covers cannot be changed; what it does not cover can. */
static void changes(void **state)
{
    static const struct {
        const char *name, *from, *to;
        bool stays_good;
    } rows[] = {
        {"a covered field", "hi", "ho", false},
        {"its blanks", "Subject: hi", "SUBJECT :  hi ", true},
        {"another field", "From:", "To: x\r\nFrom:", true},
        {"a second From", "Subject:", "From: eve@example.com\r\nSubject:", false},
        {"a From above the one that is covered", "From:", "From: eve@example.com\r\nFrom:", false},
        {"the body", "two", "too", false},
        {"its blanks", "two", "two  \t", true},
        {"lines at its end", "two\r\n", "two\r\n\r\n\r\n", true},
        {"a tag of the signature", "s=sel;", "s=sel; z=x;", false},
        {"blanks in b=", "; b=", "; b=\r\n ", true},
    };
    EVP_PKEY *pkey = ed25519_new();
    struct letter letter;
    sign_letter(&letter, ED, pkey);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct letter changed;
        struct buf text;
        struct dkim_report report;
        struct facts *facts = facts_new();
        struct bytes whole = buf_view(&letter.text), from = bytes_of(rows[i].from);
        size_t at = bytes_search(whole, from);
        assert_true(at < whole.len);
        buf_init(&text, 1 << 20);
        buf_add(&text, bytes_sub(whole, 0, at));
        buf_add(&text, bytes_of(rows[i].to));
        buf_add(&text, bytes_from(whole, at + from.len));
        letter_init(&changed, buf_view(&text));
        facts_add_txt(facts, BYTES("sel._domainkey.example.org"), BYTES(ED25519_RECORD));
        struct dkim_verify *verify = verify_cut(&changed, facts, 0, &report);
        if ((report.result == DKIM_PASS) != rows[i].stays_good)
            fail_msg("%s: %s", rows[i].name, dkim_result_name(report.result));
        dkim_verify_free(verify);
        facts_free(facts);
        letter_done(&changed);
        buf_done(&text);
    }
    letter_done(&letter);
    EVP_PKEY_free(pkey);
}

/* The topmost signatures are looked at, the others counted as not. */
static void many_signatures(void **state)
{
    struct buf text;
    struct dkim_report report;
    struct letter letter;
    struct facts *facts = facts_new();
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i <= DKIM_SIGNATURES_MOST; i++)
        buf_add(&text, BYTES("DKIM-Signature: v=1\r\n"));
    buf_add(&text, BYTES(MESSAGE));
    letter_init(&letter, buf_view(&text));
    struct dkim_verify *verify = verify_cut(&letter, facts, 0, &report);
    assert_true(report.count == DKIM_SIGNATURES_MOST && report.is_cut);
    assert_int_equal(report.result, DKIM_PERMERROR);
    dkim_verify_free(verify);
    letter_done(&letter);
    buf_clear(&text);
    buf_add(&text, BYTES("DKIM-Signature: v=1\r\n"));
    for (size_t i = 0; i < 2048; i++)
        buf_add(&text, BYTES("a: b\r\n"));
    buf_add(&text, BYTES(MESSAGE));
    letter_init(&letter, buf_view(&text));
    verify = verify_cut(&letter, facts, 0, &report);
    assert_true(report.count == 1 && !report.is_cut);
    assert_true(
        bytes_equal(report.checks[0].reason, BYTES("the header section has too many fields")));
    dkim_verify_free(verify);
    letter_done(&letter);
    buf_done(&text);
    facts_free(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_dkim_corpus),   cmocka_unit_test(dkimpy_messages),
        cmocka_unit_test(rfc8463_example),    cmocka_unit_test(rule_table),
        cmocka_unit_test(answers_of_the_dns), cmocka_unit_test(several_records),
        cmocka_unit_test(short_keys),         cmocka_unit_test(changes),
        cmocka_unit_test(many_signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
