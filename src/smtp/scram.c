#include "smtp/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum key_name { CLIENT_KEY, SERVER_KEY };

static bool sign(const uint8_t key[SCRAM_HASH], struct bytes text, uint8_t out[SCRAM_HASH])
{
    unsigned len = SCRAM_HASH;
    return HMAC(EVP_sha256(), key, SCRAM_HASH, text.at, text.len, out, &len) != NULL;
}

static bool hash(const uint8_t in[SCRAM_HASH], uint8_t out[SCRAM_HASH])
{
    return EVP_Digest(in, SCRAM_HASH, out, NULL, EVP_sha256(), NULL) == 1;
}

/* RFC 5802, 3: SaltedPassword. */
static bool salt_password(struct bytes password, struct bytes salt, unsigned iterations,
                          uint8_t out[SCRAM_HASH])
{
    return password.len <= INT32_MAX && salt.len <= SCRAM_SALT_LIMIT && iterations &&
           iterations <= INT32_MAX &&
           PKCS5_PBKDF2_HMAC((const char *)password.at, (int)password.len, salt.at, (int)salt.len,
                             (int)iterations, EVP_sha256(), SCRAM_HASH, out) == 1;
}

static bool name_key(const uint8_t salted[SCRAM_HASH], enum key_name name, uint8_t out[SCRAM_HASH])
{
    return sign(salted, name == CLIENT_KEY ? BYTES("Client Key") : BYTES("Server Key"), out);
}

bool scram_derive(struct bytes password, struct bytes salt, unsigned iterations,
                  struct scram_keys *out)
{
    uint8_t salted[SCRAM_HASH], client[SCRAM_HASH];
    struct scram_keys keys;
    bool is_good = salt_password(password, salt, iterations, salted) &&
                   name_key(salted, CLIENT_KEY, client) && hash(client, keys.stored) &&
                   name_key(salted, SERVER_KEY, keys.server);
    if (is_good)
        *out = keys;
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client, sizeof client);
    OPENSSL_cleanse(&keys, sizeof keys);
    return is_good;
}

bool scram_check(const struct scram_keys *keys, struct bytes auth_message, struct bytes proof,
                 uint8_t signature[SCRAM_HASH])
{
    uint8_t client[SCRAM_HASH], stored[SCRAM_HASH];
    if (proof.len != SCRAM_HASH || !sign(keys->stored, auth_message, client))
        return false;
    for (size_t i = 0; i < SCRAM_HASH; i++)
        client[i] ^= proof.at[i];
    bool is_good = hash(client, stored) && CRYPTO_memcmp(stored, keys->stored, SCRAM_HASH) == 0 &&
                   sign(keys->server, auth_message, signature);
    OPENSSL_cleanse(client, sizeof client);
    return is_good;
}

bool scram_prove(struct bytes password, struct bytes salt, unsigned iterations,
                 struct bytes auth_message, uint8_t proof[SCRAM_HASH],
                 uint8_t signature[SCRAM_HASH])
{
    uint8_t salted[SCRAM_HASH], client[SCRAM_HASH], other[SCRAM_HASH];
    bool is_good = salt_password(password, salt, iterations, salted) &&
                   name_key(salted, CLIENT_KEY, client) && hash(client, other) &&
                   sign(other, auth_message, proof);
    for (size_t i = 0; is_good && i < SCRAM_HASH; i++)
        proof[i] ^= client[i];
    is_good =
        is_good && name_key(salted, SERVER_KEY, other) && sign(other, auth_message, signature);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client, sizeof client);
    OPENSSL_cleanse(other, sizeof other);
    return is_good;
}
