/* How many messages a second the spool makes durable, and where the time goes.
 *
 *   spool_bench FOLDER [MESSAGES [BYTES [BATCH]]]
 *
 * One thread collects, as a worker's loop does, while another runs the batch before. Each message
 * is removed some batches later, so that the steady state recycles segments. FOLDER must be on the
 * disk to be measured and is left behind with an empty spool. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/memory.h"
#include "disk/disk_real.h"
#include "spool/spool.h"

enum { LIVE_BATCHES = 10 };

struct bench {
    struct spool *spool;
    struct spool_batch *batch;
    pthread_t thread;
    sem_t go, done;
    uint64_t messages, stored, removed, batch_size;
    size_t bytes;
    double run_seconds, wait_seconds;
};

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void *run_batches(void *context)
{
    struct bench *bench = context;
    for (;;) {
        sem_wait(&bench->go);
        if (!bench->batch)
            return NULL;
        double begin = now();
        spool_batch_run(bench->batch);
        bench->run_seconds += now() - begin;
        sem_post(&bench->done);
    }
}

static void on_found(void *context, const struct spool_found *found)
{
    struct bench *bench = context;
    if (found->id > bench->removed)
        bench->removed = found->id;
}

static void collect(struct bench *bench, uint64_t id, const uint8_t *text)
{
    struct spool_body *body = spool_body_new(bench->spool, id);
    struct error err;
    if (!spool_body_add(body, (struct bytes){text, bench->bytes}) &&
        !spool_body_write(body, SPOOL_BODY_FINISH, &err)) {
        fprintf(stderr, "spool_bench: %s\n", err.text);
        exit(1);
    }
    struct spool_message message = {
        .id = id, .meta = BYTES("the envelope"), .prefix = BYTES("Received: by the bench\r\n")};
    spool_append(bench->spool, &message, body, NULL);
}

static void take_results(struct bench *bench)
{
    struct spool_result result;
    while (spool_result(bench->spool, &result)) {
        if (result.outcome != SPOOL_STORED) {
            fprintf(stderr, "spool_bench: %s\n", result.err.text);
            exit(1);
        }
        bench->stored++;
    }
}

static void finish_batch(struct bench *bench)
{
    double begin = now();
    sem_wait(&bench->done);
    bench->wait_seconds += now() - begin;
    spool_batch_end(bench->spool, bench->batch);
    take_results(bench);
}

static void measure(struct bench *bench, uint64_t first)
{
    uint8_t *text = memory_new(bench->bytes, 1);
    memset(text, 'x', bench->bytes);
    bool is_running = false;
    uint64_t id = first, keep = LIVE_BATCHES * bench->batch_size;
    while (id < first + bench->messages) {
        for (uint64_t i = 0; i < bench->batch_size; i++)
            collect(bench, id++, text);
        for (; bench->removed + keep < first + bench->stored; bench->removed++)
            spool_remove(bench->spool, bench->removed + 1);
        if (is_running)
            finish_batch(bench);
        bench->batch = spool_batch_begin(bench->spool);
        is_running = bench->batch != NULL;
        if (is_running)
            sem_post(&bench->go);
    }
    if (is_running)
        finish_batch(bench);
    free(text);
}

static void clear(struct bench *bench, uint64_t last)
{
    for (uint64_t id = 1; id <= last; id++)
        spool_remove(bench->spool, id);
    while (spool_wants_batch(bench->spool)) {
        struct spool_batch *batch = spool_batch_begin(bench->spool);
        spool_batch_run(batch);
        spool_batch_end(bench->spool, batch);
    }
}

static void report(const struct bench *bench, double seconds)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct spool_stats stats = spool_stats(bench->spool);
    printf("%llu messages of %zu bytes in batches of %llu: %.0f messages/s\n",
           (unsigned long long)bench->messages, bench->bytes, (unsigned long long)bench->batch_size,
           (double)bench->messages / seconds);
    printf("%.0f batches/s; of the time %.0f%% in spool_batch_run, %.0f%% waiting for it; "
           "processor %.1f s user, %.1f s system of %.1f s\n",
           (double)stats.batches / seconds, 100 * bench->run_seconds / seconds,
           100 * bench->wait_seconds / seconds,
           (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6, seconds);
    printf("%llu segments, %llu free\n", (unsigned long long)stats.segment_count,
           (unsigned long long)stats.free_segments);
}

static uint64_t number(char **argv, int argc, int at, uint64_t otherwise)
{
    uint64_t value = otherwise;
    if (at < argc && !scan_u64(bytes_of(argv[at]), UINT32_MAX, &value)) {
        fprintf(stderr, "spool_bench: %s is no number\n", argv[at]);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: spool_bench FOLDER [MESSAGES [BYTES [BATCH]]]\n");
        return 2;
    }
    struct bench bench = {.messages = number(argv, argc, 2, 500000),
                          .bytes = number(argv, argc, 3, 4096),
                          .batch_size = number(argv, argc, 4, 64)};
    struct disk *disk = disk_real_new();
    struct spool_settings settings = {.path = argv[1],
                                      .segment_bytes = 64 * 1024 * 1024,
                                      .inline_body_bytes = 1024 * 1024,
                                      .is_durable = true,
                                      .seed = 1};
    struct error err;
    bench.spool = spool_open(disk, &settings, on_found, &bench, &err);
    if (!bench.spool) {
        fprintf(stderr, "spool_bench: %s\n", err.text);
        return 1;
    }
    sem_init(&bench.go, 0, 0);
    sem_init(&bench.done, 0, 0);
    pthread_create(&bench.thread, NULL, run_batches, &bench);
    uint64_t first = bench.removed + 1;
    double begin = now();
    measure(&bench, first);
    report(&bench, now() - begin);
    bench.batch = NULL;
    sem_post(&bench.go);
    pthread_join(bench.thread, NULL);
    clear(&bench, first + bench.messages);
    spool_close(bench.spool);
    disk_free(disk);
    return 0;
}
