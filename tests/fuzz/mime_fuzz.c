/* The structure of any bytes: all of them come out again in order, whatever the cuts, with the same
 * events, and entities are numbered without gaps. The first byte says how the input is cut. */
#include <stdlib.h>
#include <string.h>

#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    struct buf text, marks;
    size_t entities;
    bool has_failed;
};

static void note(struct trace *trace, enum mime_event event, const struct mime *mime,
                 struct bytes text)
{
    const struct mime_entity *entity = mime_entity(mime);
    buf_add(&trace->text, text);
    if (event == MIME_HEADER_END) {
        ASSERT(entity->number == trace->entities && entity->parent <= entity->number);
        trace->entities++;
    }
    bool is_run = event == MIME_CONTENT || event == MIME_FILLER;
    if (!is_run)
        buf_addf(&trace->marks, "%d %zu %d\n", event, entity->number, entity->kind);
    trace->has_failed |= event == MIME_FAULT;
}

static void run(struct bytes text, size_t step, struct trace *trace)
{
    struct mime *mime = mime_new();
    struct mime_piece piece;
    enum mime_event event;
    *trace = (struct trace){.entities = 0};
    buf_init(&trace->text, SIZE_MAX);
    buf_init(&trace->marks, SIZE_MAX);
    for (; text.len && !trace->has_failed; text = bytes_from(text, step)) {
        struct bytes rest = bytes_sub(text, 0, step);
        while (!trace->has_failed && (event = mime_next(mime, &rest, &piece)) != MIME_MORE)
            note(trace, event, mime, piece.text);
    }
    while (!trace->has_failed && (event = mime_finish(mime, &piece)) != MIME_END)
        note(trace, event, mime, piece.text);
    mime_free(mime);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes text = {data + 1, size - 1};
    struct trace whole, cut;
    run(text, SIZE_MAX, &whole);
    run(text, 1 + data[0] % 16, &cut);
    ASSERT(whole.has_failed || bytes_equal(buf_view(&whole.text), text));
    ASSERT(bytes_equal(buf_view(&whole.text), buf_view(&cut.text)) || whole.has_failed);
    ASSERT(bytes_equal(buf_view(&whole.marks), buf_view(&cut.marks)));
    buf_done(&whole.text);
    buf_done(&whole.marks);
    buf_done(&cut.text);
    buf_done(&cut.marks);
    return 0;
}
