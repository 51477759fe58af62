/* DKIM on one core, by Postrider's library: messages a second of processor time.
 *
 *     dkim_bench sign | verify MESSAGE COUNT KEY.pem...
 *         prints the rate: header and body hashed each time, the keys' records there at once, and
 * the keys kept from message to message as a server keeps them dkim_bench write MESSAGE KEY.pem...
 *         prints the message with a signature by each key
 *
 * MESSAGE has CRLF. Signs for client.example; the selector is "r" for RSA, "e" for Ed25519. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/dkim.h"
#include "auth/dkim_sign.h"
#include "auth/key_cache.h"
#include "facts/facts.h"
#include "mail/base64.h"

enum { NOW_S = 1764000000, MESSAGE_LIMIT = 64 << 20, SIGNATURE_MOST = 1024 };

struct bench {
    struct buf message;
    struct bytes section, text;
    EVP_PKEY *pkeys[DKIM_SIGN_KEYS_MOST];
    struct dkim_sign_key keys[DKIM_SIGN_KEYS_MOST];
    struct buf records[DKIM_SIGN_KEYS_MOST];
    size_t key_count;
    struct key_cache *cache;
};

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        perror(path), exit(1);
    return file;
}

static void read_message(struct bench *bench, const char *path)
{
    size_t length;
    FILE *file = open_file(path);
    buf_init(&bench->message, MESSAGE_LIMIT);
    for (int byte; (byte = fgetc(file)) != EOF;)
        buf_add_byte(&bench->message, (uint8_t)byte);
    fclose(file);
    struct bytes whole = buf_view(&bench->message);
    if (!header_end(whole, &length))
        fprintf(stderr, "%s: no header section with CRLF\n", path), exit(1);
    bench->section = bytes_sub(whole, 0, length);
    bench->text = bytes_from(whole, length + 2);
}

static void print_record(struct buf *out, EVP_PKEY *pkey, bool is_rsa)
{
    uint8_t *der = NULL, raw[32];
    size_t len = sizeof raw;
    buf_init(out, 2000);
    if (is_rsa) {
        len = (size_t)i2d_PUBKEY(pkey, &der);
        buf_add(out, BYTES("k=rsa; p="));
        base64_print(out, (struct bytes){der, len});
        OPENSSL_free(der);
        return;
    }
    ASSERT(EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1);
    buf_add(out, BYTES("k=ed25519; p="));
    base64_print(out, (struct bytes){raw, len});
}

static void read_key(struct bench *bench, const char *path)
{
    size_t i = bench->key_count++;
    FILE *file = open_file(path);
    EVP_PKEY *pkey = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    if (!pkey || i >= DKIM_SIGN_KEYS_MOST)
        fprintf(stderr, "%s: no key, or one too many\n", path), exit(1);
    bool is_rsa = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA;
    bench->pkeys[i] = pkey;
    bench->keys[i] = is_rsa ? (struct dkim_sign_key){BYTES("r"), KEY_RSA}
                            : (struct dkim_sign_key){BYTES("e"), KEY_ED25519};
    print_record(&bench->records[i], pkey, is_rsa);
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

static void sign(const struct bench *bench, struct buf *fields)
{
    struct body_hash *body = body_hash_new();
    struct dkim_sign_plan plan = {.domain = BYTES("client.example"),
                                  .keys = bench->keys,
                                  .key_count = bench->key_count,
                                  .now_s = NOW_S};
    struct dkim_sign *signing = dkim_sign_new(&plan, bench->section, body);
    body_hash_add(body, bench->text);
    body_hash_end(body);
    for (size_t i = 0; i < plan.key_count; i++) {
        uint8_t digest[DIGEST_BYTES], signature[SIGNATURE_MOST];
        dkim_sign_digest(signing, i, digest);
        size_t len = sign_digest(bench->pkeys[i], digest, signature, sizeof signature);
        dkim_sign_add(signing, i, (struct bytes){signature, len});
    }
    buf_clear(fields);
    dkim_sign_print(signing, fields);
    dkim_sign_free(signing);
    body_hash_free(body);
}

static void answer(const struct bench *bench, struct facts *facts)
{
    for (size_t i = 0; i < bench->key_count; i++) {
        struct answer_record records[] = {{.data = buf_view(&bench->records[i])}};
        struct answer found = {.status = ANSWER_FOUND, .records = records, .count = 1};
        facts_answer(facts, FACT_TXT,
                     bench->keys[i].algorithm == KEY_RSA ? BYTES("r._domainkey.client.example")
                                                         : BYTES("e._domainkey.client.example"),
                     &found);
    }
}

/* All signatures that the keys made must be good. */
static void verify(const struct bench *bench)
{
    struct dkim_report report;
    struct body_hash *body = body_hash_new();
    struct facts *facts = facts_new();
    struct dkim_limits limits = {.keys = bench->cache};
    struct dkim_verify *verification = dkim_verify_new(bench->section, body, &limits);
    body_hash_add(body, bench->text);
    body_hash_end(body);
    answer(bench, facts);
    ASSERT(dkim_verify_finish(verification, facts, NOW_S, &report) == DKIM_DONE);
    ASSERT(report.count == bench->key_count);
    for (size_t i = 0; i < report.count; i++)
        ASSERT(report.checks[i].result == DKIM_PASS);
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

static void measure(const struct bench *bench, bool is_verifying, uint64_t count)
{
    struct buf fields;
    buf_init(&fields, 1 << 16);
    double begin = seconds_used();
    for (uint64_t i = 0; i < count; i++)
        if (is_verifying)
            verify(bench);
        else
            sign(bench, &fields);
    printf("%.0f\n", (double)count / (seconds_used() - begin));
    buf_done(&fields);
}

static void write_signed(const struct bench *bench)
{
    struct buf fields;
    buf_init(&fields, 1 << 16);
    sign(bench, &fields);
    fwrite(fields.at, 1, fields.len, stdout);
    fwrite(bench->message.at, 1, bench->message.len, stdout);
    buf_done(&fields);
}

int main(int count, char **arguments)
{
    struct bench bench = {.key_count = 0};
    uint64_t messages = 0;
    const char *what = count > 3 ? arguments[1] : "";
    bool is_writing = strcmp(what, "write") == 0, is_verifying = strcmp(what, "verify") == 0;
    int first_key = is_writing ? 3 : 4;
    if ((!is_writing && !is_verifying && strcmp(what, "sign") != 0) || count <= first_key ||
        (!is_writing && !scan_u64(bytes_of(arguments[3]), 1000000000, &messages)))
        return fprintf(stderr, "usage: dkim_bench sign|verify MESSAGE COUNT KEY.pem...\n"
                               "       dkim_bench write MESSAGE KEY.pem...\n"),
               2;
    read_message(&bench, arguments[2]);
    for (int i = first_key; i < count; i++)
        read_key(&bench, arguments[i]);
    bench.cache = key_cache_new(100, 1);
    if (is_writing)
        write_signed(&bench);
    else
        measure(&bench, is_verifying, messages);
    key_cache_free(bench.cache);
    for (size_t i = 0; i < bench.key_count; i++) {
        EVP_PKEY_free(bench.pkeys[i]);
        buf_done(&bench.records[i]);
    }
    buf_done(&bench.message);
    return 0;
}
