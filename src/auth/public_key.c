#include "auth/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base/memory.h"

struct public_key {
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *rsa; /* of KEY_RSA, ready to verify: making one takes a tenth of a verification */
    enum key_algorithm algorithm;
};

enum { ED25519_BYTES = 32 };

const char *key_algorithm_name(enum key_algorithm algorithm)
{
    switch (algorithm) {
    case KEY_RSA: return "rsa";
    case KEY_ED25519: return "ed25519";
    }
    return "";
}

enum { DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_SEQUENCE = 0x30 };

/* Takes one DER value of that tag from the front of *rest (X.690, 8.1). OpenSSL's decoders would
 * do it as well, in many times the time of a verification. */
static bool der_take(struct bytes *rest, uint8_t tag, struct bytes *value)
{
    if (rest->len < 2 || rest->at[0] != tag)
        return false;
    size_t len = rest->at[1], at = 2;
    if (len & 0x80) {
        size_t count = len & 0x7f;
        if (count == 0 || count > 2 || rest->len < 2 + count)
            return false;
        for (len = 0; count; count--)
            len = len << 8 | rest->at[at++];
    }
    if (len > rest->len - at)
        return false;
    *value = bytes_sub(*rest, at, len);
    *rest = bytes_from(*rest, at + len);
    return true;
}

/* The RSAPublicKey within a SubjectPublicKeyInfo (RFC 8017, A.1). */
static bool unwrap(struct bytes *data)
{
    static const uint8_t rsa[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
    struct bytes rest = *data, outer, algorithm, bits;
    if (!der_take(&rest, DER_SEQUENCE, &outer) || rest.len ||
        !der_take(&outer, DER_SEQUENCE, &algorithm))
        return false;
    if (!bytes_starts(algorithm, (struct bytes){rsa, sizeof rsa}))
        return false;
    if (!der_take(&outer, DER_BIT_STRING, &bits) || outer.len || bits.len == 0 || bits.at[0])
        return false;
    *data = bytes_from(bits, 1);
    return true;
}

/* A positive number, without the zeros in front of it. */
static bool take_number(struct bytes *rest, struct bytes *number)
{
    if (!der_take(rest, DER_INTEGER, number) || number->len == 0 || number->at[0] & 0x80)
        return false;
    while (number->len && number->at[0] == 0)
        *number = bytes_from(*number, 1);
    return number->len > 0;
}

static EVP_PKEY *rsa_of_numbers(struct bytes modulus, struct bytes exponent)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *n = BN_bin2bn(modulus.at, (int)modulus.len, NULL);
    BIGNUM *e = BN_bin2bn(exponent.at, (int)exponent.len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    ASSERT(n && e && build && context);
    ASSERT(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1);
    ASSERT(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    ASSERT(params && EVP_PKEY_fromdata_init(context) == 1);
    if (EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return pkey;
}

static EVP_PKEY *rsa_new(struct bytes data)
{
    struct bytes sequence, modulus, exponent;
    (void)unwrap(&data);
    if (!der_take(&data, DER_SEQUENCE, &sequence) || data.len)
        return NULL;
    if (!take_number(&sequence, &modulus) || !take_number(&sequence, &exponent) || sequence.len)
        return NULL;
    if (modulus.len > RSA_BITS_MOST / 8 || exponent.len > modulus.len)
        return NULL;
    return rsa_of_numbers(modulus, exponent);
}

static EVP_PKEY_CTX *rsa_context(EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    ASSERT(context);
    if (EVP_PKEY_verify_init(context) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1)
        return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

struct public_key *public_key_new(enum key_algorithm algorithm, struct bytes data)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *rsa = NULL;
    switch (algorithm) {
    case KEY_RSA:
        pkey = rsa_new(data);
        rsa = pkey ? rsa_context(pkey) : NULL;
        break;
    case KEY_ED25519:
        if (data.len == ED25519_BYTES)
            pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, data.at, data.len);
        break;
    }
    ERR_clear_error();
    if (!pkey)
        return NULL;
    struct public_key *key = NEW(struct public_key);
    *key = (struct public_key){pkey, rsa, algorithm};
    return key;
}

void public_key_free(struct public_key *key)
{
    if (!key)
        return;
    EVP_PKEY_CTX_free(key->rsa);
    EVP_PKEY_free(key->pkey);
    free(key);
}

unsigned public_key_bits(const struct public_key *key)
{
    return (unsigned)EVP_PKEY_get_bits(key->pkey);
}

static bool ed25519_verify(EVP_PKEY *pkey, const uint8_t *digest, struct bytes signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context);
    bool is_good =
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1 &&
        EVP_DigestVerify(context, signature.at, signature.len, digest, DIGEST_BYTES) == 1;
    EVP_MD_CTX_free(context);
    return is_good;
}

bool public_key_verify(const struct public_key *key, const uint8_t digest[DIGEST_BYTES],
                       struct bytes signature)
{
    bool is_good = false;
    if (signature.len == 0)
        return false;
    switch (key->algorithm) {
    case KEY_RSA:
        is_good = key->rsa &&
                  EVP_PKEY_verify(key->rsa, signature.at, signature.len, digest, DIGEST_BYTES) == 1;
        break;
    case KEY_ED25519: is_good = ed25519_verify(key->pkey, digest, signature); break;
    }
    ERR_clear_error();
    return is_good;
}
