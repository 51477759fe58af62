/* The spool against a failing disk, under a seed.
 *
 * A run is a life of appends, updates, removals, reads and batches, cut off by a crash in a given
 * disk operation; a recovery (which may crash too); a second life, crash and recovery; a third
 * life that finishes everything. The first life is run once to its end to count its operations,
 * and then crashes at each of them. After every recovery the invariant is checked:
 *
 *   what was reported STORED and not removed is there, whole, once, in order, with a state at
 *   least as new as the newest durable one; what was not is whole or absent; what was durably
 *   removed, or absent once, never comes back.
 *
 *   spool_sim --seed N [--crash K]   replays exactly
 *   spool_sim --seeds A..B
 *   spool_sim --lying-sync           syncs do nothing: succeeds when the check notices */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "disk/disk_sim.h"
#include "spool/core.h"
#include "seeds.h"

enum { LETTERS = 300, READERS = 3, META_MAX = 600, STATE_MAX = 400 };
enum { STEPS = 60, SWEEP_EACH = 16, CRASHES_MAX = 6 };

/* What the model knows of a message; its id is its place plus one. */
struct letter {
    uint32_t meta_len, prefix_len, body_len, skip;
    bool is_stored;                       /* reported, or found by a recovery */
    bool is_removed;                      /* asked for */
    bool is_done;                         /* durably */
    bool is_absent;                       /* a recovery did not find it */
    bool is_visited;                      /* in the recovery at hand */
    uint32_t state_latest, state_durable; /* versions; 0: none */
};

struct held_reader {
    struct spool_reader *reader;
    size_t letter;
};

struct run {
    uint64_t seed, random;
    struct disk *disk;
    struct disk_sim_faults faults;
    struct spool_settings settings;
    struct spool *spool;
    struct letter letters[LETTERS];
    size_t count;
    struct held_reader readers[READERS];
    uint64_t last_visited;
    bool has_failed;
    char violation[400];
};

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint32_t draw(struct run *run, uint32_t below)
{
    return (uint32_t)(mix(run->random += 0x9e3779b97f4a7c15) % below);
}

static void violated(struct run *run, const char *format, ...) PRINTF_LIKE(2, 3);
static void violated(struct run *run, const char *format, ...)
{
    if (run->has_failed)
        return;
    run->has_failed = true;
    va_list values;
    va_start(values, format);
    vsnprintf(run->violation, sizeof run->violation, format, values);
    va_end(values);
}

/* --- What a message consists of --------------------------------------------------------------- */

/* Each part of a message has a key, and each byte of the part follows from that. */
static uint64_t content_key(size_t letter, unsigned part)
{
    return mix((uint64_t)letter << 32 | part);
}

static uint8_t content(uint64_t key, uint64_t at)
{
    return (uint8_t)((key >> (at % 57)) + at + (at >> 8));
}

static struct bytes content_fill(uint8_t *at, size_t letter, unsigned part, size_t len)
{
    uint64_t key = content_key(letter, part);
    for (size_t i = 0; i < len; i++)
        at[i] = content(key, i);
    return (struct bytes){at, len};
}

enum { PART_META, PART_PREFIX, PART_BODY, PART_STATE };

/* Are these the bytes from a place on of the part? */
static bool content_fits(struct bytes bytes, size_t letter, unsigned part, uint64_t from)
{
    uint64_t key = content_key(letter, part);
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] != content(key, from + i))
            return false;
    return true;
}

static size_t state_len(size_t letter, uint32_t version)
{
    return 4 + mix(letter * 31 + version) % (STATE_MAX - 4);
}

static struct bytes state_make(uint8_t at[STATE_MAX], size_t letter, uint32_t version)
{
    struct bytes state = content_fill(at, letter, PART_STATE + version, state_len(letter, version));
    memcpy(at, &version, sizeof version);
    return state;
}

/* The version of a state, when it is one, whole. */
static bool state_scan(struct bytes state, size_t letter, uint32_t *version)
{
    uint8_t want[STATE_MAX];
    *version = 0;
    if (state.len == 0)
        return true;
    if (state.len < sizeof *version)
        return false;
    memcpy(version, state.at, sizeof *version);
    return bytes_equal(state, state_make(want, letter, *version));
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Are these the bytes of prefix and body from the offset on? */
static bool message_fits(const struct letter *letter, size_t number, uint64_t offset,
                         struct bytes bytes)
{
    size_t prefix = offset < letter->prefix_len ? letter->prefix_len - offset : 0;
    if (!content_fits(bytes_sub(bytes, 0, prefix), number, PART_PREFIX, offset))
        return false;
    uint64_t from = offset > letter->prefix_len ? offset - letter->prefix_len : 0;
    return content_fits(bytes_from(bytes, prefix), number, PART_BODY, from + letter->skip);
}

static void reader_check(struct run *run, struct spool_reader *reader, size_t number)
{
    const struct letter *letter = &run->letters[number];
    uint64_t size = (uint64_t)letter->prefix_len + letter->body_len - letter->skip, offset = 0;
    uint8_t some[5000];
    if (spool_reader_size(reader) != size)
        violated(run, "message %zu has the wrong size", number + 1);
    size_t room = 1 + draw(run, sizeof some), len;
    do {
        struct error err;
        if (!spool_reader_read(reader, offset, some, room, &len, &err)) {
            if (run->faults.read_permille == 0 && !disk_sim_is_down(run->disk))
                violated(run, "message %zu cannot be read: %s", number + 1, err.text);
            return;
        }
        if (!message_fits(letter, number, offset, (struct bytes){some, len})) {
            violated(run, "message %zu differs behind %" PRIu64, number + 1, offset);
            return;
        }
        offset += len;
    } while (len > 0);
    if (offset != size)
        violated(run, "message %zu ends at %" PRIu64, number + 1, offset);
}

static void message_check(struct run *run, size_t number)
{
    struct spool_reader *reader = spool_reader_open(run->spool, number + 1);
    if (!reader) {
        violated(run, "message %zu is not in the index", number + 1);
        return;
    }
    reader_check(run, reader, number);
    spool_reader_close(reader);
}

static void reader_turn(struct run *run, struct held_reader *held)
{
    if (!held->reader)
        return;
    reader_check(run, held->reader, held->letter);
    spool_reader_close(held->reader);
    held->reader = NULL;
}

/* --- A life ----------------------------------------------------------------------------------- */

static bool is_live(const struct letter *letter)
{
    return letter->is_stored && !letter->is_removed;
}

/* A live message by chance; false when the chance finds none. */
static bool pick(struct run *run, size_t *out)
{
    for (int i = 0; i < 8 && run->count > 0; i++) {
        *out = draw(run, (uint32_t)run->count);
        if (is_live(&run->letters[*out]))
            return true;
    }
    return false;
}

static struct spool_body *body_make(struct run *run, size_t number, struct letter *letter)
{
    struct spool_body *body = spool_body_new(run->spool, number + 1);
    uint8_t some[3000];
    struct error err;
    uint64_t key = content_key(number, PART_BODY);
    for (size_t at = 0, len; at < letter->body_len; at += len) {
        len = 1 + draw(run, sizeof some);
        if (len > letter->body_len - at)
            len = letter->body_len - at;
        for (size_t i = 0; i < len; i++)
            some[i] = content(key, at + i);
        if (!spool_body_add(body, (struct bytes){some, len}) &&
            !spool_body_write(body, SPOOL_BODY_MORE, &err)) {
            spool_body_free(body);
            return NULL;
        }
    }
    bool is_dropped = draw(run, 20) == 0;
    if (is_dropped ||
        (spool_body_has_file(body) && !spool_body_write(body, SPOOL_BODY_FINISH, &err))) {
        spool_body_free(body);
        return NULL;
    }
    return body;
}

static void step_append(struct run *run)
{
    if (run->count == LETTERS)
        return;
    size_t number = run->count++;
    struct letter *letter = &run->letters[number];
    static const uint32_t sizes[] = {0, 200, 3000, 3000, 9000, 20000};
    uint8_t meta[META_MAX], prefix[META_MAX];
    letter->meta_len = draw(run, sizeof meta);
    letter->prefix_len = draw(run, sizeof prefix);
    letter->body_len = draw(run, sizes[draw(run, COUNT(sizes))] + 1);
    letter->skip = draw(run, 3) ? 0 : draw(run, letter->body_len + 1);
    struct spool_body *body = body_make(run, number, letter);
    if (!body) {
        letter->is_absent = true;
        return;
    }
    struct spool_message message = {
        .id = number + 1,
        .meta = content_fill(meta, number, PART_META, letter->meta_len),
        .prefix = content_fill(prefix, number, PART_PREFIX, letter->prefix_len),
        .body_skip = letter->skip,
    };
    spool_append(run->spool, &message, body, letter);
}

static void step_update(struct run *run)
{
    size_t number;
    uint8_t state[STATE_MAX];
    if (!pick(run, &number))
        return;
    uint32_t version = ++run->letters[number].state_latest;
    spool_update(run->spool, number + 1, state_make(state, number, version));
}

static void step_remove(struct run *run)
{
    size_t number;
    if (!pick(run, &number))
        return;
    run->letters[number].is_removed = true;
    spool_remove(run->spool, number + 1);
}

static void step_read(struct run *run)
{
    struct held_reader *held = &run->readers[draw(run, READERS)];
    reader_turn(run, held);
    size_t number;
    if (!pick(run, &number))
        return;
    held->letter = number;
    held->reader = spool_reader_open(run->spool, number + 1);
    if (!held->reader)
        violated(run, "message %zu is live and cannot be opened", number + 1);
}

static void step_collect(struct run *run)
{
    switch (draw(run, 8)) {
    case 0:
    case 1:
    case 2: step_append(run); break;
    case 3:
    case 4: step_update(run); break;
    case 5:
    case 6: step_remove(run); break;
    case 7: step_read(run); break;
    }
}

/* What the batch made durable, as the disk told it. */
static void note_durable(struct run *run, const struct spool_batch *batch)
{
    if (!batch->is_stored)
        return;
    LIST_EACH (&batch->smalls, struct small, link, small) {
        size_t number = small->record.id - 1;
        struct letter *letter = &run->letters[number];
        uint32_t version;
        if (small->record.type == RECORD_DONE)
            letter->is_done = true;
        else if (state_scan((struct bytes){small->state, small->record.meta_len}, number, &version))
            letter->state_durable = version;
    }
}

static void take_results(struct run *run)
{
    struct spool_result result;
    while (spool_result(run->spool, &result)) {
        struct letter *letter = result.owner;
        if (letter != &run->letters[result.id - 1])
            violated(run, "message %" PRIu64 " came back with another owner", result.id);
        if (result.outcome == SPOOL_STORED)
            letter->is_stored = true;
        else if (result.outcome == SPOOL_FULL && run->faults.capacity == 0)
            violated(run, "the disk is said to be full");
    }
}

static void batch_run(struct run *run, bool is_busy)
{
    struct spool_batch *batch = spool_batch_begin(run->spool);
    if (!batch)
        return;
    /* The owner goes on while it runs; here before or after it. */
    if (is_busy && draw(run, 3) == 0)
        step_collect(run);
    spool_batch_run(batch);
    if (is_busy && draw(run, 3) == 0)
        step_collect(run);
    note_durable(run, batch);
    spool_batch_end(run->spool, batch);
    take_results(run);
}

static void life_end(struct run *run)
{
    for (size_t i = 0; i < READERS; i++) {
        spool_reader_close(run->readers[i].reader);
        run->readers[i].reader = NULL;
    }
    spool_close(run->spool);
    run->spool = NULL;
}

/* The disk is well again: what failed before goes out now, and nothing was forgotten. */
static void live_calm(struct run *run)
{
    struct disk_sim_faults calm = {.crash_at = run->faults.crash_at,
                                   .has_lying_sync = run->faults.has_lying_sync};
    run->faults = calm;
    disk_sim_set(run->disk, &calm);
    (void)spool_has_room(run->spool, INT32_MAX);
    for (int i = 0; spool_wants_batch(run->spool) && !disk_sim_is_down(run->disk); i++) {
        if (i == 1000)
            violated(run, "the spool never has enough batches");
        if (run->has_failed)
            return;
        batch_run(run, false);
        for (size_t k = 0; k < READERS; k++)
            reader_turn(run, &run->readers[k]);
    }
    for (size_t i = 0; i < run->count && !disk_sim_is_down(run->disk); i++) {
        const struct letter *letter = &run->letters[i];
        if (is_live(letter) && letter->state_durable != letter->state_latest)
            violated(run, "message %zu: its state was forgotten", i + 1);
        if (letter->is_stored && letter->is_removed && !letter->is_done)
            violated(run, "message %zu: its end was forgotten", i + 1);
    }
}

static void live(struct run *run, size_t steps)
{
    for (size_t i = 0; i < steps && !disk_sim_is_down(run->disk); i++) {
        step_collect(run);
        if (draw(run, 4) == 0)
            batch_run(run, true);
        if (draw(run, 16) == 0)
            (void)spool_has_room(run->spool, (int64_t)i * 1000);
    }
    if (draw(run, 2) && !disk_sim_is_down(run->disk))
        live_calm(run);
}

/* --- Recovery --------------------------------------------------------------------------------- */

static void on_found(void *context, const struct spool_found *found)
{
    struct run *run = context;
    if (found->id == 0 || found->id > run->count) {
        violated(run, "message %" PRIu64 " was never there", found->id);
        return;
    }
    size_t number = found->id - 1;
    struct letter *letter = &run->letters[number];
    uint32_t version;
    if (letter->is_visited || found->id <= run->last_visited)
        violated(run, "message %zu twice or out of order", number + 1);
    if (letter->is_done)
        violated(run, "message %zu was done and is back", number + 1);
    if (letter->is_absent)
        violated(run, "message %zu was absent and is back", number + 1);
    if (found->meta.len != letter->meta_len || !content_fits(found->meta, number, PART_META, 0))
        violated(run, "message %zu has another meta", number + 1);
    if (!state_scan(found->state, number, &version) || version < letter->state_durable ||
        version > letter->state_latest)
        violated(run, "message %zu has a wrong state %u, not %u to %u", number + 1, version,
                 letter->state_durable, letter->state_latest);
    run->last_visited = found->id;
    letter->is_visited = true;
    letter->state_latest = version;
}

static bool try_open(struct run *run, struct error *err)
{
    uint32_t latest[LETTERS]; /* an attempt that fails tells nothing */
    for (size_t i = 0; i < run->count; i++) {
        run->letters[i].is_visited = false;
        latest[i] = run->letters[i].state_latest;
    }
    run->last_visited = 0;
    run->spool = spool_open(run->disk, &run->settings, on_found, run, err);
    for (size_t i = 0; i < run->count && !run->spool; i++)
        run->letters[i].state_latest = latest[i];
    return run->spool != NULL;
}

/* The model learns what is there from now on. */
static void adopt(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct letter *letter = &run->letters[i];
        if (!letter->is_visited) {
            if (is_live(letter))
                violated(run, "message %zu was stored and is lost", i + 1);
            letter->is_absent = true;
            letter->is_stored = false;
            continue;
        }
        letter->is_stored = true;
        letter->is_removed = false;
        letter->state_durable = letter->state_latest;
        message_check(run, i);
    }
}

static enum disk_sim_crash draw_crash(struct run *run)
{
    return draw(run, 3) == 0 ? DISK_SIM_KILL : DISK_SIM_POWER;
}

/* Up again; recoveries may crash or meet read errors themselves, the last one must succeed. */
static void recover_after(struct run *run)
{
    struct error err = {0};
    struct disk_sim_faults none = {.has_lying_sync = run->faults.has_lying_sync};
    run->faults = none;
    disk_sim_restart(run->disk, draw_crash(run));
    while (draw(run, 3) == 0) {
        struct disk_sim_faults some = none;
        some.crash_at = draw(run, 2) ? 1 + draw(run, 12) : 0;
        some.read_permille = some.crash_at ? 0 : 50;
        disk_sim_set(run->disk, &some);
        run->faults = some;
        if (try_open(run, &err)) {
            adopt(run);
            if (some.crash_at) /* it goes on until the crash comes */
                live(run, 10);
            life_end(run);
        }
        run->faults = none;
        disk_sim_restart(run->disk, draw_crash(run));
    }
    disk_sim_set(run->disk, &none);
    if (!try_open(run, &err))
        violated(run, "recovery: %s", err.text);
    else
        adopt(run);
}

/* --- A run ------------------------------------------------------------------------------------ */

static void draw_faults(struct run *run, uint64_t crash_at)
{
    struct disk_sim_faults faults = {.crash_at = crash_at,
                                     .has_lying_sync = run->faults.has_lying_sync};
    bool is_healthy = draw(run, 3) == 0;
    if (!is_healthy && draw(run, 2))
        faults.write_permille = 1 + draw(run, 40);
    if (!is_healthy && draw(run, 2))
        faults.sync_permille = 1 + draw(run, 80);
    if (!is_healthy && draw(run, 3) == 0)
        faults.read_permille = 1 + draw(run, 150);
    if (!is_healthy && draw(run, 3) == 0)
        faults.capacity = (2 + draw(run, 5)) * run->settings.segment_bytes + draw(run, 20000);
    run->faults = faults;
    disk_sim_set(run->disk, &faults);
}

/* The last life: everything is finished, and nothing is left. */
static void finish(struct run *run)
{
    struct error err = {0};
    for (size_t i = 0; i < run->count; i++)
        if (is_live(&run->letters[i])) {
            run->letters[i].is_removed = true;
            spool_remove(run->spool, i + 1);
        }
    live_calm(run);
    if (run->has_failed)
        return;
    life_end(run);
    disk_sim_restart(run->disk, DISK_SIM_POWER);
    if (!try_open(run, &err))
        violated(run, "recovery at the end: %s", err.text);
    else
        adopt(run);
}

static bool run_once(struct run *run, uint64_t seed, uint64_t crash_at, bool has_lying_sync,
                     uint64_t *operations)
{
    *run = (struct run){.seed = seed, .random = seed * 0x100000001b3};
    run->faults.has_lying_sync = has_lying_sync;
    run->disk = disk_sim_new(seed << 16 | crash_at);
    run->settings = (struct spool_settings){.path = "shard",
                                            .segment_bytes = draw(run, 2) ? 32768 : 65536,
                                            .inline_body_bytes = 4096,
                                            .low_water_bytes = 1000,
                                            .is_durable = true,
                                            .seed = seed};
    struct error err = {0};
    draw_faults(run, crash_at);
    if (try_open(run, &err)) {
        live(run, STEPS);
        *operations = disk_sim_operations(run->disk);
        life_end(run);
    }
    run->random ^= crash_at; /* after different crashes come different lives */
    for (int lives = 0; lives < 2 && !run->has_failed; lives++) {
        recover_after(run);
        if (run->has_failed)
            break;
        draw_faults(run, lives == 0 ? 1 + draw(run, 100) : 0);
        if (lives == 0) {
            live(run, STEPS);
            life_end(run);
        } else {
            run->faults = (struct disk_sim_faults){.has_lying_sync = has_lying_sync};
            disk_sim_set(run->disk, &run->faults);
            live(run, STEPS / 2);
            finish(run);
        }
    }
    life_end(run);
    disk_free(run->disk);
    return !run->has_failed;
}

/* --- The program ------------------------------------------------------------------------------ */

struct plan {
    uint64_t first, last;
    uint64_t crash; /* 0: all */
    bool has_lying_sync, is_quiet;
    uint64_t runs;
};

static bool try_run(struct plan *plan, struct run *run, uint64_t seed, uint64_t crash,
                    uint64_t *operations)
{
    plan->runs++;
    if (run_once(run, seed, crash, plan->has_lying_sync, operations))
        return true;
    if (!plan->is_quiet)
        printf("--seed %" PRIu64 " --crash %" PRIu64 ": %s\n", seed, crash, run->violation);
    return false;
}

/* Some seeds crash at every operation, the others at a few. */
static bool try_seed(struct plan *plan, struct run *run, uint64_t seed)
{
    uint64_t operations = 0, ignored;
    if (plan->crash)
        return try_run(plan, run, seed, plan->crash, &ignored);
    if (!try_run(plan, run, seed, 0, &operations))
        return false;
    bool is_sweep = plan->first == plan->last || seed % SWEEP_EACH == 0;
    uint64_t stride = is_sweep ? 1 : operations / CRASHES_MAX + 1;
    for (uint64_t crash = 1 + seed % stride; crash <= operations; crash += stride)
        if (!try_run(plan, run, seed, crash, &ignored))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    struct plan plan = {.first = 1, .last = 100};
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--lying-sync") == 0) {
            plan.has_lying_sync = plan.is_quiet = true;
        } else if (strncmp(argv[i], "--seed", 6) == 0 && has_value &&
                   seeds_scan(argv[i + 1], &plan.first, &plan.last)) {
            i++;
        } else if (strcmp(argv[i], "--crash") == 0 && has_value &&
                   scan_u64(bytes_of(argv[i + 1]), UINT32_MAX, &plan.crash)) {
            i++;
        } else {
            fprintf(stderr, "usage: spool_sim [--seed N [--crash K] | --seeds A..B] "
                            "[--lying-sync]\n");
            return 2;
        }
    }
    log_init("spool_sim", LOG_ERROR, LOG_LOGFMT); /* what injected faults cause is no news */
    struct run *run = NEW(struct run);
    uint64_t bad = 0;
    for (uint64_t seed = plan.first; seed <= plan.last; seed++)
        bad += !try_seed(&plan, run, seed);
    printf("%" PRIu64 " runs, %" PRIu64 " bad seeds\n", plan.runs, bad);
    free(run);
    return plan.has_lying_sync ? bad == 0 : bad > 0;
}
