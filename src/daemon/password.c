#include "daemon/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/memory.h"

_Static_assert(PASSWORD_HASH_LIMIT >= CRYPT_OUTPUT_SIZE, "a hash fits");

enum { GENERATED_MARKS = 24, GENERATED_GROUP = 5 };

/* 32 of them, so that each is five bits; without i, l, o and 1. */
static const char marks[] = "abcdefghjkmnpqrstuvwxyz023456789";
_Static_assert(sizeof marks - 1 == 32, "five bits a mark");

static bool is_equal(const char *a, const char *b)
{
    size_t len = strlen(a);
    return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}

/* The hash under the salt and cost that the setting (or another hash) has; false when it has
 * none. */
static bool hash_password(struct bytes password, const char *setting, char out[PASSWORD_HASH_LIMIT])
{
    char phrase[PASSWORD_LIMIT + 1] = "";
    struct crypt_data *data = memory_new(1, sizeof *data);
    if (password.len)
        memcpy(phrase, password.at, password.len < PASSWORD_LIMIT ? password.len : PASSWORD_LIMIT);
    const char *hash = crypt_r(phrase, setting, data);
    bool is_good = hash && hash[0] != '*';
    if (is_good)
        memcpy(out, hash, strlen(hash) + 1);
    OPENSSL_cleanse(phrase, sizeof phrase);
    OPENSSL_cleanse(data, sizeof *data);
    free(data);
    return is_good;
}

bool password_is_right(struct bytes password, const char *hash)
{
    char found[PASSWORD_HASH_LIMIT];
    bool can_be_one = password.len > 0 && password.len <= PASSWORD_LIMIT &&
                      bytes_find(password, 0) == password.len;
    bool is_right = hash_password(password, hash, found) && is_equal(found, hash);
    OPENSSL_cleanse(found, sizeof found);
    return is_right && can_be_one;
}

static bool make_setting(unsigned cost, char out[PASSWORD_HASH_LIMIT], struct error *err)
{
    return crypt_gensalt_rn("$y$", cost, NULL, 0, out, PASSWORD_HASH_LIMIT) ||
           error_set(err, errno, "make a salt for yescrypt");
}

/* What stands before the salt: "$y$j9T$". */
static size_t cost_len(const char *hash)
{
    const char *end = strncmp(hash, "$y$", 3) == 0 ? strchr(hash + 3, '$') : NULL;
    return end ? (size_t)(end - hash) + 1 : 0;
}

bool password_costs_the_same(const char *hash, const char *other)
{
    size_t len = cost_len(hash);
    return len > 0 && len == cost_len(other) && memcmp(hash, other, len) == 0;
}

bool password_decoy(unsigned cost, char out[PASSWORD_HASH_LIMIT], struct error *err)
{
    char setting[PASSWORD_HASH_LIMIT];
    return make_setting(cost, setting, err) &&
           (hash_password(BYTES_NONE, setting, out) || error_set(err, errno, "yescrypt"));
}

bool password_derive(struct bytes password, unsigned cost, struct credentials *out,
                     struct error *err)
{
    char setting[PASSWORD_HASH_LIMIT];
    struct credentials made = {.iterations = PASSWORD_ITERATIONS};
    if (password.len == 0 || password.len > PASSWORD_LIMIT)
        return error_set(err, 0, "a password has 1 to %d bytes", PASSWORD_LIMIT);
    if (getrandom(made.salt, sizeof made.salt, 0) != sizeof made.salt)
        return error_set(err, errno, "draw random bytes");
    bool is_good = make_setting(cost, setting, err);
    if (is_good && (!hash_password(password, setting, made.hash) ||
                    !scram_derive(password, (struct bytes){made.salt, sizeof made.salt},
                                  made.iterations, &made.keys)))
        is_good = error_set(err, errno, "hash the password");
    if (is_good)
        *out = made;
    OPENSSL_cleanse(&made, sizeof made);
    return is_good;
}

void password_generate(struct buf *out)
{
    uint8_t bits[GENERATED_MARKS];
    /* So few bytes never come short once the system has any (getrandom(2)). */
    ssize_t got = getrandom(bits, sizeof bits, 0);
    ASSERT(got == sizeof bits);
    for (size_t i = 0; i < sizeof bits; i++) {
        if (i && i % GENERATED_GROUP == 0)
            buf_add_byte(out, '-');
        buf_add_byte(out, (uint8_t)marks[bits[i] % 32]);
    }
    OPENSSL_cleanse(bits, sizeof bits);
}

void password_digest(struct bytes password, uint8_t out[PASSWORD_DIGEST])
{
    uint8_t plain[PASSWORD_LIMIT];
    size_t len = 0;
    for (size_t i = 0; i < password.len && len < sizeof plain; i++)
        if (password.at[i] != '-' && password.at[i] != ' ')
            plain[len++] = ascii_lower(password.at[i]);
    int is_good = EVP_Digest(plain, len, out, NULL, EVP_sha256(), NULL);
    ASSERT(is_good);
    OPENSSL_cleanse(plain, sizeof plain);
}
