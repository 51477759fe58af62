#include "daemon/outbound_text.h"

#include <stdlib.h>

#include "base/memory.h"

/* How much of a message is read from the spool at a time, and held for a slow receiver. */
enum { READ_CHUNK = 256 * 1024 };

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
    free(text);
}

static void read_chunk(void *context)
{
    struct outbound_text *text = context;
    text->was_read = spool_reader_read(text->reader, text->offset, text->chunk, READ_CHUNK,
                                       &text->chunk_len, &text->err);
    if (text->was_read && text->chunk_len == 0)
        text->was_read = error_set(&text->err, 0, "the message ends too early");
}

static void chunk_read(void *context)
{
    struct outbound_text *text = context;
    /* Connections are many and mostly idle: none keeps a buffer. */
    uint8_t *chunk = text->chunk;
    text->chunk = NULL;
    struct outbound_piece piece = {.failure = text->was_read ? NULL : text->err.text};
    if (text->was_read) {
        text->offset += text->chunk_len;
        piece.text = (struct bytes){chunk, text->chunk_len};
        piece.is_last = text->offset >= spool_reader_size(text->reader);
    }
    text->ready(text->context, &piece);
    free(chunk);
}

void outbound_text_read(struct outbound_text *text)
{
    uint64_t left = spool_reader_size(text->reader) - text->offset;
    text->chunk = memory_new(left < READ_CHUNK ? (size_t)left : READ_CHUNK, 1);
    loop_job(text->worker->loop, read_chunk, chunk_read, text);
}
