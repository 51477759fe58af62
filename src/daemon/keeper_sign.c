#include "daemon/keeper_sign.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static const EVP_MD *hash_of(enum keeper_hash hash)
{
    switch (hash) {
    case KEEPER_SHA256: return EVP_sha256();
    case KEEPER_SHA384: return EVP_sha384();
    case KEEPER_SHA512: return EVP_sha512();
    case KEEPER_SHA1: return EVP_sha1();
    }
    return NULL;
}

/* The type of key that a scheme needs, and how its padding is called. */
static const struct {
    int type, padding; /* padding 0: none of RSA's */
    bool has_hash;
} schemes[] = {
    [KEEPER_RSA_PKCS1] = {EVP_PKEY_RSA, RSA_PKCS1_PADDING, true},
    [KEEPER_RSA_PSS] = {EVP_PKEY_RSA, RSA_PKCS1_PSS_PADDING, true},
    [KEEPER_ECDSA] = {EVP_PKEY_EC, 0, false},
    [KEEPER_ED25519] = {EVP_PKEY_ED25519, 0, false},
    [KEEPER_RSA_ENCODED] = {EVP_PKEY_RSA, RSA_PKCS1_PADDING, false},
    [KEEPER_RSA_RAW] = {EVP_PKEY_RSA, RSA_NO_PADDING, false},
};

static bool complain(struct error *err, const char *what)
{
    char reason[128];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    ERR_clear_error();
    return error_set(err, 0, "%s: %s", what, reason);
}

/* Room for the signature, which is never longer than the key says. */
static uint8_t *room_for(EVP_PKEY *key, struct buf *out, size_t *len)
{
    *len = (size_t)EVP_PKEY_get_size(key);
    return buf_reserve(out, *len);
}

/* EdDSA has no step with a digest that was made elsewhere. */
static bool sign_message(EVP_PKEY *key, struct bytes message, struct buf *out, struct error *err)
{
    size_t len;
    uint8_t *room = room_for(key, out, &len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = room && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                   EVP_DigestSign(context, room, &len, message.at, message.len) == 1;
    EVP_MD_CTX_free(context);
    if (!is_good)
        return complain(err, "sign");
    buf_grow(out, len);
    return true;
}

static bool prepare(EVP_PKEY_CTX *context, const struct keeper_request *request)
{
    int padding = schemes[request->scheme].padding;
    if (EVP_PKEY_sign_init(context) != 1 ||
        (padding && EVP_PKEY_CTX_set_rsa_padding(context, padding) != 1))
        return false;
    if (schemes[request->scheme].has_hash &&
        EVP_PKEY_CTX_set_signature_md(context, hash_of(request->hash)) != 1)
        return false;
    return request->scheme != KEEPER_RSA_PSS ||
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool keeper_sign(EVP_PKEY *key, const struct keeper_request *request, struct buf *out,
                 struct error *err)
{
    size_t len;
    if (EVP_PKEY_get_base_id(key) != schemes[request->scheme].type)
        return error_set(err, 0, "sign: the key is of another kind");
    if (request->scheme == KEEPER_ED25519)
        return sign_message(key, request->secret, out, err);
    uint8_t *room = room_for(key, out, &len);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool is_good = room && context && prepare(context, request) &&
                   EVP_PKEY_sign(context, room, &len, request->secret.at, request->secret.len) == 1;
    EVP_PKEY_CTX_free(context);
    if (!is_good)
        return complain(err, "sign");
    buf_grow(out, len);
    return true;
}

bool keeper_public_key(EVP_PKEY *key, struct buf *out, struct error *err)
{
    int len = i2d_PUBKEY(key, NULL);
    uint8_t *room = len > 0 ? buf_reserve(out, (size_t)len) : NULL;
    if (!room || i2d_PUBKEY(key, &room) != len)
        return complain(err, "public key");
    buf_grow(out, (size_t)len);
    return true;
}
