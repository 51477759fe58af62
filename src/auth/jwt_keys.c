#include "auth/jwt_state.h"

#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/memory.h"
#include "mail/base64.h"

enum {
    NUMBER_LIMIT = 1024, /* bytes: an RSA key of 8192 bits */
    P256_SIZE = 32,
    ED25519_SIZE = 32,
};

static const char *const names[] = {
    [JWT_RS256] = "RS256", [JWT_ES256] = "ES256", [JWT_EDDSA] = "EdDSA"};

const char *jwt_algorithm_name(enum jwt_algorithm algorithm)
{
    return names[algorithm];
}

bool jwt_algorithm_find(const char *name, enum jwt_algorithm *out)
{
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum jwt_algorithm)i;
            return true;
        }
    return false;
}

struct jwt_keys *jwt_keys_new(void)
{
    return NEW(struct jwt_keys);
}

void jwt_keys_free(struct jwt_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        EVP_PKEY_free(keys->list[i].key);
        free((void *)(uintptr_t)keys->list[i].id.at);
    }
    free(keys);
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->count;
}

/* Which algorithm a key is for; false: none of ours, or it is too weak. */
static bool judge_key(const EVP_PKEY *key, enum jwt_algorithm *out)
{
    if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= JWT_RSA_BITS_LEAST)
        *out = JWT_RS256;
    else if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == P256_SIZE * 8)
        *out = JWT_ES256;
    else if (EVP_PKEY_is_a(key, "ED25519"))
        *out = JWT_EDDSA;
    else
        return false;
    return true;
}

/* Takes the key over; false when it is not one of ours, or there are too many. */
static bool add(struct jwt_keys *keys, EVP_PKEY *key_owned, struct bytes id)
{
    enum jwt_algorithm algorithm;
    if (keys->count == JWT_KEYS_LIMIT || !judge_key(key_owned, &algorithm)) {
        EVP_PKEY_free(key_owned);
        return false;
    }
    struct jwt_key *entry = &keys->list[keys->count++];
    *entry = (struct jwt_key){.key = key_owned, .algorithm = algorithm};
    if (id.len) {
        uint8_t *copy = memory_new(id.len, 1);
        memcpy(copy, id.at, id.len);
        entry->id = (struct bytes){copy, id.len};
    }
    return true;
}

/* --- JSON Web Keys (RFC 7517, 7518 6, 8037 2) --------------------------------------------------
 */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* Reads a member of base64url into room; the length, 0 for none and for what does not fit. */
static size_t read_number(const json_t *jwk, const char *name, uint8_t room[NUMBER_LIMIT])
{
    struct buf out;
    size_t len = 0;
    buf_init(&out, NUMBER_LIMIT + 3);
    if (base64_scan(&out, bytes_of(text_of(jwk, name)), BASE64_URL) && out.len <= NUMBER_LIMIT) {
        memcpy(room, out.at, out.len);
        len = out.len;
    }
    buf_done(&out);
    return len;
}

/* Makes the key from its parameters, which are freed. */
static EVP_PKEY *key_from(const char *kind, OSSL_PARAM_BLD *builder_owned)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder_owned);
    if (!context || !parameters || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder_owned);
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *read_rsa(const json_t *jwk)
{
    uint8_t n[NUMBER_LIMIT], e[NUMBER_LIMIT];
    size_t n_len = read_number(jwk, "n", n), e_len = read_number(jwk, "e", e);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (!n_len || !e_len || !builder) {
        OSSL_PARAM_BLD_free(builder);
        return NULL;
    }
    BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL), *exponent = BN_bin2bn(e, (int)e_len, NULL);
    EVP_PKEY *key = NULL;
    if (modulus && exponent &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        key = key_from("RSA", builder);
    else
        OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static EVP_PKEY *read_ec(const json_t *jwk)
{
    uint8_t x[NUMBER_LIMIT], y[NUMBER_LIMIT], point[1 + 2 * P256_SIZE] = {4 /* uncompressed */};
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    bool is_good = strcmp(text_of(jwk, "crv"), "P-256") == 0 &&
                   read_number(jwk, "x", x) == P256_SIZE && read_number(jwk, "y", y) == P256_SIZE;
    if (is_good && builder) {
        memcpy(point + 1, x, P256_SIZE);
        memcpy(point + 1 + P256_SIZE, y, P256_SIZE);
        if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             sizeof point) == 1)
            return key_from("EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    return NULL;
}

static EVP_PKEY *read_okp(const json_t *jwk)
{
    uint8_t x[NUMBER_LIMIT];
    if (strcmp(text_of(jwk, "crv"), "Ed25519") != 0 || read_number(jwk, "x", x) != ED25519_SIZE)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, ED25519_SIZE);
}

/* NULL: not for signatures, or of a kind not known here, or broken. */
static EVP_PKEY *read_key(const json_t *jwk)
{
    const char *kind = text_of(jwk, "kty"), *use = text_of(jwk, "use"), *alg = text_of(jwk, "alg");
    enum jwt_algorithm algorithm;
    if ((use[0] && strcmp(use, "sig") != 0) || (alg[0] && !jwt_algorithm_find(alg, &algorithm)))
        return NULL;
    if (strcmp(kind, "RSA") == 0)
        return read_rsa(jwk);
    if (strcmp(kind, "EC") == 0)
        return read_ec(jwk);
    return strcmp(kind, "OKP") == 0 ? read_okp(jwk) : NULL;
}

bool jwt_keys_add_set(struct jwt_keys *keys, struct bytes json, struct error *err)
{
    size_t before = keys->count, place;
    const json_t *jwk;
    if (json.len > JWT_KEY_SET_LIMIT)
        return error_set(err, 0, "the key set is larger than %d bytes", JWT_KEY_SET_LIMIT);
    json_t *set = json_loadb((const char *)json.at, json.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(set, "keys");
    bool is_full = false;
    json_array_foreach(list, place, jwk)
    {
        struct bytes id = bytes_of(text_of(jwk, "kid"));
        EVP_PKEY *key = id.len <= JWT_TEXT_LIMIT ? read_key(jwk) : NULL;
        is_full |= key && keys->count == JWT_KEYS_LIMIT;
        if (key)
            (void)add(keys, key, id);
    }
    bool is_set = json_is_array(list);
    json_decref(set);
    ERR_clear_error();
    if (!is_set)
        return error_set(err, 0, "not a JSON Web Key Set (an object with \"keys\": […])");
    if (is_full)
        return error_set(err, 0, "the key set has more than %d keys", JWT_KEYS_LIMIT);
    if (keys->count == before)
        return error_set(err, 0,
                         "the key set has no key for signatures by RS256 (of %d bits at least), "
                         "ES256 or EdDSA",
                         JWT_RSA_BITS_LEAST);
    return true;
}

bool jwt_keys_add_pem(struct jwt_keys *keys, struct bytes pem, struct error *err)
{
    if (pem.len > JWT_KEY_SET_LIMIT)
        return error_set(err, 0, "the key is larger than %d bytes", JWT_KEY_SET_LIMIT);
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!key)
        return error_set(err, 0, "not a public key in PEM (-----BEGIN PUBLIC KEY-----)");
    if (!add(keys, key, BYTES_NONE))
        return error_set(err, 0,
                         "not a key for RS256 (of %d bits at least), ES256 (P-256) or EdDSA "
                         "(Ed25519), or more than %d keys",
                         JWT_RSA_BITS_LEAST, JWT_KEYS_LIMIT);
    return true;
}
