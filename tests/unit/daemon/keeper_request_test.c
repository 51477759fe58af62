/* Questions to the keeper and its answers as packets: what is printed is read again, every cut of
 * it is refused, and so is what is too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/keeper_request.h"

static const struct keeper_request requests[] = {
    {.kind = KEEPER_VERIFY_PASSWORD,
     .user = BYTES_INIT("ann@example.org"),
     .secret = BYTES_INIT("a\0b"),
     .peer = BYTES_INIT("192.0.2.1"),
     .mechanism = BYTES_INIT("PLAIN"),
     .session = UINT64_MAX},
    {.kind = KEEPER_SCRAM_PROOF, .user = BYTES_INIT("ann"), .message = BYTES_INIT("n=,r=")},
    {.kind = KEEPER_SIGN,
     .scheme = KEEPER_RSA_PSS,
     .hash = KEEPER_SHA512,
     .user = BYTES_INIT("/keys/a.pem"),
     .secret = BYTES_INIT("digest")},
    {.kind = KEEPER_CREDENTIAL},
};

static const struct keeper_answer answers[] = {
    {.status = KEEPER_NO, .reason = BYTES_INIT("no")},
    {.status = KEEPER_OK,
     .address = BYTES_INIT("ann@example.org"),
     .own = BYTES_INIT("\005a@b.c"),
     .messages_per_day = UINT32_MAX,
     .recipients_per_day = 1,
     .iterations = 4096,
     .salt = BYTES_INIT("\0\1"),
     .signature = BYTES_INIT("sig")},
};

/* A copy that ends where its heap block ends. */
static uint8_t *copy_of(struct bytes bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, bytes.at, len);
    return copy;
}

static bool is_same(struct bytes a, struct bytes b)
{
    return bytes_equal(a, b);
}

static void requests_come_back(void **state)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        const struct keeper_request *want = &requests[i];
        struct keeper_request got;
        struct buf out;
        keeper_packet_init(&out);
        assert_true(keeper_request_print(&out, want));
        assert_true(keeper_request_scan(buf_view(&out), &got));
        assert_int_equal(got.kind, want->kind);
        assert_int_equal(got.scheme, want->scheme);
        assert_int_equal(got.hash, want->hash);
        assert_true(is_same(got.user, want->user) && is_same(got.secret, want->secret));
        assert_true(is_same(got.message, want->message) && is_same(got.peer, want->peer));
        assert_true(is_same(got.mechanism, want->mechanism));
        for (size_t len = 0; len < out.len; len++) {
            uint8_t *cut = copy_of(buf_view(&out), len);
            assert_false(keeper_request_scan((struct bytes){cut, len}, &got));
            free(cut);
        }
        buf_add_byte(&out, 0);
        assert_false(keeper_request_scan(buf_view(&out), &got));
        keeper_packet_done(&out);
    }
}

static void answers_come_back(void **state)
{
    for (size_t i = 0; i < COUNT(answers); i++) {
        const struct keeper_answer *want = &answers[i];
        struct keeper_answer got;
        struct buf out;
        keeper_packet_init(&out);
        assert_true(keeper_answer_print(&out, want));
        assert_true(keeper_answer_scan(buf_view(&out), &got));
        assert_int_equal(got.status, want->status);
        assert_int_equal(got.iterations, want->iterations);
        assert_int_equal(got.messages_per_day, want->messages_per_day);
        assert_int_equal(got.recipients_per_day, want->recipients_per_day);
        assert_true(is_same(got.address, want->address) && is_same(got.own, want->own));
        assert_true(is_same(got.salt, want->salt) && is_same(got.signature, want->signature));
        assert_true(is_same(got.reason, want->reason));
        for (size_t len = 0; len < out.len; len++) {
            uint8_t *cut = copy_of(buf_view(&out), len);
            assert_false(keeper_answer_scan((struct bytes){cut, len}, &got));
            free(cut);
        }
        keeper_packet_done(&out);
    }
}

static void the_longest_fit_and_longer_are_refused(void **state)
{
    static const uint8_t zeros[KEEPER_BYTES_LIMIT + 1];
    struct bytes text = {zeros, KEEPER_TEXT_LIMIT}, longest = {zeros, KEEPER_BYTES_LIMIT};
    struct keeper_request request = {
        .user = text, .secret = longest, .message = longest, .peer = text, .mechanism = text};
    struct keeper_answer answer = {.address = text,
                                   .own = {zeros, KEEPER_OWN_LIMIT},
                                   .salt = text,
                                   .signature = longest,
                                   .reason = text};
    struct buf out;
    keeper_packet_init(&out);
    assert_true(keeper_request_print(&out, &request));
    assert_true(keeper_request_scan(buf_view(&out), &request));
    buf_clear(&out);
    assert_true(keeper_answer_print(&out, &answer));
    assert_true(keeper_answer_scan(buf_view(&out), &answer));
    buf_clear(&out);
    request.secret = (struct bytes){zeros, sizeof zeros};
    assert_false(keeper_request_print(&out, &request));
    assert_int_equal(out.len, 0);
    answer.signature = (struct bytes){zeros, sizeof zeros};
    assert_false(keeper_answer_print(&out, &answer));
    assert_int_equal(out.len, 0);
    keeper_packet_done(&out);
}

static void addresses_are_listed(void **state)
{
    struct bytes list, address;
    struct buf own;
    buf_init(&own, KEEPER_OWN_LIMIT);
    keeper_add_own(&own, BYTES("a@example.org"));
    keeper_add_own(&own, BYTES("b@example.org"));
    list = buf_view(&own);
    assert_true(keeper_next_own(&list, &address) && is_same(address, BYTES("a@example.org")));
    assert_true(keeper_next_own(&list, &address) && is_same(address, BYTES("b@example.org")));
    assert_false(keeper_next_own(&list, &address));
    buf_done(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_back),
        cmocka_unit_test(answers_come_back),
        cmocka_unit_test(the_longest_fit_and_longer_are_refused),
        cmocka_unit_test(addresses_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
