/* Signing: what is signed verifies, says what it should, and cannot be added to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "auth/dkim.h"
#include "auth/dkim_sign.h"
#include "letter.h"
#include "mail/base64.h"

enum { NOW_S = 1600000000 };

struct keys {
    EVP_PKEY *rsa, *ed25519;
    struct facts *facts; /* with their records */
};

static struct keys keys_new(void)
{
    struct keys keys = {EVP_RSA_gen(2048), ed25519_new(), facts_new()};
    uint8_t *der = NULL;
    struct buf record;
    buf_init(&record, 2000);
    buf_add(&record, BYTES("v=DKIM1; k=rsa; p="));
    int len = i2d_PUBKEY(keys.rsa, &der);
    base64_print(&record, (struct bytes){der, (size_t)len});
    facts_add_txt(keys.facts, BYTES("r1._domainkey.example.org"), buf_view(&record));
    facts_add_txt(keys.facts, BYTES("e1._domainkey.example.org"), BYTES(ED25519_RECORD));
    OPENSSL_free(der);
    buf_done(&record);
    return keys;
}

static void keys_free(struct keys *keys)
{
    EVP_PKEY_free(keys->rsa);
    EVP_PKEY_free(keys->ed25519);
    facts_free(keys->facts);
}

static const struct dkim_sign_key both[] = {{BYTES_INIT("r1"), KEY_RSA},
                                            {BYTES_INIT("e1"), KEY_ED25519}};

static struct dkim_sign_plan plan_of(void)
{
    return (struct dkim_sign_plan){
        .domain = BYTES("example.org"), .keys = both, .key_count = 2, .now_s = NOW_S};
}

/* The letter with its signatures in front; its body comes byte by byte. */
static void sign(struct buf *out, const struct dkim_sign_plan *plan, const struct letter *letter,
                 const struct keys *keys)
{
    struct body_hash *body = body_hash_new();
    struct dkim_sign *signing = dkim_sign_new(plan, letter->section, body);
    assert_non_null(signing);
    for (size_t i = 0; i < letter->body.len; i++)
        body_hash_add(body, bytes_sub(letter->body, i, 1));
    body_hash_end(body);
    for (size_t i = 0; i < plan->key_count; i++) {
        uint8_t digest[DIGEST_BYTES], signature[512];
        dkim_sign_digest(signing, i, digest);
        EVP_PKEY *pkey = plan->keys[i].algorithm == KEY_RSA ? keys->rsa : keys->ed25519;
        dkim_sign_add(signing, i, (struct bytes){signature, sign_digest(pkey, digest, signature)});
    }
    dkim_sign_print(signing, out);
    buf_add(out, buf_view(&letter->text));
    dkim_sign_free(signing);
    body_hash_free(body);
}

/* How many signatures of the text are good? */
static size_t count_good(struct bytes text, struct facts *facts, size_t *all)
{
    struct letter letter;
    struct dkim_report report;
    size_t good = 0;
    letter_init(&letter, text);
    struct body_hash *body = body_hash_new();
    struct dkim_verify *verify = dkim_verify_new(letter.section, body, NULL);
    body_hash_add(body, letter.body);
    body_hash_end(body);
    assert_int_equal(dkim_verify_finish(verify, facts, NOW_S, &report), DKIM_DONE);
    for (size_t i = 0; i < report.count; i++)
        good += report.checks[i].result == DKIM_PASS;
    *all = report.count;
    dkim_verify_free(verify);
    body_hash_free(body);
    letter_done(&letter);
    return good;
}

static const struct {
    const char *name, *text;
} letters[] = {
    {"plain", "From: ann@example.org\r\nTo: bob@example.net\r\nSubject: hi\r\n\r\nhello\r\n"},
    {"no body", "From: ann@example.org\r\n\r\n"},
    {"no blank line", "From: ann@example.org\r\n"},
    {"empty lines at the end", "From: ann@example.org\r\n\r\nhello\r\n\r\n\r\n"},
    {"no end of line", "From: ann@example.org\r\n\r\nhello"},
    {"blanks everywhere", "From :  ann@example.org \t\r\nSubject:\r\n\r\n \r\n\t a  b \r\n \r\n"},
    {"folded", "From: ann@example.org\r\nSubject: a\r\n b\r\n\t  c\r\n\r\nhello\r\n"},
    {"eight bits", "From: \xc3\xbc@example.org\r\nSubject: \xff\r\n\r\nh\xc3\xa9llo\r\n"},
    {"fields twice", "From: ann@example.org\r\nTo: a\r\nTo: b\r\nSubject: x\r\nSubject: y\r\n\r\n"},
    {"names in any case", "FROM: ann@example.org\r\nmessage-id: <a@b>\r\n\r\nhello\r\n"},
    {"a list", "List-Id: <l>\r\nFrom: ann@example.org\r\nList-Unsubscribe: <mailto:x>\r\n\r\n"},
    {"signed before", "DKIM-Signature: v=1; b=x\r\nFrom: ann@example.org\r\n\r\nhello\r\n"},
    {"a line that is no field", "From: ann@example.org\r\nnonsense\r\n\r\nhello\r\n"},
    {"no field at all", "\r\nhello\r\n"},
};

static void what_is_signed_verifies(void **state)
{
    struct keys keys = keys_new();
    for (size_t i = 0; i < COUNT(letters); i++) {
        struct letter letter;
        struct buf text;
        size_t all;
        struct dkim_sign_plan plan = plan_of();
        buf_init(&text, 1 << 20);
        letter_init(&letter, bytes_of(letters[i].text));
        sign(&text, &plan, &letter, &keys);
        size_t good = count_good(buf_view(&text), keys.facts, &all);
        if (good != 2 || all < 2)
            fail_msg("%s: %zu of %zu good", letters[i].name, good, all);
        for (struct bytes rest = buf_view(&text), line; rest.len && i == 0;) {
            bytes_cut(rest, '\n', &line, &rest);
            assert_true(line.len <= 79);
        }
        letter_done(&letter);
        buf_done(&text);
    }
    keys_free(&keys);
}

/* Nothing that a reader goes by can be added to a signed message. */
static void what_cannot_be_added(void **state)
{
    static const char *const added[] = {"From: eve@example.com",
                                        "Subject: x",
                                        "Date: x",
                                        "To: x",
                                        "Cc: x",
                                        "Reply-To: x",
                                        "Message-ID: <x@y>",
                                        "In-Reply-To: <x@y>",
                                        "References: <x@y>",
                                        "MIME-Version: 1.0",
                                        "Content-Type: text/html",
                                        "Content-Transfer-Encoding: base64",
                                        "Content-Disposition: attachment"};
    static const char *const harmless[] = {"Received: x", "List-Id: <x>", "Sender: x", "X-Y: z"};
    struct keys keys = keys_new();
    struct letter letter;
    struct buf text, other;
    struct dkim_sign_plan plan = plan_of();
    size_t all;
    buf_init(&text, 1 << 20);
    buf_init(&other, 1 << 20);
    letter_init(&letter, bytes_of(letters[0].text));
    sign(&text, &plan, &letter, &keys);
    for (size_t i = 0; i < COUNT(added); i++) {
        buf_clear(&other);
        buf_addf(&other, "%s\r\n%.*s", added[i], BYTES_ARGS(buf_view(&text)));
        if (count_good(buf_view(&other), keys.facts, &all) != 0)
            fail_msg("%s", added[i]);
    }
    for (size_t i = 0; i < COUNT(harmless); i++) {
        buf_clear(&other);
        buf_addf(&other, "%s\r\n%.*s", harmless[i], BYTES_ARGS(buf_view(&text)));
        if (count_good(buf_view(&other), keys.facts, &all) != 2)
            fail_msg("%s", harmless[i]);
    }
    letter_done(&letter);
    buf_done(&text);
    buf_done(&other);
    keys_free(&keys);
}

static void all_tags(void **state)
{
    struct keys keys = keys_new();
    struct letter letter;
    struct buf text;
    struct dkim_sign_plan plan = plan_of();
    static const char want[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                               "\td=example.org; s=e1;\r\n"
                               "\ti=@mail.example.org;\r\n"
                               "\tt=1600000000; x=1600086400;\r\n"
                               "\th=From:From:Reply-To:Subject:Date:Message-ID:";
    plan.keys = &both[1];
    plan.key_count = 1;
    plan.identity = BYTES("@mail.example.org");
    plan.lifetime_s = 86400;
    buf_init(&text, 1 << 20);
    letter_init(&letter, BYTES("From: ann@example.org\r\n\r\nhello\r\n"));
    sign(&text, &plan, &letter, &keys);
    if (!bytes_starts(buf_view(&text), bytes_of(want)))
        fail_msg("%.*s", BYTES_ARGS(buf_view(&text)));
    size_t all;
    assert_int_equal(count_good(buf_view(&text), keys.facts, &all), 1);
    letter_done(&letter);
    buf_done(&text);
    keys_free(&keys);
}

/* A key that did not sign has no field; a section beyond all measure is not signed. */
static void what_is_left_out(void **state)
{
    struct dkim_sign_plan plan = plan_of();
    struct body_hash *body = body_hash_new();
    struct dkim_sign *signing = dkim_sign_new(&plan, BYTES("From: a@example.org\r\n"), body);
    uint8_t digest[DIGEST_BYTES];
    struct buf out;
    buf_init(&out, 1 << 20);
    body_hash_end(body);
    dkim_sign_digest(signing, 1, digest);
    dkim_sign_add(signing, 1, BYTES("signature"));
    dkim_sign_print(signing, &out);
    assert_int_equal(header_count(buf_view(&out), BYTES("DKIM-Signature")), 1);
    assert_true(bytes_search(buf_view(&out), BYTES("s=e1")) < out.len);
    dkim_sign_free(signing);
    dkim_sign_free(NULL);
    body_hash_free(body);
    buf_clear(&out);
    for (size_t i = 0; i < 2049; i++)
        buf_add(&out, BYTES("a: b\r\n"));
    body = body_hash_new();
    assert_null(dkim_sign_new(&plan, buf_view(&out), body));
    body_hash_free(body);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_verifies),
        cmocka_unit_test(what_cannot_be_added),
        cmocka_unit_test(all_tags),
        cmocka_unit_test(what_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
