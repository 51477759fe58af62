#include "daemon/outbound_text.h"

#include <stdlib.h>

#include "base/memory.h"

/* How much of a message is read from the spool at a time, and held for a slow receiver; less of one
 * that is downgraded, since it can grow. */
enum { READ_CHUNK = 256 * 1024, DOWNGRADE_CHUNK = 64 * 1024 };

struct outbound_text {
    struct worker *worker;
    outbound_text_ready *ready;
    void *context;
    struct spool_reader *reader;
    uint64_t offset;
    uint8_t *chunk;
    size_t chunk_len;
    bool was_read;
    struct error err;
    /* Downgrading. */
    struct downgrade *downgrade; /* NULL: the text goes as it is */
    outbound_text_fitted *fitted;
    enum downgrade_verdict verdict;
    struct buf downgraded;
    uint64_t size;
};

struct outbound_text *outbound_text_open(struct worker *worker, uint64_t id,
                                         outbound_text_ready *ready, void *context)
{
    struct outbound_text *text = NEW(struct outbound_text);
    text->worker = worker;
    text->ready = ready;
    text->context = context;
    text->reader = spool_reader_open(worker->spool, id);
    /* The queue holds no message that the spool does not. */
    ASSERT(text->reader);
    return text;
}

void outbound_text_close(struct outbound_text *text)
{
    if (!text)
        return;
    spool_reader_close(text->reader);
    downgrade_free(text->downgrade);
    buf_done(&text->downgraded);
    free(text);
}

/* Reads on at the offset; false, and err, when it cannot. */
static bool read_on(struct outbound_text *text, size_t room)
{
    if (!spool_reader_read(text->reader, text->offset, text->chunk, room, &text->chunk_len,
                           &text->err))
        return false;
    if (text->chunk_len == 0)
        return error_set(&text->err, 0, "the message ends too early");
    text->offset += text->chunk_len;
    return true;
}

static bool is_at_end(const struct outbound_text *text)
{
    return text->offset >= spool_reader_size(text->reader);
}

static void downgrade_chunk(struct outbound_text *text)
{
    downgrade_write(text->downgrade, (struct bytes){text->chunk, text->chunk_len},
                    &text->downgraded);
    if (is_at_end(text))
        downgrade_end(text->downgrade, &text->downgraded);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void read_chunk(void *context)
{
    struct outbound_text *text = context;
    text->was_read = read_on(text, text->downgrade ? DOWNGRADE_CHUNK : READ_CHUNK);
    if (text->was_read && text->downgrade)
        downgrade_chunk(text);
}

static void chunk_read(void *context)
{
    struct outbound_text *text = context;
    /* Connections are many and mostly idle: none keeps a buffer. The text may be closed by the
     * call, and its buffers are borrowed for it. */
    uint8_t *chunk = text->chunk;
    struct buf downgraded = text->downgraded;
    bool is_downgraded = text->downgrade != NULL;
    text->chunk = NULL;
    buf_init(&text->downgraded, SIZE_MAX);
    struct outbound_piece piece = {.failure = text->was_read ? NULL : text->err.text};
    if (text->was_read) {
        piece.text = is_downgraded ? buf_view(&downgraded) : (struct bytes){chunk, text->chunk_len};
        piece.is_last = is_at_end(text);
    }
    text->ready(text->context, &piece);
    buf_done(&downgraded);
    free(chunk);
}

void outbound_text_read(struct outbound_text *text)
{
    uint64_t left = spool_reader_size(text->reader) - text->offset;
    size_t most = text->downgrade ? DOWNGRADE_CHUNK : READ_CHUNK;
    text->chunk = memory_new(left < most ? (size_t)left : most, 1);
    loop_job(text->worker->loop, read_chunk, chunk_read, text);
}

/* --- Finding out whether it can be downgraded --------------------------------------------------
 */

/* Goes once through the text from its beginning. */
static bool pass(struct outbound_text *text, bool is_counting)
{
    text->offset = 0;
    while (!is_at_end(text)) {
        if (!read_on(text, DOWNGRADE_CHUNK))
            return false;
        if (!is_counting) {
            downgrade_scan(text->downgrade, (struct bytes){text->chunk, text->chunk_len});
            continue;
        }
        downgrade_chunk(text);
        text->size += text->downgraded.len;
        buf_clear(&text->downgraded);
    }
    return true;
}

static void find_fit(void *context)
{
    struct outbound_text *text = context;
    text->was_read = pass(text, false);
    if (!text->was_read)
        return;
    text->verdict = downgrade_decide(text->downgrade);
    if (text->verdict != DOWNGRADE_GOOD)
        return;
    /* Written once to count, so that SIZE= is exact. */
    downgrade_begin(text->downgrade);
    text->was_read = pass(text, true);
    text->offset = 0;
    downgrade_begin(text->downgrade);
    buf_free(&text->downgraded);
}

static void fit_found(void *context)
{
    struct outbound_text *text = context;
    free(text->chunk);
    text->chunk = NULL;
    struct outbound_fit fit = {.size = text->size,
                               .failure = text->was_read ? NULL : text->err.text};
    if (text->was_read)
        fit.reason = downgrade_reason(text->downgrade);
    text->fitted(text->context, &fit);
}

void outbound_text_downgrade(struct outbound_text *text, const struct downgrade_goal *goal,
                             outbound_text_fitted *fitted)
{
    ASSERT(!text->downgrade && text->offset == 0);
    text->downgrade = downgrade_new(goal);
    text->fitted = fitted;
    buf_init(&text->downgraded, SIZE_MAX);
    text->chunk = memory_new(DOWNGRADE_CHUNK, 1);
    loop_job(text->worker->loop, find_fit, fit_found, text);
}
