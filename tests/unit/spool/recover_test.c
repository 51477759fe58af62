#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "fixture.h"

/* A record of fixture_append with a body of 10 bytes takes this much. */
enum { SMALL = 128 };

static void accept_loss(struct fixture *fixture)
{
    struct error err;
    struct disk_file *file = disk_open(fixture->disk, "shard/accept-loss", DISK_NEW, &err);
    assert_non_null(file);
    disk_close(file);
}

/* Three messages, each durable before the next was written. */
static void store_three(struct fixture *fixture)
{
    for (uint64_t id = 1; id <= 3; id++)
        fixture_store(fixture, id, 10);
}

static void damage_is_told_from_a_torn_tail(void **state)
{
    static const struct {
        const char *name;
        uint64_t offset;
        const char *found, *after_loss; /* found NULL: refused */
    } rows[] = {
        {"header of the first", SEGMENT_START + 20, NULL, "2:m::11 3:m::11 "},
        {"body of the first", SEGMENT_START + 100, NULL, "2:m::11 3:m::11 "},
        {"header of the second", SEGMENT_START + SMALL + 8, NULL, "1:m::11 3:m::11 "},
        {"the last: as if torn", SEGMENT_START + 2 * SMALL + 8, "1:m::11 2:m::11 ", NULL},
        {"padding means nothing", SEGMENT_START + SMALL - 1, "1:m::11 2:m::11 3:m::11 ", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        void *own;
        assert_int_equal(fixture_setup(&own), 0);
        struct fixture *fixture = own;
        store_three(fixture);
        fixture_close(fixture);
        fixture_flip(fixture, "000001.seg", rows[i].offset);
        bool is_open = fixture_open(fixture);
        if (is_open != (rows[i].found != NULL))
            fail_msg("%s: %s", rows[i].name, fixture->err.text);
        if (is_open) {
            assert_true(fixture_found(fixture, rows[i].found));
        } else {
            assert_non_null(strstr(fixture->err.text, "000001.seg is damaged at offset"));
            assert_non_null(strstr(fixture->err.text, "accept-loss"));
            accept_loss(fixture);
            assert_true(fixture_open(fixture));
            assert_true(fixture_found(fixture, rows[i].after_loss));
        }
        fixture_teardown(&own);
    }
}

static void damage_in_an_earlier_segment_is_refused(void **state)
{
    struct fixture *fixture = *state;
    store_three(fixture);
    fixture_restart(fixture, DISK_SIM_POWER); /* begins a new segment */
    fixture_store(fixture, 4, 10);
    fixture_close(fixture);
    fixture_flip(fixture, "000001.seg", SEGMENT_START + 2 * SMALL + 8);
    assert_false(fixture_open(fixture));
    assert_non_null(strstr(fixture->err.text, "000001.seg is damaged at offset 8448"));
    accept_loss(fixture);
    assert_true(fixture_open(fixture));
    assert_true(fixture_found(fixture, "1:m::11 2:m::11 4:m::11 "));
}

static void a_missing_segment_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    store_three(fixture);
    fixture_restart(fixture, DISK_SIM_POWER);
    fixture_store(fixture, 4, 10);
    fixture_restart(fixture, DISK_SIM_POWER);
    fixture_store(fixture, 5, 10);
    fixture_close(fixture);
    assert_true(disk_unlink(fixture->disk, "shard/000001.seg", &err));
    assert_false(fixture_open(fixture));
    assert_non_null(strstr(fixture->err.text, "missing"));
    accept_loss(fixture);
    assert_true(fixture_open(fixture));
    assert_true(fixture_found(fixture, "4:m::11 5:m::11 "));
}

static void a_copied_segment_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    static uint8_t whole[FIXTURE_SEGMENT];
    size_t len;
    store_three(fixture);
    fixture_close(fixture);
    struct disk_file *from = disk_open(fixture->disk, "shard/000001.seg", DISK_READ, &err);
    struct disk_file *to = disk_open(fixture->disk, "shard/000009.seg", DISK_NEW, &err);
    assert_true(disk_read(from, 0, whole, sizeof whole, &len, &err));
    struct bytes part = {whole, len};
    assert_true(disk_write(to, 0, &part, 1, &err));
    disk_close(from);
    disk_close(to);
    assert_false(fixture_open(fixture));
    assert_non_null(strstr(fixture->err.text, "contradict"));
}

static void one_damaged_header_slot_is_none(void **state)
{
    struct fixture *fixture = *state;
    store_three(fixture);
    fixture_close(fixture);
    fixture_flip(fixture, "000001.seg", SEGMENT_SLOT + 30); /* was never used */
    assert_true(fixture_open(fixture));
    assert_true(fixture_found(fixture, "1:m::11 2:m::11 3:m::11 "));
    fixture_close(fixture);
    fixture_flip(fixture, "000001.seg", 30);
    assert_false(fixture_open(fixture));
    assert_non_null(strstr(fixture->err.text, "both headers are damaged"));
}

static void body_files_are_checked(void **state)
{
    static const char *path = "shard/bodies/0000000000002.body";
    struct fixture *fixture = *state;
    struct error err;
    fixture_store(fixture, 1, 10);
    fixture_store(fixture, 2, 50000);
    fixture_flip(fixture, "bodies/0000000000002.body", 40000);
    struct spool_reader *reader = spool_reader_open(fixture->spool, 2);
    uint8_t *some = memory_new(50001, 1);
    size_t len;
    assert_true(spool_reader_read(reader, 0, some, 1, &len, &err));
    assert_false(spool_reader_read(reader, 1, some, 50000, &len, &err));
    assert_non_null(strstr(err.text, "the body's file is damaged"));
    spool_reader_close(reader);
    free(some);
    fixture_close(fixture);
    struct disk_file *file = disk_open(fixture->disk, path, DISK_WRITE, &err);
    struct bytes more = BYTES("one");
    assert_true(disk_write(file, 50000, &more, 1, &err));
    disk_close(file);
    assert_false(fixture_open(fixture));
    assert_non_null(strstr(fixture->err.text, "another size"));
    assert_true(disk_unlink(fixture->disk, path, &err));
    assert_false(fixture_open(fixture));
    assert_non_null(strstr(fixture->err.text, "its body's file is missing"));
    accept_loss(fixture);
    assert_true(fixture_open(fixture));
    assert_true(fixture_found(fixture, "1:m::11 "));
}

static void orphaned_bodies_are_removed(void **state)
{
    static const char *path = "shard/bodies/0000000000009.body";
    struct fixture *fixture = *state;
    struct error err;
    fixture_close(fixture);
    disk_close(disk_open(fixture->disk, path, DISK_NEW, &err));
    assert_true(fixture_open(fixture));
    assert_null(disk_open(fixture->disk, path, DISK_READ, &err));
}

/* A sender may put into a body what looks like the log's next record. */
static void a_body_never_becomes_a_record(void **state)
{
    struct fixture *fixture = *state;
    struct record forged = {.type = RECORD_MESSAGE,
                            .generation = 1,
                            .seq = 3,
                            .durable_seq = 1000,
                            .id = 666,
                            .arrival = 3};
    uint8_t body[64 + RECORD_HEADER] = {0};
    fixture_store(fixture, 1, 10);
    /* The body begins 98 bytes behind the record's start; 30 more, and it is aligned. */
    record_seal(&forged, 0);
    memcpy(body + 30, &forged, sizeof forged);
    struct spool_message message = {2, BYTES("m"), BYTES("P"), 0};
    struct spool_body *own = spool_body_new(fixture->spool, 2);
    assert_true(spool_body_add(own, (struct bytes){body, sizeof body}));
    spool_append(fixture->spool, &message, own, fixture);
    fixture_settle(fixture);
    assert_int_equal(fixture_outcome(fixture, 2), SPOOL_STORED);
    fixture_close(fixture);
    fixture_flip(fixture, "000001.seg", SEGMENT_START + SMALL + 20); /* its own header torn */
    assert_true(fixture_open(fixture));
    assert_true(fixture_found(fixture, "1:m::11 "));
}

static void read_errors_are_not_taken_for_a_tail(void **state)
{
    struct fixture *fixture = *state;
    store_three(fixture);
    fixture_close(fixture);
    struct disk_sim_faults faults = {.read_permille = 1000};
    disk_sim_set(fixture->disk, &faults);
    assert_false(fixture_open(fixture));
    faults.read_permille = 0;
    disk_sim_set(fixture->disk, &faults);
    assert_true(fixture_open(fixture));
    assert_true(fixture_found(fixture, "1:m::11 2:m::11 3:m::11 "));
}

static void another_segment_size_is_fine(void **state)
{
    struct fixture *fixture = *state;
    store_three(fixture);
    fixture->settings.segment_bytes = 2 * FIXTURE_SEGMENT;
    fixture_restart(fixture, DISK_SIM_POWER);
    for (uint64_t id = 1; id <= 3; id++)
        spool_remove(fixture->spool, id);
    fixture_store(fixture, 4, 15000);
    fixture_restart(fixture, DISK_SIM_POWER);
    assert_true(fixture_found(fixture, "4:m::15001 "));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(damage_is_told_from_a_torn_tail),      TEST(damage_in_an_earlier_segment_is_refused),
        TEST(a_missing_segment_is_noticed),         TEST(a_copied_segment_is_noticed),
        TEST(one_damaged_header_slot_is_none),      TEST(body_files_are_checked),
        TEST(orphaned_bodies_are_removed),          TEST(a_body_never_becomes_a_record),
        TEST(read_errors_are_not_taken_for_a_tail), TEST(another_segment_size_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
