#include "daemon/report.h"

#include <stdlib.h>

#include "base/memory.h"
#include "daemon/signing.h"
#include "mail/header.h"
#include "queue/bounce.h"

enum { REPORT_ARENA = 4 << 20, REPORT_TEXT = 16 << 20 };

struct report {
    struct commit_owner owner;
    struct worker *worker;
    const struct queue_report *about; /* the queue's, until queue_reported() */
    uint64_t id;
    struct spool_reader *reader;
    uint8_t *original;
    size_t original_len;
    bool was_read;
    struct error err;
    struct arena *arena;
    struct buf text, meta;
    struct signing *signing;
    struct envelope envelope;
};

static void report_end(struct report *report, bool was_stored)
{
    struct worker *worker = report->worker;
    if (!was_stored)
        log_error("report-failed", LOG_ID(report->about->id), LOG_TEXT("reason", report->err.text));
    uint64_t about = report->about->id;
    signing_free(report->signing);
    arena_free(report->arena);
    buf_done(&report->text);
    buf_done(&report->meta);
    free(report->original);
    free(report);
    worker->report_count--;
    queue_reported(worker->queue, about, was_stored, loop_wall_ms(worker->loop));
}

static void report_stored(struct commit_owner *owner, const struct spool_result *result)
{
    struct report *report = CONTAINER(owner, struct report, owner);
    if (result->outcome != SPOOL_STORED) {
        report->err = result->err;
        report_end(report, false);
        return;
    }
    uint8_t id_text[ID_TEXT];
    struct buf dsn = {.at = id_text, .cap = ID_TEXT, .limit = ID_TEXT};
    id_print(&dsn, report->id);
    log_info("report", LOG_ID(report->about->id), LOG_BYTES("dsn", buf_view(&dsn)),
             LOG_BYTES("to", report->envelope.recipients[0].address));
    log_info("accepted", LOG_ID(report->id), LOG_TEXT("from", ""),
             LOG_BYTES("to", report->envelope.recipients[0].address), LOG_INT("nrcpt", 1),
             LOG_INT("size", report->envelope.size), LOG_TEXT("protocol", "report"));
    bool is_new =
        queue_add(report->worker->queue, &report->envelope, loop_wall_ms(report->worker->loop));
    ASSERT(is_new);
    report_end(report, true);
}

/* A notification that no key could sign goes unsigned: the sender is to know. */
static void store(void *context, struct bytes fields)
{
    struct report *report = context;
    struct buf whole;
    buf_init(&whole, SIZE_MAX);
    buf_add(&whole, fields);
    buf_add(&whole, buf_view(&report->text));
    report->envelope.size = whole.len;
    envelope_print(&report->meta, &report->envelope);
    ASSERT(!report->meta.overflowed);
    struct spool_message message = {
        .id = report->id, .meta = buf_view(&report->meta), .prefix = buf_view(&whole)};
    spool_append(report->worker->spool, &message, NULL, &report->owner);
    buf_done(&whole);
}

static void sign(struct report *report)
{
    size_t length;
    struct bytes text = buf_view(&report->text);
    if (!header_end(text, &length))
        length = text.len;
    report->signing =
        signing_new(report->worker, report->worker->generation, bytes_sub(text, 0, length));
    if (!report->signing) {
        store(report, BYTES_NONE);
        return;
    }
    signing_add(report->signing, bytes_from(text, length + 2));
    signing_finish(report->signing, report->id, store, report);
}

static void compose(struct report *report)
{
    struct worker *worker = report->worker;
    struct bounce_source source = {
        .hostname = bytes_of(worker->generation->config->hostname),
        .id = report->id,
        .now_ms = loop_wall_ms(worker->loop),
        .original = {report->original, report->original_len},
        .is_whole = report->about->envelope->size == report->original_len,
    };
    if (!bounce_compose(report->about, &source, report->arena, &report->text, &report->envelope)) {
        error_set(&report->err, 0, "the notification would be too large");
        report_end(report, false);
        return;
    }
    sign(report);
}

static void read_original(void *context)
{
    struct report *report = context;
    report->was_read = true;
    while (report->original_len < BOUNCE_ORIGINAL_LIMIT) {
        size_t got;
        report->was_read = spool_reader_read(
            report->reader, report->original_len, report->original + report->original_len,
            BOUNCE_ORIGINAL_LIMIT - report->original_len, &got, &report->err);
        if (!report->was_read || got == 0)
            return;
        report->original_len += got;
    }
}

static void original_read(void *context)
{
    struct report *report = context;
    spool_reader_close(report->reader);
    report->reader = NULL;
    /* A sender is told even when the message itself cannot be read any more. */
    if (!report->was_read)
        log_error("spool-error", LOG_ID(report->about->id), LOG_TEXT("reason", report->err.text));
    compose(report);
}

void report_begin(struct worker *worker, const struct queue_report *about)
{
    struct report *report = NEW(struct report);
    report->owner.stored = report_stored;
    report->worker = worker;
    report->about = about;
    report->id = worker_id(worker);
    report->arena = arena_new(REPORT_ARENA);
    buf_init(&report->text, REPORT_TEXT);
    buf_init(&report->meta, REPORT_ARENA);
    report->original = memory_new(BOUNCE_ORIGINAL_LIMIT, 1);
    worker->report_count++;
    report->reader = spool_reader_open(worker->spool, about->id);
    ASSERT(report->reader);
    loop_job(worker->loop, read_original, original_read, report);
}
