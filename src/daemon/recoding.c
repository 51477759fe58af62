#include "daemon/recoding.h"

#include <stdlib.h>

#include "base/memory.h"
#include "mail/downgrade.h"
#include "mail/header.h"

enum { CHUNK = 64 * 1024 };

struct recoding {
    struct worker *worker;
    struct recoding_text text;
    struct downgrade *downgrade;
    struct buf head; /* what the section became, and what came out behind it */
    size_t section_len;
    struct signing *signing;
    uint64_t offset;  /* in the body's file */
    uint64_t scratch; /* the id of what is written */
    uint8_t *chunk;
    recoding_done *done;
    void *context;
    enum recoding_outcome outcome;
    struct error err;
};

struct recoding *recoding_new(struct worker *worker, const struct recoding_text *text)
{
    static const struct downgrade_goal goal = {.body = BODY_7BIT};
    struct recoding *recoding = NEW(struct recoding);
    recoding->worker = worker;
    recoding->text = *text;
    recoding->downgrade = downgrade_new(&goal);
    recoding->chunk = memory_new(CHUNK, 1);
    buf_init(&recoding->head, SIZE_MAX);
    return recoding;
}

void recoding_free(struct recoding *recoding)
{
    if (!recoding)
        return;
    downgrade_free(recoding->downgrade);
    buf_done(&recoding->head);
    free(recoding->chunk);
    free(recoding);
}

const struct error *recoding_error(const struct recoding *recoding)
{
    return &recoding->err;
}

/* The next piece of the file; false: it cannot be read. Empty: the end. */
static bool read_on(struct recoding *recoding, struct bytes *out)
{
    size_t len;
    if (!spool_body_read(recoding->text.body, recoding->offset, recoding->chunk, CHUNK, &len,
                         &recoding->err))
        return false;
    recoding->offset += len;
    *out = (struct bytes){recoding->chunk, len};
    return true;
}

static void tell(void *context)
{
    struct recoding *recoding = context;
    recoding->done(recoding->context, recoding->outcome);
}

/* --- Looking ---------------------------------------------------------------------------------- */

static bool scan(struct recoding *recoding)
{
    struct bytes piece;
    if (!spool_body_write(recoding->text.body, SPOOL_BODY_MORE, &recoding->err))
        return false;
    recoding->offset = recoding->text.skip;
    downgrade_scan(recoding->downgrade, recoding->text.section);
    do {
        if (!read_on(recoding, &piece))
            return false;
        downgrade_scan(recoding->downgrade, piece);
    } while (piece.len);
    return true;
}

static void scan_job(void *context)
{
    struct recoding *recoding = context;
    recoding->outcome = RECODING_FAILED;
    if (scan(recoding))
        recoding->outcome =
            downgrade_decide(recoding->downgrade) == DOWNGRADE_GOOD ? RECODING_DONE : RECODING_NONE;
}

void recoding_scan(struct recoding *recoding, recoding_done *done, void *context)
{
    recoding->done = done;
    recoding->context = context;
    loop_job(recoding->worker->loop, scan_job, tell, recoding);
}

/* --- Writing ---------------------------------------------------------------------------------- */

struct bytes recoding_section(struct recoding *recoding)
{
    downgrade_begin(recoding->downgrade);
    downgrade_write(recoding->downgrade, recoding->text.section, &recoding->head);
    recoding->offset = recoding->text.skip;
    if (!recoding->text.has_blank) {
        downgrade_write(recoding->downgrade, BYTES("\r\n"), &recoding->head);
        recoding->offset += 2;
    }
    if (!header_end(buf_view(&recoding->head), &recoding->section_len))
        return BYTES_NONE;
    return bytes_sub(buf_view(&recoding->head), 0, recoding->section_len);
}

static bool put(struct recoding *recoding, struct spool_rewrite *rewrite, struct buf *text)
{
    bool is_good = spool_rewrite_add(rewrite, buf_view(text), &recoding->err);
    signing_add(recoding->signing, buf_view(text));
    buf_clear(text);
    return is_good;
}

static bool write_rest(struct recoding *recoding, struct spool_rewrite *rewrite, struct buf *text)
{
    struct bytes piece;
    struct bytes blank = bytes_sub(buf_view(&recoding->head), recoding->section_len, 2);
    if (!spool_rewrite_add(rewrite, blank, &recoding->err))
        return false;
    buf_add(text, bytes_from(buf_view(&recoding->head), recoding->section_len + 2));
    do {
        if (!read_on(recoding, &piece))
            return false;
        downgrade_write(recoding->downgrade, piece, text);
        if (piece.len == 0)
            downgrade_end(recoding->downgrade, text);
        if (!put(recoding, rewrite, text))
            return false;
    } while (piece.len);
    return spool_rewrite_end(rewrite, &recoding->err);
}

static void write_job(void *context)
{
    struct recoding *recoding = context;
    struct buf text;
    buf_init(&text, SIZE_MAX);
    struct spool_rewrite *rewrite =
        spool_rewrite_open(recoding->text.body, recoding->scratch, &recoding->err);
    bool is_good = rewrite && write_rest(recoding, rewrite, &text);
    recoding->outcome = is_good ? RECODING_DONE : RECODING_FAILED;
    spool_rewrite_free(rewrite);
    buf_done(&text);
}

void recoding_write(struct recoding *recoding, struct signing *signing, recoding_done *done,
                    void *context)
{
    recoding->signing = signing;
    recoding->done = done;
    recoding->context = context;
    recoding->scratch = worker_id(recoding->worker);
    loop_job(recoding->worker->loop, write_job, tell, recoding);
}
