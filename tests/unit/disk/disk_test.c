#include "disk/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/memory.h"
#include "disk/disk_real.h"
#include "disk/disk_sim.h"

/* What both disks promise, on either; then what only the simulated one does. */
struct fixture {
    struct disk *disk;
    char folder[64], path[100], other[100];
};

static void fixture_paths(struct fixture *fixture)
{
    snprintf(fixture->path, sizeof fixture->path, "%s/one", fixture->folder);
    snprintf(fixture->other, sizeof fixture->other, "%s/two", fixture->folder);
}

static int real_setup(void **state)
{
    struct fixture *fixture = NEW(struct fixture);
    fixture->disk = disk_real_new();
    strcpy(fixture->folder, "/tmp/disk_test_XXXXXX");
    if (!mkdtemp(fixture->folder))
        return 1;
    fixture_paths(fixture);
    *state = fixture;
    return 0;
}

static int real_teardown(void **state)
{
    struct fixture *fixture = *state;
    unlink(fixture->path);
    unlink(fixture->other);
    int failed = rmdir(fixture->folder);
    disk_free(fixture->disk);
    free(fixture);
    return failed;
}

static int sim_setup(void **state)
{
    struct fixture *fixture = NEW(struct fixture);
    struct error err;
    fixture->disk = disk_sim_new(1);
    strcpy(fixture->folder, "folder");
    fixture_paths(fixture);
    *state = fixture;
    return disk_make_folder(fixture->disk, "folder", &err) &&
                   disk_sync_folder(fixture->disk, "folder/..", &err)
               ? 0
               : 1;
}

static int sim_teardown(void **state)
{
    struct fixture *fixture = *state;
    disk_free(fixture->disk);
    free(fixture);
    return 0;
}

static struct disk_file *open_good(struct fixture *fixture, enum disk_open how)
{
    struct error err;
    struct disk_file *file = disk_open(fixture->disk, fixture->path, how, &err);
    if (!file)
        fail_msg("%s", err.text);
    return file;
}

static void write_good(struct disk_file *file, uint64_t offset, struct bytes bytes)
{
    struct error err;
    assert_true(disk_write(file, offset, &bytes, 1, &err));
}

/* Does the file hold just this? */
static bool holds(struct fixture *fixture, struct bytes want)
{
    struct error err;
    uint8_t some[100];
    size_t len;
    struct disk_file *file = disk_open(fixture->disk, fixture->path, DISK_READ, &err);
    bool is_same = file && disk_read(file, 0, some, sizeof some, &len, &err) &&
                   bytes_equal((struct bytes){some, len}, want);
    disk_close(file);
    return is_same;
}

static void opening(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    assert_null(disk_open(fixture->disk, fixture->path, DISK_READ, &err));
    assert_int_equal(err.os, ENOENT);
    assert_non_null(strstr(err.text, fixture->path));
    assert_null(disk_open(fixture->disk, fixture->path, DISK_WRITE, &err));
    disk_close(open_good(fixture, DISK_NEW));
    assert_null(disk_open(fixture->disk, fixture->path, DISK_NEW, &err));
    assert_int_equal(err.os, EEXIST);
    disk_close(open_good(fixture, DISK_READ));
    disk_close(NULL);
}

static void many_parts_are_one_write(void **state)
{
    enum { PARTS = 3000 };
    struct fixture *fixture = *state;
    struct bytes parts[PARTS];
    uint8_t got[PARTS * 2 + 10];
    struct error err;
    size_t len;
    for (size_t i = 0; i < PARTS; i++)
        parts[i] = i % 3 == 0 ? BYTES("a") : i % 3 == 1 ? BYTES_NONE : BYTES("bcd");
    struct disk_file *file = open_good(fixture, DISK_NEW);
    assert_true(disk_write(file, 5, parts, PARTS, &err));
    uint64_t size;
    assert_true(disk_size(file, &size, &err));
    assert_int_equal(size, 5 + PARTS / 3 * 4);
    assert_true(disk_read(file, 5, got, sizeof got, &len, &err));
    assert_int_equal(len, PARTS / 3 * 4);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(got[i], "abcd"[i % 4]);
    assert_true(disk_read(file, size, got, 10, &len, &err));
    assert_int_equal(len, 0);
    disk_close(file);
}

static void allocating(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    uint64_t size;
    struct disk_file *file = open_good(fixture, DISK_NEW);
    write_good(file, 0, BYTES("kept"));
    assert_true(disk_allocate(file, 10000, &err) && disk_allocate(file, 5000, &err));
    assert_true(disk_size(file, &size, &err));
    assert_int_equal(size, 10000);
    assert_true(disk_sync(file, &err) && disk_sync_folder(fixture->disk, fixture->folder, &err));
    uint8_t some[6];
    size_t len;
    assert_true(disk_read(file, 0, some, sizeof some, &len, &err));
    assert_memory_equal(some, "kept\0", 6);
    disk_close(file);
}

static void locking(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct disk_file *lock = disk_lock(fixture->disk, fixture->path, &err);
    assert_non_null(lock);
    assert_null(disk_lock(fixture->disk, fixture->path, &err));
    disk_close(lock);
    lock = disk_lock(fixture->disk, fixture->path, &err);
    assert_non_null(lock);
    disk_close(lock);
}

static void add_name(void *context, const char *name)
{
    buf_addf(context, "%s ", name);
}

static void naming(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct buf names;
    buf_init(&names, 100);
    struct disk_file *file = open_good(fixture, DISK_NEW);
    write_good(file, 0, BYTES("x"));
    disk_close(file);
    assert_true(disk_rename(fixture->disk, fixture->path, fixture->other, &err));
    assert_false(disk_rename(fixture->disk, fixture->path, fixture->other, &err));
    assert_true(disk_list(fixture->disk, fixture->folder, add_name, &names, &err));
    assert_true(bytes_equal(buf_view(&names), BYTES("two ")));
    assert_true(disk_unlink(fixture->disk, fixture->other, &err));
    assert_false(disk_unlink(fixture->disk, fixture->other, &err));
    assert_int_equal(err.os, ENOENT);
    assert_true(disk_make_folder(fixture->disk, fixture->folder, &err)); /* is there: fine */
    uint64_t bytes;
    assert_true(disk_free_bytes(fixture->disk, fixture->folder, &bytes, &err));
    assert_true(bytes > 0);
    buf_done(&names);
}

static void what_is_synced_survives(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct disk_file *file = open_good(fixture, DISK_NEW);
    write_good(file, 0, BYTES("synced"));
    assert_true(disk_sync(file, &err) && disk_sync_folder(fixture->disk, "folder", &err));
    disk_close(file);
    for (int i = 0; i < 20; i++) {
        disk_sim_restart(fixture->disk, DISK_SIM_POWER);
        assert_true(holds(fixture, BYTES("synced")));
    }
}

/* Writes two things without a sync and cuts the power, often: all mixtures must come up. */
static void what_is_not_synced_is_kept_lost_or_torn(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    unsigned both = 0, none = 0, first = 0, second = 0, torn = 0;
    for (int i = 0; i < 400; i++) {
        struct disk_file *file = open_good(fixture, i ? DISK_WRITE : DISK_NEW);
        write_good(file, 0, BYTES("....----"));
        assert_true(disk_sync(file, &err) && disk_sync_folder(fixture->disk, "folder", &err));
        write_good(file, 0, BYTES("AAAA"));
        write_good(file, 4, BYTES("BBBB"));
        disk_close(file);
        if (i % 4 == 0) {
            disk_sim_restart(fixture->disk, DISK_SIM_KILL);
            assert_true(holds(fixture, BYTES("AAAABBBB")));
        }
        disk_sim_restart(fixture->disk, DISK_SIM_POWER);
        both += holds(fixture, BYTES("AAAABBBB"));
        none += holds(fixture, BYTES("....----"));
        first += holds(fixture, BYTES("AAAA----"));
        second += holds(fixture, BYTES("....BBBB"));
        torn += holds(fixture, BYTES("AA..----"));
    }
    assert_true(both > 0 && none > 0 && first > 0 && second > 0 && torn > 0);
}

static void names_that_were_not_synced_may_be_lost(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    unsigned lost = 0, kept = 0;
    for (int i = 0; i < 50; i++) {
        struct disk_file *file = open_good(fixture, DISK_NEW);
        assert_true(disk_sync(file, &err));
        disk_close(file);
        disk_sim_restart(fixture->disk, DISK_SIM_POWER);
        file = disk_open(fixture->disk, fixture->path, DISK_READ, &err);
        *(file ? &kept : &lost) += 1;
        disk_close(file);
        if (file)
            assert_true(disk_unlink(fixture->disk, fixture->path, &err));
        assert_true(disk_sync_folder(fixture->disk, "folder", &err));
    }
    assert_true(lost > 0 && kept > 0);
}

static void a_failed_sync_drops_what_later_ones_do_not_save(void **state)
{
    struct fixture *fixture = *state;
    struct disk_sim_faults faults = {.sync_permille = 1000}, none = {0};
    struct error err;
    unsigned lost = 0;
    for (int i = 0; i < 20; i++) {
        struct disk_file *file = open_good(fixture, i ? DISK_WRITE : DISK_NEW);
        write_good(file, 0, BYTES("old"));
        assert_true(disk_sync(file, &err) && disk_sync_folder(fixture->disk, "folder", &err));
        write_good(file, 0, BYTES("new"));
        disk_sim_set(fixture->disk, &faults);
        assert_false(disk_sync(file, &err));
        assert_int_equal(err.os, EIO);
        disk_sim_set(fixture->disk, &none);
        assert_true(disk_sync(file, &err));
        disk_close(file);
        assert_true(holds(fixture, BYTES("new")));
        disk_sim_restart(fixture->disk, DISK_SIM_POWER);
        lost += holds(fixture, BYTES("old"));
    }
    assert_true(lost > 0);
}

static void a_lying_sync_saves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct disk_sim_faults lying = {.has_lying_sync = true}, none = {0};
    struct error err;
    disk_close(open_good(fixture, DISK_NEW));
    assert_true(disk_sync_folder(fixture->disk, "folder", &err));
    unsigned lost = 0;
    for (int i = 0; i < 20; i++) {
        struct disk_file *file = open_good(fixture, DISK_WRITE);
        write_good(file, 0, BYTES("old"));
        assert_true(disk_sync(file, &err));
        disk_sim_set(fixture->disk, &lying);
        write_good(file, 0, BYTES("new"));
        assert_true(disk_sync(file, &err));
        disk_sim_set(fixture->disk, &none);
        disk_close(file);
        disk_sim_restart(fixture->disk, DISK_SIM_POWER);
        lost += holds(fixture, BYTES("old"));
    }
    assert_true(lost > 0);
}

static void it_fills_up(void **state)
{
    struct fixture *fixture = *state;
    struct disk_sim_faults faults = {.capacity = 1000};
    struct error err;
    uint64_t bytes;
    disk_sim_set(fixture->disk, &faults);
    struct disk_file *file = open_good(fixture, DISK_NEW);
    assert_true(disk_allocate(file, 990, &err));
    assert_false(disk_allocate(file, 1001, &err));
    assert_int_equal(err.os, ENOSPC);
    write_good(file, 980, BYTES("inside"));
    struct bytes beyond = BYTES("beyond the end");
    assert_false(disk_write(file, 990, &beyond, 1, &err));
    assert_int_equal(err.os, ENOSPC);
    assert_true(disk_free_bytes(fixture->disk, "folder", &bytes, &err));
    assert_int_equal(bytes, 10);
    disk_close(file);
}

static void it_goes_down_in_the_operation_named(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct disk_sim_faults faults = {.crash_at = disk_sim_operations(fixture->disk) + 3};
    disk_sim_set(fixture->disk, &faults);
    struct disk_file *file = open_good(fixture, DISK_NEW);
    write_good(file, 0, BYTES("one"));
    assert_false(disk_sim_is_down(fixture->disk));
    assert_false(disk_sync(file, &err));
    assert_true(disk_sim_is_down(fixture->disk));
    struct bytes part = BYTES("two");
    assert_false(disk_write(file, 0, &part, 1, &err));
    disk_close(file);
    disk_sim_restart(fixture->disk, DISK_SIM_KILL);
    assert_false(disk_sim_is_down(fixture->disk));
    assert_int_equal(disk_sim_operations(fixture->disk), 0);
    assert_true(holds(fixture, BYTES("one")));
}

#define REAL(function) cmocka_unit_test_setup_teardown(function, real_setup, real_teardown)
#define SIM(function) cmocka_unit_test_setup_teardown(function, sim_setup, sim_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL(opening),
        SIM(opening),
        REAL(many_parts_are_one_write),
        SIM(many_parts_are_one_write),
        REAL(allocating),
        SIM(allocating),
        REAL(locking),
        SIM(locking),
        REAL(naming),
        SIM(naming),
        SIM(what_is_synced_survives),
        SIM(what_is_not_synced_is_kept_lost_or_torn),
        SIM(names_that_were_not_synced_may_be_lost),
        SIM(a_failed_sync_drops_what_later_ones_do_not_save),
        SIM(a_lying_sync_saves_nothing),
        SIM(it_fills_up),
        SIM(it_goes_down_in_the_operation_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
