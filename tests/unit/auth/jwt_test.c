/* JSON Web Tokens: the examples of RFC 7515, and tokens made here with keys of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "auth/jwt.h"
#include "mail/base64.h"

enum { NOW_S = 1764000000, LIMIT = 64 * 1024 };
enum kind { KEY_RSA, KEY_EC, KEY_ED, KINDS };

static EVP_PKEY *keys_made[KINDS];
static struct jwt_keys *keys; /* the three, without key ids */

/* A token of these two JSON texts, signed with the key of this kind. */
static void make(struct buf *out, enum kind kind, const char *header, const char *claims)
{
    uint8_t raw[1024];
    size_t len = sizeof raw;
    struct buf text;
    buf_init(&text, LIMIT);
    base64_print(&text, bytes_of(header));
    buf_add_byte(&text, '.');
    base64_print(&text, bytes_of(claims));
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] != '=')
            buf_add_byte(out, text.at[i] == '+' ? '-' : text.at[i] == '/' ? '_' : text.at[i]);
    buf_done(&text);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, kind == KEY_ED ? NULL : EVP_sha256(), NULL,
                                        keys_made[kind]),
                     1);
    assert_int_equal(EVP_DigestSign(context, raw, &len, out->at, out->len), 1);
    EVP_MD_CTX_free(context);
    if (kind == KEY_EC) {
        const uint8_t *der = raw;
        ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw + 512, 32), 32);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 544, 32), 32);
        ECDSA_SIG_free(pair);
        len = 64;
        memcpy(raw, raw + 512, len);
    }
    buf_init(&text, LIMIT);
    base64_print(&text, (struct bytes){raw, len});
    buf_add_byte(out, '.');
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] != '=')
            buf_add_byte(out, text.at[i] == '+' ? '-' : text.at[i] == '/' ? '_' : text.at[i]);
    buf_done(&text);
}

static void add_pem(struct jwt_keys *to, EVP_PKEY *key)
{
    char *text;
    struct error err;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    long len = BIO_get_mem_data(bio, &text);
    assert_true(jwt_keys_add_pem(to, (struct bytes){(uint8_t *)text, (size_t)len}, &err));
    BIO_free(bio);
}

static int set_up(void **state)
{
    keys_made[KEY_RSA] = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    keys_made[KEY_EC] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    keys_made[KEY_ED] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    keys = jwt_keys_new();
    for (size_t i = 0; i < KINDS; i++)
        add_pem(keys, keys_made[i]);
    return 0;
}

static int tear_down(void **state)
{
    jwt_keys_free(keys);
    for (size_t i = 0; i < KINDS; i++)
        EVP_PKEY_free(keys_made[i]);
    return 0;
}

static struct jwt_terms terms_now(void)
{
    return (struct jwt_terms){.keys = keys,
                              .issuer = BYTES("https://id.example"),
                              .audience = BYTES("mail"),
                              .claim = BYTES("email"),
                              .now_ms = NOW_S * INT64_C(1000),
                              .leeway_ms = 60000};
}

#define RS "{\"alg\":\"RS256\"}"
#define ISS "\"iss\":\"https://id.example\""
#define AUD "\"aud\":\"mail\""
#define EXP "\"exp\":1764000100"
#define ANN "\"email\":\"ann@example.org\""
#define GOOD "{" ISS "," AUD "," EXP "," ANN "}"

static const struct {
    const char *name;
    enum kind kind;
    const char *header, *claims;
    enum jwt_verdict want;
} rows[] = {
    {"RS256", KEY_RSA, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", GOOD, JWT_GOOD},
    {"ES256", KEY_EC, "{\"alg\":\"ES256\",\"kid\":\"1\"}", GOOD, JWT_GOOD},
    {"EdDSA", KEY_ED, "{\"alg\":\"EdDSA\"}", GOOD, JWT_GOOD},
    {"none", KEY_RSA, "{\"alg\":\"none\"}", GOOD, JWT_ALGORITHM},
    {"another hash", KEY_RSA, "{\"alg\":\"RS512\"}", GOOD, JWT_ALGORITHM},
    {"symmetric", KEY_RSA, "{\"alg\":\"HS256\"}", GOOD, JWT_ALGORITHM},
    {"no algorithm", KEY_RSA, "{}", GOOD, JWT_ALGORITHM},
    {"an algorithm that is no text", KEY_RSA, "{\"alg\":1}", GOOD, JWT_ALGORITHM},
    {"case counts", KEY_RSA, "{\"alg\":\"rs256\"}", GOOD, JWT_ALGORITHM},
    {"the key is another's", KEY_EC, RS, GOOD, JWT_SIGNATURE},
    {"critical header", KEY_RSA, "{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", GOOD, JWT_ALGORITHM},
    {"header no object", KEY_RSA, "[]", GOOD, JWT_MALFORMED},
    {"header no JSON", KEY_RSA, "{", GOOD, JWT_MALFORMED},
    {"two algorithms", KEY_RSA, "{\"alg\":\"RS256\",\"alg\":\"none\"}", GOOD, JWT_MALFORMED},
    {"claims no object", KEY_RSA, RS, "1", JWT_MALFORMED},
    {"two issuers", KEY_RSA, RS, "{" ISS "," ISS "," AUD "," EXP "," ANN "}", JWT_MALFORMED},
    {"no issuer", KEY_RSA, RS, "{" AUD "," EXP "," ANN "}", JWT_ISSUER},
    {"another issuer", KEY_RSA, RS, "{\"iss\":\"https://id.example/\"," AUD "," EXP "," ANN "}",
     JWT_ISSUER},
    {"no audience", KEY_RSA, RS, "{" ISS "," EXP "," ANN "}", JWT_AUDIENCE},
    {"another audience", KEY_RSA, RS, "{" ISS ",\"aud\":\"web\"," EXP "," ANN "}", JWT_AUDIENCE},
    {"one audience of many", KEY_RSA, RS, "{" ISS ",\"aud\":[1,\"web\",\"mail\"]," EXP "," ANN "}",
     JWT_GOOD},
    {"none of many", KEY_RSA, RS, "{" ISS ",\"aud\":[\"web\",\"mails\"]," EXP "," ANN "}",
     JWT_AUDIENCE},
    {"no end", KEY_RSA, RS, "{" ISS "," AUD "," ANN "}", JWT_EXPIRED},
    {"an end that is text", KEY_RSA, RS, "{" ISS "," AUD ",\"exp\":\"1764000100\"," ANN "}",
     JWT_EXPIRED},
    {"an endless end", KEY_RSA, RS, "{" ISS "," AUD ",\"exp\":1e300," ANN "}", JWT_EXPIRED},
    {"just over", KEY_RSA, RS, "{" ISS "," AUD ",\"exp\":1763999940," ANN "}", JWT_EXPIRED},
    {"within the leeway", KEY_RSA, RS, "{" ISS "," AUD ",\"exp\":1763999940.5," ANN "}", JWT_GOOD},
    {"begun", KEY_RSA, RS, "{" ISS "," AUD "," EXP ",\"nbf\":1764000060," ANN "}", JWT_GOOD},
    {"not yet", KEY_RSA, RS, "{" ISS "," AUD "," EXP ",\"nbf\":1764000061," ANN "}", JWT_NOT_YET},
    {"a beginning that is null", KEY_RSA, RS, "{" ISS "," AUD "," EXP ",\"nbf\":null," ANN "}",
     JWT_NOT_YET},
    {"nobody", KEY_RSA, RS, "{" ISS "," AUD "," EXP ",\"sub\":\"1\"}", JWT_NOBODY},
    {"an empty name", KEY_RSA, RS, "{" ISS "," AUD "," EXP ",\"email\":\"\"}", JWT_NOBODY},
    {"a name that is a list", KEY_RSA, RS,
     "{" ISS "," AUD "," EXP ",\"email\":[\"ann@example.org\"]}", JWT_NOBODY},
    {"verified", KEY_RSA, RS, "{" ISS "," AUD "," EXP ",\"email_verified\":true," ANN "}",
     JWT_GOOD},
    {"not verified", KEY_RSA, RS, "{" ISS "," AUD "," EXP ",\"email_verified\":false," ANN "}",
     JWT_NOBODY},
};

static enum jwt_verdict check(struct bytes token, const struct jwt_terms *terms)
{
    struct buf account;
    uint8_t *exact = malloc(token.len ? token.len : 1);
    if (token.len)
        memcpy(exact, token.at, token.len);
    buf_init(&account, LIMIT);
    enum jwt_verdict verdict = jwt_check((struct bytes){exact, token.len}, terms, &account);
    assert_true(bytes_equal(buf_view(&account),
                            verdict == JWT_GOOD ? BYTES("ann@example.org") : BYTES_NONE));
    buf_done(&account);
    free(exact);
    return verdict;
}

static void tokens_are_judged(void **state)
{
    struct jwt_terms terms = terms_now();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf token;
        buf_init(&token, LIMIT);
        make(&token, rows[i].kind, rows[i].header, rows[i].claims);
        enum jwt_verdict verdict = check(buf_view(&token), &terms);
        if (verdict != rows[i].want)
            fail_msg("%s: %s", rows[i].name, jwt_verdict_text(verdict));
        buf_done(&token);
    }
}

static void no_byte_can_be_changed(void **state)
{
    struct jwt_terms terms = terms_now();
    for (size_t kind = 0; kind < KINDS; kind++) {
        static const char *const headers[] = {RS, "{\"alg\":\"ES256\"}", "{\"alg\":\"EdDSA\"}"};
        struct buf token;
        buf_init(&token, LIMIT);
        make(&token, (enum kind)kind, headers[kind], GOOD);
        for (size_t i = 0; i < token.len; i++) {
            token.at[i] ^= 1;
            assert_int_not_equal(check(buf_view(&token), &terms), JWT_GOOD);
            token.at[i] ^= 1;
            assert_int_not_equal(check(bytes_sub(buf_view(&token), 0, i), &terms), JWT_GOOD);
        }
        assert_int_equal(check(buf_view(&token), &terms), JWT_GOOD);
        buf_add_byte(&token, '.');
        assert_int_equal(check(buf_view(&token), &terms), JWT_MALFORMED);
        buf_done(&token);
    }
}

/* The public key's text as the secret of HS256 (CVE-2015-9235). */
static void a_public_key_is_no_secret(void **state)
{
    struct jwt_terms terms = terms_now();
    uint8_t mac[32];
    unsigned len = sizeof mac;
    struct buf token;
    buf_init(&token, LIMIT);
    buf_add(&token, BYTES("eyJhbGciOiJIUzI1NiJ9.e30"));
    assert_non_null(HMAC(EVP_sha256(), "pem", 3, token.at, token.len, mac, &len));
    buf_add(&token, BYTES(".MAC"));
    assert_int_equal(check(buf_view(&token), &terms), JWT_ALGORITHM);
    buf_done(&token);
}

/* RFC 7515, A.3, with the key of A.3.1; its claims are not ours. */
static const char es256[] =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
    "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6"
    "-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
#define P256                                                                                       \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","      \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
/* RFC 8037, A.2. */
#define ED25519                                                                                    \
    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define OCT "\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T\""

static const struct {
    const char *name, *set;
    size_t count;          /* keys taken; 0: refused */
    enum jwt_verdict want; /* of the token above */
} sets[] = {
    {"one", "{\"keys\":[{" P256 "}]}", 1, JWT_ISSUER},
    {"with all members", "{\"keys\":[{" P256 ",\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"1\"}]}",
     1, JWT_ISSUER},
    {"among others", "{\"keys\":[{" OCT "},{" ED25519 "},{" P256 "},{},1,null]}", 2, JWT_ISSUER},
    {"only another", "{\"keys\":[{" ED25519 "}]}", 1, JWT_UNKNOWN_KEY},
    {"for encryption", "{\"keys\":[{" P256 ",\"use\":\"enc\"}]}", 0, JWT_GOOD},
    {"for another algorithm", "{\"keys\":[{" P256 ",\"alg\":\"ES512\"}]}", 0, JWT_GOOD},
    {"symmetric", "{\"keys\":[{" OCT "}]}", 0, JWT_GOOD},
    {"not on the curve",
     "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
     "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}]}",
     0, JWT_GOOD},
    {"short RSA", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", 0, JWT_GOOD},
    {"RSA without e", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\"}]}", 0, JWT_GOOD},
    {"empty", "{\"keys\":[]}", 0, JWT_GOOD},
    {"a key alone", "{" P256 "}", 0, JWT_GOOD},
    {"no JSON", "{\"keys\":[", 0, JWT_GOOD},
    {"nothing", "", 0, JWT_GOOD},
};

static void sets_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(sets); i++) {
        struct error err;
        struct jwt_keys *set = jwt_keys_new();
        struct jwt_terms terms = terms_now();
        terms.keys = set;
        bool is_good = jwt_keys_add_set(set, bytes_of(sets[i].set), &err);
        if (is_good != (sets[i].count > 0) || jwt_keys_count(set) != sets[i].count)
            fail_msg("%s: %zu keys", sets[i].name, jwt_keys_count(set));
        if (is_good && check(bytes_of(es256), &terms) != sets[i].want)
            fail_msg("%s: %s", sets[i].name, jwt_verdict_text(check(bytes_of(es256), &terms)));
        jwt_keys_free(set);
    }
}

static void keys_are_chosen_by_their_ids(void **state)
{
    struct error err;
    struct jwt_keys *set = jwt_keys_new();
    struct jwt_terms terms = terms_now();
    struct buf token;
    terms.keys = set;
    buf_init(&token, LIMIT);
    assert_true(jwt_keys_add_set(set, BYTES("{\"keys\":[{" P256 ",\"kid\":\"a\"}]}"), &err));
    make(&token, KEY_EC, "{\"alg\":\"ES256\",\"kid\":\"b\"}", GOOD);
    assert_int_equal(check(buf_view(&token), &terms), JWT_UNKNOWN_KEY);
    add_pem(set, keys_made[KEY_EC]);
    assert_int_equal(check(buf_view(&token), &terms), JWT_GOOD);
    buf_clear(&token);
    make(&token, KEY_EC, "{\"alg\":\"ES256\"}", GOOD);
    assert_int_equal(check(buf_view(&token), &terms), JWT_GOOD);
    buf_done(&token);
    jwt_keys_free(set);
}

static void what_is_no_key_is_refused(void **state)
{
    struct error err;
    struct jwt_keys *set = jwt_keys_new();
    assert_false(jwt_keys_add_pem(set, BYTES_NONE, &err));
    assert_false(jwt_keys_add_pem(set, BYTES("-----BEGIN PUBLIC KEY-----\n"), &err));
    EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, weak), 1);
    long len = BIO_get_mem_data(bio, &text);
    assert_false(jwt_keys_add_pem(set, (struct bytes){(uint8_t *)text, (size_t)len}, &err));
    BIO_free(bio);
    EVP_PKEY_free(weak);
    for (size_t i = 0; i < JWT_KEYS_LIMIT; i++)
        add_pem(set, keys_made[KEY_ED]);
    assert_false(jwt_keys_add_set(set, BYTES("{\"keys\":[{" P256 "}]}"), &err));
    jwt_keys_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_judged),
        cmocka_unit_test(no_byte_can_be_changed),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(sets_are_read),
        cmocka_unit_test(keys_are_chosen_by_their_ids),
        cmocka_unit_test(what_is_no_key_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
