#include "spool/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <xxhash.h>

#include "base/memory.h"

enum { SALT = 99, GENERATION = 5 };

/* A sealed message of 200 bytes, padded to 320, at the very end of a heap block. */
static uint8_t *record_make(struct record *record)
{
    *record = (struct record){.type = RECORD_MESSAGE,
                              .generation = GENERATION,
                              .seq = 7,
                              .durable_seq = 6,
                              .id = 42,
                              .arrival = 7,
                              .meta_len = 20,
                              .prefix_len = 30,
                              .body_len = 150};
    uint8_t *whole = memory_new(record_bytes(record), 1);
    for (size_t i = RECORD_HEADER; i < RECORD_HEADER + 200; i++)
        whole[i] = (uint8_t)i;
    record->head_sum = XXH3_64bits(whole + RECORD_HEADER, 50);
    record->body_sum = XXH3_64bits(whole + RECORD_HEADER + 50, 150);
    record_seal(record, SALT);
    memcpy(whole, record, sizeof *record);
    return whole;
}

static void lengths_are_padded(void **state)
{
    static const struct {
        const char *name;
        size_t meta, prefix, body;
        uint64_t want;
    } rows[] = {
        {"header alone", 0, 0, 0, 128},        {"fills its padding", 32, 0, 0, 128},
        {"one byte more", 33, 0, 0, 192},      {"all three", 10, 10, 12, 128},
        {"a body of 4 KiB", 0, 0, 4096, 4224},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (record_bytes_for(rows[i].meta, rows[i].prefix, rows[i].body) != rows[i].want)
            fail_msg("%s", rows[i].name);
}

static void what_is_sealed_is_read(void **state)
{
    struct record record, out;
    uint8_t *whole = record_make(&record);
    uint64_t bytes = record_bytes(&record);
    assert_true(record_read(whole, bytes, SALT, GENERATION, &out));
    assert_memory_equal(&record, &out, sizeof record);
    assert_true(record_is_whole(&out, whole));
    assert_int_equal(record_message_bytes(&out), 180);
    assert_false(record_read(whole, bytes, SALT + 1, GENERATION, &out));
    assert_false(record_read(whole, bytes, SALT, GENERATION + 1, &out));
    free(whole);
}

static void every_flipped_byte_is_noticed(void **state)
{
    struct record record, out;
    uint8_t *whole = record_make(&record);
    uint64_t bytes = record_bytes(&record);
    for (size_t i = 0; i < RECORD_HEADER + 200; i++) {
        whole[i] ^= 0x10;
        if (record_read(whole, bytes, SALT, GENERATION, &out) && record_is_whole(&out, whole))
            fail_msg("byte %zu", i);
        whole[i] ^= 0x10;
    }
    free(whole);
}

static void every_cut_is_noticed(void **state)
{
    struct record record, out;
    uint8_t *whole = record_make(&record);
    for (size_t room = 0; room < record_bytes(&record); room++) {
        uint8_t *cut = memory_new(room, 1);
        memcpy(cut, whole, room);
        assert_false(record_read(cut, room, SALT, GENERATION, &out));
        free(cut);
    }
    free(whole);
}

static void lengths_beyond_all_bounds_do_not_wrap(void **state)
{
    struct record record, out;
    uint8_t *whole = record_make(&record);
    uint64_t bytes = record_bytes(&record);
    record.body_len = UINT64_MAX - 100;
    record_seal(&record, SALT);
    memcpy(whole, &record, sizeof record);
    assert_false(record_read(whole, bytes, SALT, GENERATION, &out));
    record.body_len = 10;
    record.body_skip = 11;
    record_seal(&record, SALT);
    memcpy(whole, &record, sizeof record);
    assert_false(record_read(whole, bytes, SALT, GENERATION, &out));
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_padded),
        cmocka_unit_test(what_is_sealed_is_read),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(lengths_beyond_all_bounds_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
