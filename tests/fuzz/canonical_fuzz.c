/* Canonical bodies: the same however the text is cut, never longer than it and one CRLF; the form
 * of a form is itself. Fields: within their bound, and the same again. */
#include <string.h>

#include "auth/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct buf *out, enum canonical_form form, struct bytes text, size_t piece,
                size_t room)
{
    struct canonical_body body;
    uint8_t at[512];
    size_t len;
    canonical_body_init(&body, form);
    for (; text.len; text = bytes_from(text, piece)) {
        struct bytes part = bytes_sub(text, 0, piece);
        while (part.len) {
            len = canonical_body_add(&body, &part, at, room);
            ASSERT(len <= room);
            buf_add(out, (struct bytes){at, len});
        }
    }
    while ((len = canonical_body_end(&body, at, room)))
        buf_add(out, (struct bytes){at, len});
}

static void check_body(enum canonical_form form, struct bytes text)
{
    static const size_t pieces[] = {1, 2, 3, 7};
    struct buf whole, other;
    buf_init(&whole, text.len + 2);
    buf_init(&other, text.len + 2);
    run(&whole, form, text, SIZE_MAX, 512);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        buf_clear(&other);
        run(&other, form, text, pieces[i], CANONICAL_ROOM + i);
        ASSERT(bytes_equal(buf_view(&whole), buf_view(&other)));
    }
    buf_clear(&other);
    run(&other, form, buf_view(&whole), SIZE_MAX, 512);
    ASSERT(bytes_equal(buf_view(&whole), buf_view(&other)) && !whole.overflowed);
    buf_done(&whole);
    buf_done(&other);
}

static void check_fields(enum canonical_form form, struct bytes section)
{
    struct header_field field, again;
    struct buf out, second;
    buf_init(&out, section.len + 3);
    buf_init(&second, section.len + 6);
    while (header_next(&section, &field)) {
        buf_clear(&out);
        buf_clear(&second);
        canonical_field(&out, form, &field);
        ASSERT(!out.overflowed && out.len <= field.whole.len + 3);
        struct bytes rest = buf_view(&out);
        if (field.is_odd || !header_next(&rest, &again))
            continue;
        canonical_field(&second, form, &again);
        ASSERT(bytes_equal(buf_view(&out), buf_view(&second)));
    }
    buf_done(&out);
    buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = {data, size};
    check_body(CANONICAL_SIMPLE, text);
    check_body(CANONICAL_RELAXED, text);
    check_fields(CANONICAL_SIMPLE, text);
    check_fields(CANONICAL_RELAXED, text);
    return 0;
}
