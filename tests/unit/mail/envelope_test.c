/* The envelope's form on disk: there and back, and no bytes that do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/envelope.h"

static struct envelope_recipient two[] = {
    {BYTES_INIT("bob@example.com"), BYTES_INIT("rfc822;bob@example.com"),
     NOTIFY_SUCCESS | NOTIFY_DELAY},
    {BYTES_INIT("eve@example.net"), {NULL, 0}, NOTIFY_NEVER},
};

static const struct {
    const char *name;
    struct envelope envelope;
} rows[] = {
    {"nothing set", {0}},
    {"all set",
     {.id = 0x0123456789abcdef,
      .received_ms = 1790000000123,
      .reverse_path = BYTES_INIT("ann@example.org"),
      .envid = BYTES_INIT("QQ314159"),
      .ret = RET_HDRS,
      .body = BODY_BINARYMIME,
      .is_smtputf8 = true,
      .by_mode = BY_NOTIFY,
      .by_trace = true,
      .by_ms = -1,
      .hold_until_ms = INT64_MAX,
      .size = UINT64_MAX,
      .client = BYTES_INIT("2001:db8::1"),
      .helo = BYTES_INIT("mail.example.org"),
      .user = BYTES_INIT("ann"),
      .recipients = two,
      .recipient_count = 2}},
    {"null reverse-path", {.recipients = two, .recipient_count = 1}},
};

static void print(struct buf *out, const struct envelope *envelope)
{
    buf_init(out, 1 << 20);
    envelope_print(out, envelope);
    assert_false(out->overflowed);
}

static void round_trip(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct envelope *want = &rows[i].envelope;
        struct buf first, second;
        struct arena *arena = arena_new(4096);
        struct envelope got;
        print(&first, want);
        if (!envelope_scan(buf_view(&first), arena, &got))
            fail_msg("%s: not read back", rows[i].name);
        assert_true(got.id == want->id && got.received_ms == want->received_ms);
        assert_true(got.ret == want->ret && got.body == want->body);
        assert_true(got.is_smtputf8 == want->is_smtputf8 && got.by_mode == want->by_mode);
        assert_true(got.by_trace == want->by_trace && got.by_ms == want->by_ms);
        assert_true(got.hold_until_ms == want->hold_until_ms && got.size == want->size);
        assert_true(bytes_equal(got.reverse_path, want->reverse_path));
        assert_true(bytes_equal(got.envid, want->envid) && bytes_equal(got.helo, want->helo));
        assert_true(bytes_equal(got.client, want->client) && bytes_equal(got.user, want->user));
        assert_int_equal(got.recipient_count, want->recipient_count);
        for (size_t r = 0; r < got.recipient_count; r++) {
            assert_true(bytes_equal(got.recipients[r].address, want->recipients[r].address));
            assert_true(bytes_equal(got.recipients[r].orcpt, want->recipients[r].orcpt));
            assert_int_equal(got.recipients[r].notify, want->recipients[r].notify);
        }
        print(&second, &got);
        assert_true(bytes_equal(buf_view(&first), buf_view(&second)));
        buf_done(&first);
        buf_done(&second);
        arena_free(arena);
    }
}

static void long_strings_have_long_lengths(void **state)
{
    static uint8_t text[20000];
    static const size_t lengths[] = {127, 128, 255, 256, 16383, 16384, 20000};
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct envelope envelope = {.reverse_path = {text, lengths[i]}}, got;
        struct buf stored;
        struct arena *arena = arena_new(4096);
        print(&stored, &envelope);
        assert_true(envelope_scan(buf_view(&stored), arena, &got));
        assert_int_equal(got.reverse_path.len, lengths[i]);
        buf_done(&stored);
        arena_free(arena);
    }
}

static bool is_read(struct bytes stored, size_t ceiling)
{
    uint8_t *copy = malloc(stored.len ? stored.len : 1);
    assert_non_null(copy);
    if (stored.len)
        memcpy(copy, stored.at, stored.len);
    struct arena *arena = arena_new(ceiling);
    struct envelope got;
    bool was_read = envelope_scan((struct bytes){copy, stored.len}, arena, &got);
    arena_free(arena);
    free(copy);
    return was_read;
}

static void what_is_cut_or_longer_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf stored;
        print(&stored, &rows[i].envelope);
        for (size_t len = 0; len < stored.len; len++)
            assert_false(is_read(bytes_sub(buf_view(&stored), 0, len), 4096));
        assert_true(is_read(buf_view(&stored), 4096));
        buf_add_byte(&stored, 0);
        assert_false(is_read(buf_view(&stored), 4096));
        buf_done(&stored);
    }
}

/* Offsets of an empty envelope's bytes on disk. */
enum { AT_VERSION = 0, AT_RET = 25, AT_BODY, AT_FLAGS, AT_BY_MODE, AT_PATH = 45, AT_COUNT = 50 };

static void strange_values_are_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } changes[] = {
        {"version before", AT_VERSION, 0},
        {"version to come", AT_VERSION, 2},
        {"ret", AT_RET, 3},
        {"body", AT_BODY, 3},
        {"flags", AT_FLAGS, 4},
        {"by mode", AT_BY_MODE, 3},
        {"length beyond the end", AT_PATH, 99},
        {"one recipient, no bytes", AT_COUNT, 1},
        {"endless length", AT_COUNT, 0xFF},
    };
    for (size_t i = 0; i < COUNT(changes); i++) {
        struct buf stored;
        print(&stored, &rows[0].envelope);
        assert_int_equal(stored.len, AT_COUNT + 1);
        stored.at[changes[i].at] = changes[i].value;
        if (is_read(buf_view(&stored), 4096))
            fail_msg("%s", changes[i].name);
        buf_done(&stored);
    }
}

static void a_great_count_allocates_nothing(void **state)
{
    struct buf stored;
    print(&stored, &rows[0].envelope);
    stored.len--;
    buf_add(&stored, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));
    struct arena *arena = arena_new(SIZE_MAX / 2);
    struct envelope got;
    assert_false(envelope_scan(buf_view(&stored), arena, &got));
    assert_int_equal(arena_used(arena), 0);
    buf_done(&stored);
    arena_free(arena);
}

static void a_needless_byte_in_a_length_is_refused(void **state)
{
    struct buf stored;
    print(&stored, &rows[0].envelope);
    stored.len--;
    buf_add(&stored, ((struct bytes){(const uint8_t *)"\x80\x00", 2}));
    assert_false(is_read(buf_view(&stored), 4096));
    buf_done(&stored);
}

static void the_arena_has_a_ceiling(void **state)
{
    struct buf stored;
    print(&stored, &rows[1].envelope);
    assert_false(is_read(buf_view(&stored), sizeof(struct envelope_recipient)));
    buf_done(&stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(long_strings_have_long_lengths),
        cmocka_unit_test(what_is_cut_or_longer_is_refused),
        cmocka_unit_test(strange_values_are_refused),
        cmocka_unit_test(a_great_count_allocates_nothing),
        cmocka_unit_test(a_needless_byte_in_a_length_is_refused),
        cmocka_unit_test(the_arena_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
