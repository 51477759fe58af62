/* DKIM on one core: messages a second of processor time, verified and signed, header and body
 * hashed, with keys of each kind; the keys are there at once. Prints one figure a line. */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/dkim.h"
#include "auth/dkim_sign.h"
#include "facts/facts.h"
#include "mail/base64.h"

enum { ROUNDS = 500, HEADER = 1000, NOW_S = 1600000000 };

struct keys {
    EVP_PKEY *rsa, *ed25519;
    struct buf rsa_record, ed25519_record;
};

static const struct dkim_sign_key both[] = {{BYTES_INIT("r"), KEY_RSA},
                                            {BYTES_INIT("e"), KEY_ED25519}};
static const struct {
    const char *name;
    const struct dkim_sign_key *keys;
    size_t key_count, body_bytes;
} rows[] = {
    {"RSA-2048, 4 KiB", both, 1, 4096},    {"Ed25519, 4 KiB", both + 1, 1, 4096},
    {"both, 4 KiB", both, 2, 4096},        {"RSA-2048, 64 KiB", both, 1, 65536},
    {"RSA-2048, 1 MiB", both, 1, 1048576},
};

static void make_keys(struct keys *keys)
{
    uint8_t *der = NULL, raw[32];
    size_t len = sizeof raw;
    keys->rsa = EVP_RSA_gen(2048);
    keys->ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    buf_init(&keys->rsa_record, 1000);
    buf_init(&keys->ed25519_record, 1000);
    buf_add(&keys->rsa_record, BYTES("k=rsa; p="));
    int der_len = i2d_PUBKEY(keys->rsa, &der);
    base64_print(&keys->rsa_record, (struct bytes){der, (size_t)der_len});
    OPENSSL_free(der);
    buf_add(&keys->ed25519_record, BYTES("k=ed25519; p="));
    ASSERT(EVP_PKEY_get_raw_public_key(keys->ed25519, raw, &len) == 1);
    base64_print(&keys->ed25519_record, (struct bytes){raw, len});
}

static size_t sign_digest(EVP_PKEY *pkey, const uint8_t *digest, uint8_t *out, size_t len)
{
    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        ASSERT(EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
               EVP_DigestSign(context, out, &len, digest, DIGEST_BYTES) == 1);
        EVP_MD_CTX_free(context);
        return len;
    }
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    ASSERT(EVP_PKEY_sign_init(context) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
           EVP_PKEY_sign(context, out, &len, digest, DIGEST_BYTES) == 1);
    EVP_PKEY_CTX_free(context);
    return len;
}

static void sign(struct buf *fields, size_t row, struct bytes section, struct bytes text,
                 const struct keys *keys)
{
    struct body_hash *body = body_hash_new();
    struct dkim_sign_plan plan = {.domain = BYTES("example.org"),
                                  .keys = rows[row].keys,
                                  .key_count = rows[row].key_count,
                                  .now_s = NOW_S};
    struct dkim_sign *signing = dkim_sign_new(&plan, section, body);
    body_hash_add(body, text);
    body_hash_end(body);
    for (size_t i = 0; i < plan.key_count; i++) {
        uint8_t digest[DIGEST_BYTES], signature[512];
        dkim_sign_digest(signing, i, digest);
        size_t len = sign_digest(plan.keys[i].algorithm == KEY_RSA ? keys->rsa : keys->ed25519,
                                 digest, signature, sizeof signature);
        dkim_sign_add(signing, i, (struct bytes){signature, len});
    }
    buf_clear(fields);
    dkim_sign_print(signing, fields);
    dkim_sign_free(signing);
    body_hash_free(body);
}

static void answer(struct facts *facts, const char *name, const struct buf *record)
{
    struct answer_record records[] = {{.data = buf_view(record)}};
    struct answer found = {.status = ANSWER_FOUND, .records = records, .count = 1};
    facts_answer(facts, FACT_TXT, bytes_of(name), &found);
}

static void verify(struct bytes section, struct bytes text, const struct keys *keys)
{
    struct dkim_report report;
    struct body_hash *body = body_hash_new();
    struct facts *facts = facts_new();
    struct dkim_verify *verification = dkim_verify_new(section, body, NULL);
    body_hash_add(body, text);
    body_hash_end(body);
    answer(facts, "r._domainkey.example.org", &keys->rsa_record);
    answer(facts, "e._domainkey.example.org", &keys->ed25519_record);
    ASSERT(dkim_verify_finish(verification, facts, NOW_S, &report) == DKIM_DONE);
    ASSERT(report.result == DKIM_PASS);
    dkim_verify_free(verification);
    facts_free(facts);
    body_hash_free(body);
}

/* Of the processor, which other programs do not disturb. */
static double seconds_used(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double rate(double begin)
{
    return ROUNDS / (seconds_used() - begin + 1e-9);
}

static void measure(size_t row, const struct keys *keys)
{
    static const char line[] =
        "a line of a letter, of  no great   length, and then the next one\r\n";
    struct buf section, text, fields, all;
    buf_init(&section, 1 << 16);
    buf_init(&text, 2 << 20);
    buf_init(&fields, 1 << 16);
    buf_init(&all, 1 << 17);
    buf_add(&section,
            BYTES("From: ann@example.org\r\nTo: bob@example.net\r\nSubject: hello\r\n"
                  "Date: Tue, 24 Nov 2026 03:07:04 +0000\r\nMessage-ID: <1@a.example>\r\n"));
    while (section.len < HEADER)
        buf_add(&section, BYTES("Received: from a.example by b.example with ESMTP\r\n"));
    while (text.len < rows[row].body_bytes)
        buf_add(&text, bytes_of(line));
    double begin = seconds_used();
    for (size_t i = 0; i < ROUNDS; i++)
        sign(&fields, row, buf_view(&section), buf_view(&text), keys);
    double signed_rate = rate(begin);
    buf_add(&all, buf_view(&fields));
    buf_add(&all, buf_view(&section));
    begin = seconds_used();
    for (size_t i = 0; i < ROUNDS; i++)
        verify(buf_view(&all), buf_view(&text), keys);
    printf("%-20s %8.0f signed a second, %8.0f verified\n", rows[row].name, signed_rate,
           rate(begin));
    buf_done(&section);
    buf_done(&text);
    buf_done(&fields);
    buf_done(&all);
}

int main(void)
{
    struct keys keys;
    make_keys(&keys);
    for (size_t i = 0; i < COUNT(rows); i++)
        measure(i, &keys);
    EVP_PKEY_free(keys.rsa);
    EVP_PKEY_free(keys.ed25519);
    buf_done(&keys.rsa_record);
    buf_done(&keys.ed25519_record);
    return 0;
}
