/* Signing: whatever the message, what is signed verifies, by a real key. Left out are texts that do
 * not begin with a field: nobody signs these before a header section is in front of them. */
#include <openssl/evp.h>

#include "auth/dkim.h"
#include "auth/dkim_sign.h"
#include "auth/header_hash.h"
#include "facts/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sign_digest(const uint8_t *digest, uint8_t *out, size_t len)
{
    static const uint8_t seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60,
                                     0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
                                     0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19,
                                     0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
           EVP_DigestSign(context, out, &len, digest, DIGEST_BYTES) == 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    return len;
}

static bool sign(struct bytes section, struct bytes text, struct buf *out)
{
    static const struct dkim_sign_key keys[] = {{BYTES_INIT("sel"), KEY_ED25519}};
    static const struct dkim_sign_plan plan = {
        .domain = BYTES_INIT("example.org"), .keys = keys, .key_count = 1, .now_s = 1000};
    struct body_hash *body = body_hash_new();
    struct dkim_sign *signing = dkim_sign_new(&plan, section, body);
    uint8_t digest[DIGEST_BYTES], signature[64];
    bool is_signed = signing != NULL;
    for (; text.len; text = bytes_from(text, 5))
        body_hash_add(body, bytes_sub(text, 0, 5));
    body_hash_end(body);
    if (is_signed) {
        dkim_sign_digest(signing, 0, digest);
        size_t len = sign_digest(digest, signature, sizeof signature);
        dkim_sign_add(signing, 0, (struct bytes){signature, len});
        dkim_sign_print(signing, out);
    }
    dkim_sign_free(signing);
    body_hash_free(body);
    return is_signed;
}

static void verify(struct bytes section, struct bytes text)
{
    struct answer_record records[] = {
        {.data = BYTES("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")}};
    struct answer answer = {.status = ANSWER_FOUND, .records = records, .count = 1};
    struct facts *facts = facts_new();
    struct body_hash *body = body_hash_new();
    struct dkim_limits limits = {.signatures = 1};
    struct dkim_report report;
    facts_answer(facts, FACT_TXT, BYTES("sel._domainkey.example.org"), &answer);
    struct dkim_verify *verification = dkim_verify_new(section, body, &limits);
    body_hash_add(body, text);
    body_hash_end(body);
    ASSERT(dkim_verify_finish(verification, facts, 1000, &report) == DKIM_DONE);
    ASSERT(report.count == 1 && report.result == DKIM_PASS);
    dkim_verify_free(verification);
    body_hash_free(body);
    facts_free(facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes whole = {data, size}, rest = whole;
    struct header_field first;
    size_t length = size;
    if (header_next(&rest, &first) && first.is_odd)
        return 0;
    /* With one field more the verifier would have too many. */
    size_t count = 1;
    while (header_next(&rest, &first))
        count++;
    if (count >= FIELD_INDEX_LIMIT)
        return 0;
    if (!header_end(whole, &length))
        length = size;
    struct buf signed_section;
    buf_init(&signed_section, size + 65536);
    if (sign(bytes_sub(whole, 0, length), bytes_from(whole, length + 2), &signed_section)) {
        buf_add(&signed_section, bytes_sub(whole, 0, length));
        verify(buf_view(&signed_section), bytes_from(whole, length + 2));
    }
    buf_done(&signed_section);
    return 0;
}
