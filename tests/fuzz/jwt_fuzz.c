/* Tokens and key sets. The first byte says what the rest is: a token, a key set, or claims, which
 * are then signed with a key that is known.
 *
 * Only what is signed is good, and then an account was named; keys that were taken are few. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>

#include "auth/jwt.h"
#include "mail/base64.h"

enum { SEED_SIZE = 32, SIGNATURE_SIZE = 64 };

static const uint8_t seed[SEED_SIZE] = {1};

static struct jwt_keys *make_keys(EVP_PKEY *key)
{
    uint8_t raw[SEED_SIZE];
    size_t len = sizeof raw;
    struct buf json;
    struct error err;
    buf_init(&json, 1024);
    ASSERT(EVP_PKEY_get_raw_public_key(key, raw, &len) == 1);
    buf_add(&json, BYTES("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\""));
    base64_print(&json, (struct bytes){raw, len});
    json.len--; /* base64url has no padding; this key has neither "+" nor "/" */
    buf_add(&json, BYTES("\"}]}"));
    struct jwt_keys *keys = jwt_keys_new();
    ASSERT(jwt_keys_add_set(keys, buf_view(&json), &err));
    buf_done(&json);
    return keys;
}

static void add_url(struct buf *out, struct bytes bytes)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    base64_print(&text, bytes);
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] != '=')
            buf_add_byte(out, text.at[i] == '+' ? '-' : text.at[i] == '/' ? '_' : text.at[i]);
    buf_done(&text);
}

static void sign(struct buf *token, EVP_PKEY *key, struct bytes claims)
{
    uint8_t signature[SIGNATURE_SIZE];
    size_t len = sizeof signature;
    buf_add(token, BYTES("eyJhbGciOiJFZERTQSJ9."));
    add_url(token, claims);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1);
    ASSERT(EVP_DigestSign(context, signature, &len, token->at, token->len) == 1);
    EVP_MD_CTX_free(context);
    buf_add_byte(token, '.');
    add_url(token, (struct bytes){signature, len});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct bytes input = {data + 1, size - 1};
    struct error err;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    struct jwt_keys *keys = make_keys(key);
    if (data[0] % 3 == 1) {
        bool is_taken = jwt_keys_add_set(keys, input, &err);
        ASSERT(!is_taken || jwt_keys_count(keys) > 1);
        ASSERT(jwt_keys_count(keys) <= JWT_KEYS_LIMIT);
        (void)!jwt_keys_add_pem(keys, input, &err);
    }
    struct buf token, account;
    buf_init(&token, SIZE_MAX);
    buf_init(&account, JWT_TEXT_LIMIT);
    if (data[0] % 3 == 2)
        sign(&token, key, input);
    else
        buf_add(&token, input);
    struct jwt_terms terms = {.keys = keys,
                              .issuer = BYTES("i"),
                              .audience = BYTES("a"),
                              .claim = BYTES("sub"),
                              .now_ms = 1000000};
    enum jwt_verdict verdict = jwt_check(buf_view(&token), &terms, &account);
    ASSERT(verdict != JWT_GOOD || (data[0] % 3 == 2 && account.len));
    ASSERT(verdict == JWT_GOOD || !account.len);
    ASSERT(data[0] % 3 != 2 || verdict != JWT_SIGNATURE);
    buf_done(&token);
    buf_done(&account);
    jwt_keys_free(keys);
    EVP_PKEY_free(key);
    return 0;
}
