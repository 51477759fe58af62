/* Hashes of a body: the empty ones of RFC 6376, 3.4, and that a cut, a second question or a limit
 * anywhere gives what a hash of that much gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>

#include "auth/body_hash.h"
#include "mail/base64.h"

static void the_empty_body(void **state)
{
    static const char *const want[] = {"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=",
                                       "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="};
    struct body_hash *hash = body_hash_new();
    assert_int_equal(body_hash_want(hash, CANONICAL_SIMPLE, BODY_WHOLE), 0);
    assert_int_equal(body_hash_want(hash, CANONICAL_RELAXED, BODY_WHOLE), 1);
    assert_false(body_hash_has_ended(hash));
    body_hash_end(hash);
    assert_true(body_hash_has_ended(hash));
    for (int i = 0; i < 2; i++) {
        const struct body_digest *digest = body_hash_view(hash, i);
        struct buf text;
        buf_init(&text, 100);
        base64_print(&text, (struct bytes){digest->digest, BODY_HASH_BYTES});
        assert_true(bytes_equal(buf_view(&text), bytes_of(want[i])));
        assert_int_equal(digest->body_bytes, i == 0 ? 2 : 0);
        buf_done(&text);
    }
    body_hash_free(hash);
    body_hash_free(NULL);
}

static void check_hash(const struct body_digest *digest, const char *form, size_t len)
{
    uint8_t want[32];
    assert_true(EVP_Digest(form, len, want, NULL, EVP_sha256(), NULL));
    assert_memory_equal(digest->digest, want, sizeof want);
}

static void limits_and_cuts(void **state)
{
    static const char body[] = "a  b \r\n\r\nc\r\n\r\n", simple[] = "a  b \r\n\r\nc\r\n",
                      relaxed[] = "a b\r\n\r\nc\r\n";
    for (size_t cut = 0; cut < sizeof body; cut++) {
        struct body_hash *hash = body_hash_new();
        int places[2][16];
        for (size_t limit = 0; limit < 16; limit++) {
            places[0][limit] = body_hash_want(hash, CANONICAL_SIMPLE, limit);
            places[1][limit] = body_hash_want(hash, CANONICAL_RELAXED, limit);
        }
        assert_int_equal(body_hash_want(hash, CANONICAL_RELAXED, 3), places[1][3]);
        int whole = body_hash_want(hash, CANONICAL_RELAXED, BODY_WHOLE);
        body_hash_add(hash, (struct bytes){(const uint8_t *)body, cut});
        body_hash_add(hash, (struct bytes){(const uint8_t *)body + cut, sizeof body - 1 - cut});
        body_hash_end(hash);
        check_hash(body_hash_view(hash, whole), relaxed, sizeof relaxed - 1);
        for (size_t limit = 0; limit < 16; limit++)
            for (int form = 0; form < 2; form++) {
                const struct body_digest *digest = body_hash_view(hash, places[form][limit]);
                size_t len = form == 0 ? sizeof simple - 1 : sizeof relaxed - 1;
                assert_int_equal(digest->is_short, limit > len);
                assert_int_equal(digest->body_bytes, len);
                check_hash(digest, form == 0 ? simple : relaxed, limit < len ? limit : len);
            }
        body_hash_free(hash);
    }
}

static void too_many_questions(void **state)
{
    struct body_hash *hash = body_hash_new();
    for (uint64_t i = 0; i < BODY_HASH_LIMIT; i++)
        assert_int_equal(body_hash_want(hash, CANONICAL_SIMPLE, i), i);
    assert_int_equal(body_hash_want(hash, CANONICAL_SIMPLE, BODY_HASH_LIMIT), -1);
    assert_int_equal(body_hash_want(hash, CANONICAL_SIMPLE, 7), 7);
    body_hash_free(hash);
}

static void a_large_body(void **state)
{
    /* Longer than what is hashed at a time, and with more empty lines held back than that. */
    struct body_hash *hash = body_hash_new();
    EVP_MD_CTX *want = EVP_MD_CTX_new();
    uint8_t digest[32];
    assert_non_null(want);
    assert_true(EVP_DigestInit_ex(want, EVP_sha256(), NULL));
    int place = body_hash_want(hash, CANONICAL_RELAXED, BODY_WHOLE);
    for (size_t i = 0; i < 3 * 10000; i++) {
        struct bytes line = i >= 10000 && i < 20000 ? BYTES("\r\n") : BYTES("a line\r\n");
        body_hash_add(hash, line);
        assert_true(EVP_DigestUpdate(want, line.at, line.len));
    }
    for (size_t i = 0; i < 10000; i++)
        body_hash_add(hash, BYTES(" \r\n"));
    body_hash_end(hash);
    assert_true(EVP_DigestFinal_ex(want, digest, NULL));
    assert_memory_equal(body_hash_view(hash, place)->digest, digest, sizeof digest);
    EVP_MD_CTX_free(want);
    body_hash_free(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_body),
        cmocka_unit_test(limits_and_cuts),
        cmocka_unit_test(too_many_questions),
        cmocka_unit_test(a_large_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
