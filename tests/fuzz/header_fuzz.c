/* Header sections: the fields' whole views are the section without a gap, name and value lie
 * inside, and the section that header_end finds is walked to its end. */
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes whole, struct bytes part)
{
    ASSERT(part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size}, rest = input;
    struct header_field field;
    struct buf line;
    buf_init(&line, size);
    while (header_next(&rest, &field)) {
        ASSERT(field.whole.len > 0 && field.whole.at + field.whole.len == rest.at);
        check_inside(field.whole, field.name);
        check_inside(field.whole, field.value);
        ASSERT(field.is_odd == (field.name.len == 0));
        buf_clear(&line);
        header_unfold(&line, field.value);
        ASSERT(!line.overflowed && bytes_search(buf_view(&line), BYTES("\r\n")) == line.len);
    }
    size_t length;
    if (header_end(input, &length))
        ASSERT(length == size - rest.len && bytes_starts(rest, BYTES("\r\n")));
    else
        ASSERT(rest.len == 0);
    buf_done(&line);
    return 0;
}
