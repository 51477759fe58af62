/* Public keys: what is none, and that each signs for itself alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "auth/public_key.h"

static const uint8_t digest[DIGEST_BYTES] = "thirty-two bytes to be signed...";

static size_t sign_rsa(EVP_PKEY *pkey, uint8_t *out, size_t size)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    assert_true(EVP_PKEY_sign_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_sign(context, out, &size, digest, sizeof digest) == 1);
    EVP_PKEY_CTX_free(context);
    return size;
}

static size_t sign_ed25519(EVP_PKEY *pkey, uint8_t *out, size_t size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_true(EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
                EVP_DigestSign(context, out, &size, digest, sizeof digest) == 1);
    EVP_MD_CTX_free(context);
    return size;
}

/* A good signature is good; with any byte of it or of the digest changed, or cut, it is not. */
static void check_signature(const struct public_key *key, uint8_t *signature, size_t len)
{
    uint8_t other[DIGEST_BYTES];
    assert_true(public_key_verify(key, digest, (struct bytes){signature, len}));
    for (size_t i = 0; i < len; i += 7) {
        signature[i] ^= 0x10;
        assert_false(public_key_verify(key, digest, (struct bytes){signature, len}));
        signature[i] ^= 0x10;
    }
    memcpy(other, digest, sizeof other);
    other[31] ^= 1;
    assert_false(public_key_verify(key, other, (struct bytes){signature, len}));
    assert_false(public_key_verify(key, digest, (struct bytes){signature, len - 1}));
    assert_false(public_key_verify(key, digest, BYTES_NONE));
}

static void rsa(void **state)
{
    uint8_t signature[512], *der = NULL;
    EVP_PKEY *pkey = EVP_RSA_gen(1024);
    assert_non_null(pkey);
    int len = i2d_PUBKEY(pkey, &der);
    assert_true(len > 0);
    struct public_key *key = public_key_new(KEY_RSA, (struct bytes){der, (size_t)len});
    assert_non_null(key);
    assert_int_equal(public_key_bits(key), 1024);
    check_signature(key, signature, sign_rsa(pkey, signature, sizeof signature));
    public_key_free(key);
    /* Every cut of the key is none; nor is a longer one. */
    for (size_t cut = 0; cut < (size_t)len; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, der, cut);
        assert_null(public_key_new(KEY_RSA, (struct bytes){exact, cut}));
        free(exact);
    }
    assert_null(public_key_new(KEY_ED25519, (struct bytes){der, (size_t)len}));
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    public_key_free(NULL);
}

static void ed25519(void **state)
{
    uint8_t signature[64], raw[33] = {0};
    size_t len = 32;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(pkey);
    assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, raw, &len), 1);
    struct public_key *key = public_key_new(KEY_ED25519, (struct bytes){raw, 32});
    assert_non_null(key);
    check_signature(key, signature, sign_ed25519(pkey, signature, sizeof signature));
    public_key_free(key);
    assert_null(public_key_new(KEY_ED25519, (struct bytes){raw, 31}));
    assert_null(public_key_new(KEY_ED25519, (struct bytes){raw, 33}));
    assert_null(public_key_new(KEY_RSA, (struct bytes){raw, 32}));
    EVP_PKEY_free(pkey);
}

static void odd_numbers(void **state)
{
    static const struct {
        const char *name;
        struct bytes der;
    } rows[] = {
        {"a modulus of zero", BYTES_INIT("\x30\x06\x02\x01\x00\x02\x01\x03")},
        {"a negative modulus", BYTES_INIT("\x30\x06\x02\x01\x81\x02\x01\x03")},
        {"no exponent", BYTES_INIT("\x30\x03\x02\x01\x0f")},
        {"an exponent longer than the modulus", BYTES_INIT("\x30\x07\x02\x01\x0f\x02\x02\x01\x03")},
        {"three numbers", BYTES_INIT("\x30\x09\x02\x01\x0f\x02\x01\x03\x02\x01\x03")},
        {"a length of a length too long",
         BYTES_INIT("\x30\x83\x00\x00\x06\x02\x01\x0f\x02\x01\x03")},
        {"an indefinite length", BYTES_INIT("\x30\x80\x02\x01\x0f\x02\x01\x03\x00\x00")},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (public_key_new(KEY_RSA, rows[i].der))
            fail_msg("%s", rows[i].name);
}

static void too_large(void **state)
{
    /* SEQUENCE { INTEGER of 1025 bytes, INTEGER 3 } */
    uint8_t der[4 + 4 + 1025 + 3] = {0x30, 0x82, 0x04, 0x08, 0x02, 0x82, 0x04, 0x01, 0x7f};
    memcpy(der + sizeof der - 3, "\x02\x01\x03", 3);
    assert_null(public_key_new(KEY_RSA, (struct bytes){der, sizeof der}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rsa),
        cmocka_unit_test(ed25519),
        cmocka_unit_test(odd_numbers),
        cmocka_unit_test(too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
