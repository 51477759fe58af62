/* The arithmetic of SCRAM-SHA-256 against RFC 7677, 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/base64.h"
#include "smtp/scram.h"

static const char auth_message[] =
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

static struct bytes decoded(struct buf *room, const char *text)
{
    size_t before = room->len;
    assert_true(base64_scan(room, bytes_of(text), BASE64_PLAIN));
    return bytes_from(buf_view(room), before);
}

static void the_example_of_the_rfc(void **state)
{
    struct buf room;
    uint8_t made[SCRAM_HASH], expected[SCRAM_HASH], signature[SCRAM_HASH];
    struct scram_keys keys;
    buf_init(&room, 1000);
    assert_non_null(buf_reserve(&room, 500));
    struct bytes salt = decoded(&room, "W22ZaJ0SNY7soEsUEjb6gQ=="),
                 proof = decoded(&room, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
                 server = decoded(&room, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_true(scram_prove(BYTES("pencil"), salt, 4096, bytes_of(auth_message), made, expected));
    assert_memory_equal(made, proof.at, SCRAM_HASH);
    assert_memory_equal(expected, server.at, SCRAM_HASH);
    assert_true(scram_derive(BYTES("pencil"), salt, 4096, &keys));
    assert_true(scram_check(&keys, bytes_of(auth_message), proof, signature));
    assert_memory_equal(signature, server.at, SCRAM_HASH);
    buf_done(&room);
}

static void what_differs_is_no_proof(void **state)
{
    struct bytes salt = BYTES("0123456789abcdef"), text = bytes_of(auth_message);
    uint8_t proof[SCRAM_HASH], signature[SCRAM_HASH];
    struct scram_keys keys;
    assert_true(scram_derive(BYTES("secret"), salt, 4096, &keys));
    assert_true(scram_prove(BYTES("secret"), salt, 4096, text, proof, signature));
    struct bytes view = {proof, SCRAM_HASH};
    assert_true(scram_check(&keys, text, view, signature));
    assert_false(scram_check(&keys, bytes_from(text, 1), view, signature));
    assert_false(scram_check(&keys, text, bytes_from(view, 1), signature));
    assert_false(scram_check(&keys, text, BYTES_NONE, signature));
    for (size_t i = 0; i < SCRAM_HASH; i++) {
        proof[i] ^= 1;
        assert_false(scram_check(&keys, text, view, signature));
        proof[i] ^= 1;
    }
    assert_true(scram_prove(BYTES("Secret"), salt, 4096, text, proof, signature));
    assert_false(scram_check(&keys, text, view, signature));
}

static void bounds_hold(void **state)
{
    uint8_t long_salt[SCRAM_SALT_LIMIT + 1] = {0};
    struct scram_keys keys;
    assert_false(scram_derive(BYTES("x"), (struct bytes){long_salt, sizeof long_salt}, 1, &keys));
    assert_false(scram_derive(BYTES("x"), BYTES("salt"), 0, &keys));
    assert_true(scram_derive(BYTES("x"), BYTES_NONE, 1, &keys));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc),
        cmocka_unit_test(what_differs_is_no_proof),
        cmocka_unit_test(bounds_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
