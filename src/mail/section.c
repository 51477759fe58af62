#include "mail/section.h"

#include "mail/header.h"

void section_init(struct section *section, size_t limit)
{
    *section = (struct section){0};
    buf_init(&section->text, limit);
}

void section_done(struct section *section)
{
    buf_done(&section->text);
}

static bool begins_with_field(struct bytes text)
{
    struct header_field first;
    return !header_next(&text, &first) || !first.is_odd;
}

static void take(struct section *section, size_t length, size_t blank_line)
{
    bool has_section = begins_with_field(buf_view(&section->text));
    section->length = has_section ? length : 0;
    section->body_at = has_section ? length + blank_line : 0;
}

enum section_status section_add(struct section *section, struct bytes piece)
{
    /* The end that is looked for may have begun in what was there; at the front it would have been
     * seen. */
    size_t before = section->text.len > 3 ? section->text.len - 3 : 0;
    buf_add(&section->text, piece);
    if (section->text.overflowed)
        return SECTION_LARGE;
    struct bytes text = buf_view(&section->text), tail = bytes_from(text, before);
    size_t length = bytes_search(tail, BYTES("\r\n\r\n")) + 2;
    if (before ? length > tail.len : !header_end(text, &length))
        return SECTION_MORE;
    take(section, before + length, 2);
    return SECTION_FOUND;
}

void section_end(struct section *section)
{
    take(section, section->text.len, 0);
}

struct bytes section_view(const struct section *section)
{
    return bytes_sub(buf_view(&section->text), 0, section->length);
}

struct bytes section_body(const struct section *section)
{
    return bytes_from(buf_view(&section->text), section->body_at);
}
