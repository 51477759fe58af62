#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"

static void on_found(void *context, const struct spool_found *found)
{
    struct fixture *fixture = context;
    buf_addf(&fixture->found, "%llu:%.*s:%.*s:%llu ", (unsigned long long)found->id,
             BYTES_ARGS(found->meta), BYTES_ARGS(found->state),
             (unsigned long long)found->message_bytes);
}

bool fixture_open(struct fixture *fixture)
{
    buf_clear(&fixture->found);
    fixture->spool =
        spool_open(fixture->disk, &fixture->settings, on_found, fixture, &fixture->err);
    return fixture->spool != NULL;
}

void fixture_close(struct fixture *fixture)
{
    spool_close(fixture->spool);
    fixture->spool = NULL;
}

int fixture_setup(void **state)
{
    struct fixture *fixture = NEW(struct fixture);
    fixture->disk = disk_sim_new(1);
    fixture->settings = (struct spool_settings){.path = "shard",
                                                .segment_bytes = FIXTURE_SEGMENT,
                                                .inline_body_bytes = FIXTURE_INLINE,
                                                .low_water_bytes = 1000,
                                                .is_durable = true,
                                                .seed = 7};
    buf_init(&fixture->found, 1 << 20);
    *state = fixture;
    return fixture_open(fixture) ? 0 : 1;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    disk_free(fixture->disk);
    buf_done(&fixture->found);
    free(fixture);
    return 0;
}

void fixture_restart(struct fixture *fixture, enum disk_sim_crash crash)
{
    fixture_close(fixture);
    disk_sim_restart(fixture->disk, crash);
    if (!fixture_open(fixture))
        fail_msg("%s", fixture->err.text);
}

bool fixture_found(const struct fixture *fixture, const char *text)
{
    if (bytes_equal(buf_view(&fixture->found), bytes_of(text)))
        return true;
    print_error("found: %.*s\n", BYTES_ARGS(buf_view(&fixture->found)));
    return false;
}

void fixture_append(struct fixture *fixture, uint64_t id, size_t body_len, size_t skip)
{
    struct error err;
    struct spool_body *body = spool_body_new(fixture->spool, id);
    uint8_t *bytes = memory_new(body_len, 1);
    if (body_len)
        memset(bytes, (int)(id & 0xff), body_len);
    if (!spool_body_add(body, (struct bytes){bytes, body_len}))
        assert_true(spool_body_write(body, SPOOL_BODY_FINISH, &err));
    free(bytes);
    struct spool_message message = {id, BYTES("m"), BYTES("P"), skip};
    spool_append(fixture->spool, &message, body, fixture);
}

bool fixture_batch(struct fixture *fixture)
{
    struct spool_batch *batch = spool_batch_begin(fixture->spool);
    if (!batch)
        return false;
    assert_null(spool_batch_begin(fixture->spool));
    spool_batch_run(batch);
    spool_batch_end(fixture->spool, batch);
    return true;
}

void fixture_settle(struct fixture *fixture)
{
    while (spool_wants_batch(fixture->spool))
        assert_true(fixture_batch(fixture));
}

enum spool_outcome fixture_outcome(struct fixture *fixture, uint64_t id)
{
    struct spool_result result;
    assert_true(spool_result(fixture->spool, &result));
    assert_int_equal(result.id, id);
    assert_ptr_equal(result.owner, fixture);
    return result.outcome;
}

void fixture_store(struct fixture *fixture, uint64_t id, size_t body_len)
{
    fixture_append(fixture, id, body_len, 0);
    fixture_settle(fixture);
    assert_int_equal(fixture_outcome(fixture, id), SPOOL_STORED);
}

static bool piece_fits(uint64_t id, uint64_t offset, struct bytes piece)
{
    for (size_t i = 0; i < piece.len; i++)
        if (piece.at[i] != (offset + i == 0 ? 'P' : (id & 0xff)))
            return false;
    return true;
}

bool fixture_read(struct fixture *fixture, uint64_t id, size_t body_len)
{
    struct spool_reader *reader = spool_reader_open(fixture->spool, id);
    assert_non_null(reader);
    assert_int_equal(spool_reader_size(reader), 1 + body_len);
    uint8_t some[1000];
    uint64_t offset = 0;
    size_t len = 1;
    bool is_good = true;
    while (len > 0 && is_good) {
        is_good = spool_reader_read(reader, offset, some, sizeof some, &len, &fixture->err);
        if (!is_good)
            break;
        assert_true(piece_fits(id, offset, (struct bytes){some, len}));
        offset += len;
    }
    spool_reader_close(reader);
    assert_true(!is_good || offset == 1 + body_len);
    return is_good;
}

void fixture_flip(struct fixture *fixture, const char *name, uint64_t offset)
{
    char path[100];
    struct error err;
    uint8_t byte;
    size_t len;
    snprintf(path, sizeof path, "shard/%s", name);
    struct disk_file *file = disk_open(fixture->disk, path, DISK_WRITE, &err);
    assert_non_null(file);
    assert_true(disk_read(file, offset, &byte, 1, &len, &err) && len == 1);
    byte ^= 1;
    struct bytes part = {&byte, 1};
    assert_true(disk_write(file, offset, &part, 1, &err) && disk_sync(file, &err));
    disk_close(file);
}
