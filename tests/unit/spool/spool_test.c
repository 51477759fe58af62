#include "spool/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/memory.h"
#include "disk/disk_real.h"
#include "fixture.h"

static void set_faults(struct fixture *fixture, struct disk_sim_faults faults)
{
    disk_sim_set(fixture->disk, &faults);
}

static void what_is_stored_is_read_back(void **state)
{
    static const struct {
        const char *name;
        size_t body_len, skip;
    } rows[] = {
        {"no body", 0, 0},
        {"one byte", 1, 0},
        {"front left out", 1000, 300},
        {"all left out", 1000, 1000},
        {"inline to the limit", FIXTURE_INLINE, 0},
        {"with a file", FIXTURE_INLINE + 1, 0},
        {"with a file, front left out", 200000, 70001},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        fixture_append(fixture, i + 1, rows[i].body_len, rows[i].skip);
        fixture_settle(fixture);
        assert_int_equal(fixture_outcome(fixture, i + 1), SPOOL_STORED);
    }
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < COUNT(rows); i++)
            if (!fixture_read(fixture, i + 1, rows[i].body_len - rows[i].skip))
                fail_msg("%s: %s", rows[i].name, fixture->err.text);
        fixture_restart(fixture, DISK_SIM_POWER);
    }
}

static void large_inline_bodies_are_read_in_pieces(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    fixture->settings.segment_bytes = 1024 * 1024;
    fixture->settings.inline_body_bytes = 300000;
    assert_true(fixture_open(fixture));
    fixture_store(fixture, 3, 300000);
    assert_true(fixture_read(fixture, 3, 300000));
    fixture_flip(fixture, "000001.seg", SEGMENT_START + 250000);
    assert_false(fixture_read(fixture, 3, 300000));
    assert_non_null(strstr(fixture->err.text, "damaged"));
}

static void states_replace_and_removals_remove(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t id = 1; id <= 3; id++)
        fixture_store(fixture, id, 10);
    spool_update(fixture->spool, 1, BYTES("first"));
    spool_update(fixture->spool, 1, BYTES("second"));
    spool_update(fixture->spool, 2, BYTES("other"));
    fixture_settle(fixture);
    spool_update(fixture->spool, 1, BYTES("third"));
    spool_update(fixture->spool, 3, BYTES("never written"));
    spool_remove(fixture->spool, 3);
    spool_update(fixture->spool, 77, BYTES("unknown"));
    spool_remove(fixture->spool, 77);
    assert_null(spool_reader_open(fixture->spool, 3));
    assert_int_equal(spool_stats(fixture->spool).messages, 2);
    fixture_settle(fixture);
    fixture_restart(fixture, DISK_SIM_POWER);
    assert_true(fixture_found(fixture, "1:m:third:11 2:m:other:11 "));
}

static void a_batch_is_one_write_and_one_sync(void **state)
{
    struct fixture *fixture = *state;
    fixture_store(fixture, 1, 10);
    for (uint64_t id = 2; id < 30; id++)
        fixture_append(fixture, id, 100, 0);
    uint64_t before = disk_sim_operations(fixture->disk);
    assert_true(fixture_batch(fixture));
    assert_int_equal(disk_sim_operations(fixture->disk) - before, 2);
    for (uint64_t id = 2; id < 30; id++)
        assert_int_equal(fixture_outcome(fixture, id), SPOOL_STORED);
}

static void without_syncs_a_kill_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    fixture->settings.is_durable = false;
    assert_true(fixture_open(fixture));
    fixture_store(fixture, 1, 10);
    uint64_t before = disk_sim_operations(fixture->disk);
    fixture_store(fixture, 2, 10);
    assert_int_equal(disk_sim_operations(fixture->disk) - before, 1);
    fixture_restart(fixture, DISK_SIM_KILL);
    assert_true(fixture_found(fixture, "1:m::11 2:m::11 "));
}

static void a_full_disk_refuses_mail_and_takes_results(void **state)
{
    struct fixture *fixture = *state;
    set_faults(fixture, (struct disk_sim_faults){.capacity = 3 * FIXTURE_SEGMENT});
    uint64_t stored = 0;
    for (uint64_t id = 1; id < 100 && stored == id - 1; id++) {
        fixture_append(fixture, id, 5000, 0);
        assert_true(fixture_batch(fixture));
        enum spool_outcome outcome = fixture_outcome(fixture, id);
        assert_true(outcome == SPOOL_STORED || outcome == SPOOL_FULL);
        stored += outcome == SPOOL_STORED;
    }
    assert_in_range(stored, 15, 25); /* two segments; the third is the reserve */
    for (uint64_t id = 1; id <= stored; id++)
        spool_remove(fixture->spool, id);
    fixture_append(fixture, 200, 10, 0);
    fixture_settle(fixture);
    (void)fixture_outcome(fixture, 200);
    fixture_store(fixture, 201, 5000);
    fixture_restart(fixture, DISK_SIM_POWER);
    assert_true(fixture_found(fixture, "200:m::11 201:m::5001 ") ||
                fixture_found(fixture, "201:m::5001 "));
}

static void the_low_water_mark_is_looked_at_once_a_second(void **state)
{
    struct fixture *fixture = *state;
    assert_true(spool_has_room(fixture->spool, 5000));
    set_faults(fixture, (struct disk_sim_faults){.capacity = 1});
    assert_true(spool_has_room(fixture->spool, 5999));
    assert_false(spool_has_room(fixture->spool, 6000));
}

static void a_failed_sync_is_not_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    fixture_store(fixture, 1, 10);
    fixture_store(fixture, 2, FIXTURE_INLINE + 1);
    spool_remove(fixture->spool, 1);
    fixture_append(fixture, 3, 10, 0);
    fixture_append(fixture, 4, FIXTURE_INLINE + 1, 0);
    set_faults(fixture, (struct disk_sim_faults){.sync_permille = 1000});
    assert_true(fixture_batch(fixture));
    assert_int_equal(fixture_outcome(fixture, 3), SPOOL_FAILED);
    assert_int_equal(fixture_outcome(fixture, 4), SPOOL_FAILED);
    /* The removal waits for better times, and does not ask for batches by itself. */
    assert_false(spool_wants_batch(fixture->spool));
    set_faults(fixture, (struct disk_sim_faults){0});
    fixture_store(fixture, 5, 10);
    fixture_restart(fixture, DISK_SIM_POWER);
    assert_true(fixture_found(fixture, "2:m::16386 5:m::11 "));
}

static void a_body_to_remove_waits_for_better_times(void **state)
{
    struct fixture *fixture = *state;
    fixture_store(fixture, 1, FIXTURE_INLINE + 1);
    spool_remove(fixture->spool, 1);
    assert_true(fixture_batch(fixture));
    assert_true(spool_wants_batch(fixture->spool));
    fixture_append(fixture, 2, 10, 0);
    set_faults(fixture, (struct disk_sim_faults){.sync_permille = 1000});
    assert_true(fixture_batch(fixture));
    assert_int_equal(fixture_outcome(fixture, 2), SPOOL_FAILED);
    assert_false(spool_wants_batch(fixture->spool));
    set_faults(fixture, (struct disk_sim_faults){0});
    assert_true(spool_has_room(fixture->spool, 2000));
    assert_true(spool_wants_batch(fixture->spool));
    fixture_settle(fixture);
}

static void a_collected_result_asks_again_after_a_second(void **state)
{
    struct fixture *fixture = *state;
    fixture_store(fixture, 1, 10);
    assert_true(spool_has_room(fixture->spool, 1000));
    spool_remove(fixture->spool, 1);
    set_faults(fixture, (struct disk_sim_faults){.write_permille = 1000});
    assert_true(fixture_batch(fixture));
    set_faults(fixture, (struct disk_sim_faults){0});
    assert_false(spool_wants_batch(fixture->spool));
    assert_true(spool_has_room(fixture->spool, 2000));
    assert_true(spool_wants_batch(fixture->spool));
    fixture_settle(fixture);
    fixture_restart(fixture, DISK_SIM_POWER);
    assert_true(fixture_found(fixture, ""));
}

static void a_record_larger_than_a_segment_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    fixture->settings.inline_body_bytes = FIXTURE_SEGMENT;
    assert_true(fixture_open(fixture));
    fixture_append(fixture, 1, FIXTURE_SEGMENT, 0);
    fixture_append(fixture, 2, 10, 0);
    fixture_settle(fixture);
    assert_int_equal(fixture_outcome(fixture, 1), SPOOL_FAILED);
    assert_int_equal(fixture_outcome(fixture, 2), SPOOL_STORED);
}

static void segments_are_recycled(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t id = 1; id <= 200; id++) {
        fixture_store(fixture, id, 5000);
        if (id > 5)
            spool_remove(fixture->spool, id - 5);
    }
    struct spool_stats stats = spool_stats(fixture->spool);
    assert_in_range(stats.segment_count + stats.free_segments, 2, 6);
    assert_int_equal(stats.messages, 5);
    fixture_restart(fixture, DISK_SIM_POWER);
    assert_int_equal(spool_stats(fixture->spool).messages, 6); /* one removal was not run */
}

static void stragglers_are_copied_forward(void **state)
{
    struct fixture *fixture = *state;
    fixture_store(fixture, 1, 3000);
    fixture_store(fixture, 2, FIXTURE_INLINE + 5);
    spool_update(fixture->spool, 1, BYTES("kept"));
    fixture_settle(fixture);
    struct spool_reader *reader = spool_reader_open(fixture->spool, 2);
    for (uint64_t id = 10; id < 210; id++) {
        fixture_store(fixture, id, 5000);
        spool_remove(fixture->spool, id);
        if (id == 100) { /* until now the reader held everything where it was */
            assert_true(spool_stats(fixture->spool).segment_count > 6);
            spool_reader_close(reader);
        }
    }
    fixture_settle(fixture);
    assert_in_range(spool_stats(fixture->spool).segment_count, 1, 5);
    for (int again = 0; again < 2; again++) {
        assert_true(fixture_read(fixture, 1, 3000));
        assert_true(fixture_read(fixture, 2, FIXTURE_INLINE + 5));
        fixture_restart(fixture, DISK_SIM_POWER);
        assert_true(fixture_found(fixture, "1:m:kept:3001 2:m::16390 "));
    }
}

static void what_cannot_be_copied_stays(void **state)
{
    struct fixture *fixture = *state;
    fixture_store(fixture, 1, 3000);
    fixture_flip(fixture, "000001.seg", SEGMENT_START + 1000);
    for (uint64_t id = 10; id < 100; id++) {
        fixture_store(fixture, id, 5000);
        spool_remove(fixture->spool, id);
    }
    fixture_settle(fixture);
    assert_false(fixture_read(fixture, 1, 3000));
    assert_true(spool_stats(fixture->spool).segment_count > 6);
    spool_remove(fixture->spool, 1);
    fixture_settle(fixture);
    assert_in_range(spool_stats(fixture->spool).segment_count, 1, 2);
}

static bool has_file(struct fixture *fixture, const char *path)
{
    struct error err;
    struct disk_file *file = disk_open(fixture->disk, path, DISK_READ, &err);
    disk_close(file);
    return file != NULL;
}

static void body_files_go_after_their_message(void **state)
{
    static const char *path = "shard/bodies/0000000000001.body";
    struct fixture *fixture = *state;
    fixture_store(fixture, 1, 50000);
    struct spool_reader *reader = spool_reader_open(fixture->spool, 1);
    spool_remove(fixture->spool, 1);
    fixture_settle(fixture);
    assert_true(has_file(fixture, path)); /* the reader has not opened it yet */
    spool_reader_close(reader);
    fixture_settle(fixture);
    assert_false(has_file(fixture, path));
}

static void dropped_bodies_leave_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct spool_body *body = spool_body_new(fixture->spool, 1);
    assert_true(spool_body_add(body, BYTES("0123456789")));
    assert_int_equal(spool_body_view(body).len, 10);
    assert_false(spool_body_has_file(body));
    assert_true(spool_body_write(body, SPOOL_BODY_MORE, &err));
    assert_true(spool_body_has_file(body));
    assert_true(spool_body_add(body, BYTES("more")));
    assert_int_equal(spool_body_size(body), 14);
    spool_body_free(body);
    assert_true(has_file(fixture, "shard/bodies/0000000000001.body"));
    fixture_settle(fixture);
    assert_false(has_file(fixture, "shard/bodies/0000000000001.body"));
}

/* What is in the file, read by pieces. */
static void check_body(const struct spool_body *body, const char *want)
{
    uint8_t piece[4];
    struct buf text;
    struct error err;
    size_t len = 1;
    buf_init(&text, 1000);
    for (uint64_t offset = 0; len; offset += len) {
        assert_true(spool_body_read(body, offset, piece, sizeof piece, &len, &err));
        buf_add(&text, (struct bytes){piece, len});
    }
    assert_true(bytes_equal(buf_view(&text), bytes_of(want)));
    buf_done(&text);
}

static void bodies_are_rewritten(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct spool_body *body = spool_body_new(fixture->spool, 1);
    assert_true(spool_body_add(body, BYTES("0123456789")));
    assert_true(spool_body_write(body, SPOOL_BODY_MORE, &err));
    check_body(body, "0123456789");
    /* One that comes to nothing. */
    struct spool_rewrite *rewrite = spool_rewrite_open(body, 2, &err);
    assert_true(rewrite && spool_rewrite_add(rewrite, BYTES("other"), &err));
    spool_rewrite_free(rewrite);
    check_body(body, "0123456789");
    assert_false(has_file(fixture, "shard/bodies/0000000000002.body"));
    rewrite = spool_rewrite_open(body, 2, &err);
    assert_true(rewrite && spool_rewrite_add(rewrite, BYTES("another "), &err));
    assert_true(spool_rewrite_add(rewrite, BYTES("text"), &err));
    assert_true(spool_rewrite_end(rewrite, &err));
    spool_rewrite_free(rewrite);
    check_body(body, "another text");
    assert_false(has_file(fixture, "shard/bodies/0000000000002.body"));
    assert_true(spool_body_add(body, BYTES("!")));
    assert_int_equal(spool_body_size(body), 13);
    assert_true(spool_body_write(body, SPOOL_BODY_FINISH, &err));
    struct spool_message message = {
        .id = 1, .meta = BYTES("m"), .prefix = BYTES("P"), .body_skip = 8};
    spool_append(fixture->spool, &message, body, fixture);
    fixture_settle(fixture);
    assert_int_equal(fixture_outcome(fixture, 1), SPOOL_STORED);
    fixture_restart(fixture, DISK_SIM_POWER);
    struct spool_reader *reader = spool_reader_open(fixture->spool, 1);
    uint8_t text[6];
    assert_true(reader && spool_reader_size(reader) == sizeof text);
    for (size_t offset = 0, len = 0; offset < sizeof text; offset += len)
        assert_true(
            spool_reader_read(reader, offset, text + offset, sizeof text - offset, &len, &err) &&
            len > 0);
    assert_memory_equal(text, "Ptext!", sizeof text);
    spool_reader_close(reader);
}

static void a_body_that_failed_stays_failed(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct spool_body *body = spool_body_new(fixture->spool, 1);
    assert_true(spool_body_add(body, BYTES("0123456789")));
    set_faults(fixture, (struct disk_sim_faults){.sync_permille = 1000});
    assert_false(spool_body_write(body, SPOOL_BODY_FINISH, &err));
    set_faults(fixture, (struct disk_sim_faults){0});
    assert_false(spool_body_write(body, SPOOL_BODY_FINISH, &err));
    spool_body_free(body);
}

static void crowds_of_bodies_go_to_files_early(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    fixture->settings.inline_body_bytes = 1024 * 1024;
    fixture->settings.segment_bytes = 4 * 1024 * 1024;
    assert_true(fixture_open(fixture));
    uint8_t *bytes = memory_new(80000, 1);
    struct spool_body *body = spool_body_new(fixture->spool, 1);
    assert_true(spool_body_add(body, (struct bytes){bytes, 80000}));
    fixture->spool->held_bytes += 256 * 1024 * 1024; /* as if others held that */
    assert_false(spool_body_add(body, (struct bytes){bytes, 1}));
    fixture->spool->held_bytes -= 256 * 1024 * 1024;
    spool_body_free(body);
    assert_int_equal(fixture->spool->held_bytes, 0);
    free(bytes);
}

static void nothing(void *context, const struct spool_found *found)
{
    (*(size_t *)context)++;
}

static void it_works_on_a_real_disk(void **state)
{
    char folder[] = "/tmp/spool_test_XXXXXX";
    struct fixture real = {.settings = ((struct fixture *)*state)->settings};
    struct error err;
    size_t found = 0;
    assert_non_null(mkdtemp(folder));
    real.settings.path = folder;
    real.disk = disk_real_new();
    real.spool = spool_open(real.disk, &real.settings, nothing, &found, &err);
    assert_non_null(real.spool);
    assert_null(spool_open(real.disk, &real.settings, nothing, &found, &err));
    assert_non_null(strstr(err.text, "locked"));
    fixture_store(&real, 1, 5000);
    fixture_store(&real, 2, 500000);
    fixture_close(&real);
    real.spool = spool_open(real.disk, &real.settings, nothing, &found, &err);
    assert_int_equal(found, 2);
    assert_true(fixture_read(&real, 1, 5000) && fixture_read(&real, 2, 500000));
    fixture_close(&real);
    static const char *const names[] = {"bodies/0000000000002.body", "bodies", "lock", "000001.seg",
                                        "000002.seg"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
    disk_free(real.disk);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_stored_is_read_back),
        TEST(large_inline_bodies_are_read_in_pieces),
        TEST(states_replace_and_removals_remove),
        TEST(a_batch_is_one_write_and_one_sync),
        TEST(without_syncs_a_kill_loses_nothing),
        TEST(a_full_disk_refuses_mail_and_takes_results),
        TEST(the_low_water_mark_is_looked_at_once_a_second),
        TEST(a_failed_sync_is_not_acknowledged),
        TEST(a_body_to_remove_waits_for_better_times),
        TEST(a_collected_result_asks_again_after_a_second),
        TEST(a_record_larger_than_a_segment_is_refused),
        TEST(segments_are_recycled),
        TEST(stragglers_are_copied_forward),
        TEST(what_cannot_be_copied_stays),
        TEST(body_files_go_after_their_message),
        TEST(dropped_bodies_leave_nothing),
        TEST(bodies_are_rewritten),
        TEST(a_body_that_failed_stays_failed),
        TEST(crowds_of_bodies_go_to_files_early),
        TEST(it_works_on_a_real_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
