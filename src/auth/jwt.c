#include "auth/jwt.h"

#include <string.h>
#include <jansson.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "auth/jwt_state.h"
#include "mail/base64.h"

enum { ES256_HALF = 32, DER_LIMIT = 80 };

const char *jwt_verdict_text(enum jwt_verdict verdict)
{
    static const char *const texts[] = {
        [JWT_GOOD] = "good",
        [JWT_MALFORMED] = "no JSON Web Token",
        [JWT_ALGORITHM] = "signed by an algorithm that is not taken here",
        [JWT_UNKNOWN_KEY] = "signed with a key that is not known here",
        [JWT_SIGNATURE] = "its signature is wrong",
        [JWT_EXPIRED] = "expired",
        [JWT_NOT_YET] = "not valid yet",
        [JWT_ISSUER] = "of another issuer",
        [JWT_AUDIENCE] = "for another audience",
        [JWT_NOBODY] = "without the claim that names an account",
    };
    return texts[verdict];
}

/* The three parts, the first two as they are signed together too (RFC 7515, 3.1). */
struct parts {
    struct bytes header, payload, signature, signed_text;
};

static bool split(struct bytes token, struct parts *out)
{
    struct bytes rest;
    if (token.len > JWT_TOKEN_LIMIT || !bytes_cut(token, '.', &out->header, &rest) ||
        !bytes_cut(rest, '.', &out->payload, &out->signature) ||
        bytes_find(out->signature, '.') < out->signature.len)
        return false;
    out->signed_text = bytes_sub(token, 0, out->header.len + 1 + out->payload.len);
    return true;
}

/* A part's JSON; NULL for what is no object. Two members of one name are no object either: which
 * one counts is what parsers differ in (RFC 7519, 4). */
static json_t *load(struct bytes part)
{
    struct buf text;
    json_t *object = NULL;
    buf_init(&text, JWT_TOKEN_LIMIT);
    if (base64_scan(&text, part, BASE64_URL))
        object = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, NULL);
    buf_done(&text);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

static struct bytes text_of(const json_t *object, const char *name)
{
    const json_t *text = json_object_get(object, name);
    return (struct bytes){(const uint8_t *)json_string_value(text), json_string_length(text)};
}

/* --- The signature --------------------------------------------------------------------------- */

/* R and S as they are (RFC 7518, 3.4), to the DER that libcrypto wants. */
static size_t ecdsa_to_der(struct bytes signature, uint8_t der[DER_LIMIT])
{
    int len = 0;
    if (signature.len != 2 * ES256_HALF)
        return 0;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.at, ES256_HALF, NULL);
    BIGNUM *s = BN_bin2bn(signature.at + ES256_HALF, ES256_HALF, NULL);
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        if (i2d_ECDSA_SIG(pair, NULL) <= DER_LIMIT)
            len = i2d_ECDSA_SIG(pair, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

static bool is_signed_with(const struct jwt_key *key, struct bytes text, struct bytes signature)
{
    uint8_t der[DER_LIMIT];
    if (key->algorithm == JWT_ES256)
        signature = (struct bytes){der, ecdsa_to_der(signature, der)};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *hash = key->algorithm == JWT_EDDSA ? NULL : EVP_sha256();
    bool is_good = context && signature.len &&
                   EVP_DigestVerifyInit(context, NULL, hash, NULL, key->key) == 1 &&
                   EVP_DigestVerify(context, signature.at, signature.len, text.at, text.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_good;
}

static enum jwt_verdict check_signature(const struct jwt_keys *keys, const struct parts *parts,
                                        const json_t *header)
{
    enum jwt_algorithm algorithm;
    const char *name = json_string_value(json_object_get(header, "alg"));
    struct bytes id = text_of(header, "kid");
    /* RFC 7515, 4.1.11: extensions that must be understood. None is. */
    if (!name || !jwt_algorithm_find(name, &algorithm) || json_object_get(header, "crit"))
        return JWT_ALGORITHM;
    struct buf signature;
    buf_init(&signature, JWT_TOKEN_LIMIT);
    enum jwt_verdict verdict = JWT_UNKNOWN_KEY;
    if (!base64_scan(&signature, parts->signature, BASE64_URL))
        verdict = JWT_MALFORMED;
    for (size_t i = 0; i < keys->count && verdict != JWT_MALFORMED && verdict != JWT_GOOD; i++) {
        const struct jwt_key *key = &keys->list[i];
        if (key->algorithm != algorithm || (key->id.len && id.len && !bytes_equal(key->id, id)))
            continue;
        verdict = is_signed_with(key, parts->signed_text, buf_view(&signature)) ? JWT_GOOD
                                                                                : JWT_SIGNATURE;
    }
    buf_done(&signature);
    return verdict;
}

/* --- The claims ------------------------------------------------------------------------------ */

/* A NumericDate (RFC 7519, 2) in ms; false where it is none, or beyond reason. */
static bool read_instant(const json_t *claims, const char *name, int64_t *out_ms)
{
    const json_t *value = json_object_get(claims, name);
    double seconds = json_number_value(value);
    if (!json_is_number(value) || !(seconds >= 0 && seconds < 1e12))
        return false;
    *out_ms = (int64_t)(seconds * 1000);
    return true;
}

static bool has_audience(const json_t *claims, struct bytes audience)
{
    const json_t *value = json_object_get(claims, "aud"), *item;
    size_t place;
    if (json_is_string(value))
        return bytes_equal(text_of(claims, "aud"), audience);
    json_array_foreach(value, place, item)
    {
        struct bytes text = {(const uint8_t *)json_string_value(item), json_string_length(item)};
        if (json_is_string(item) && bytes_equal(text, audience))
            return true;
    }
    return false;
}

static enum jwt_verdict check_times(const json_t *claims, const struct jwt_terms *terms)
{
    int64_t instant_ms;
    if (!read_instant(claims, "exp", &instant_ms) || instant_ms + terms->leeway_ms <= terms->now_ms)
        return JWT_EXPIRED;
    if (!json_object_get(claims, "nbf"))
        return JWT_GOOD;
    return read_instant(claims, "nbf", &instant_ms) &&
                   instant_ms - terms->leeway_ms <= terms->now_ms
               ? JWT_GOOD
               : JWT_NOT_YET;
}

/* The name of the claim as the C string that jansson wants. */
static bool read_account(const json_t *claims, struct bytes claim, struct bytes *out)
{
    char name[JWT_TEXT_LIMIT + 1];
    if (!claim.len || claim.len > JWT_TEXT_LIMIT)
        return false;
    memcpy(name, claim.at, claim.len);
    name[claim.len] = '\0';
    /* OpenID Connect Core, 5.1: anybody may have written an address that is not verified. */
    if (bytes_equal(claim, BYTES("email")) &&
        json_is_false(json_object_get(claims, "email_verified")))
        return false;
    *out = text_of(claims, name);
    return out->len > 0 && out->len <= JWT_TEXT_LIMIT && bytes_find(*out, 0) == out->len;
}

static enum jwt_verdict check_claims(const json_t *claims, const struct jwt_terms *terms,
                                     struct buf *account)
{
    struct bytes name;
    if (!bytes_equal(text_of(claims, "iss"), terms->issuer) || !terms->issuer.len)
        return JWT_ISSUER;
    if (!has_audience(claims, terms->audience))
        return JWT_AUDIENCE;
    enum jwt_verdict verdict = check_times(claims, terms);
    if (verdict != JWT_GOOD)
        return verdict;
    if (!read_account(claims, terms->claim, &name))
        return JWT_NOBODY;
    buf_add(account, name);
    return account->overflowed ? JWT_NOBODY : JWT_GOOD;
}

enum jwt_verdict jwt_check(struct bytes token, const struct jwt_terms *terms, struct buf *account)
{
    struct parts parts;
    enum jwt_verdict verdict = JWT_MALFORMED;
    if (!split(token, &parts))
        return JWT_MALFORMED;
    json_t *header = load(parts.header), *claims = load(parts.payload);
    if (header && claims)
        verdict = check_signature(terms->keys, &parts, header);
    if (verdict == JWT_GOOD)
        verdict = check_claims(claims, terms, account);
    json_decref(header);
    json_decref(claims);
    return verdict;
}
