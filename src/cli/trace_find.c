#include "cli/trace_find.h"

#include <string.h>

void trace_finder_init(struct trace_finder *finder, struct bytes wanted)
{
    finder->len = wanted.len < TRACE_FINDER_MOST ? wanted.len : TRACE_FINDER_MOST;
    for (size_t i = 0; i < 256; i++)
        finder->skips[i] = finder->len;
    for (size_t i = 0; i < finder->len; i++)
        finder->wanted[i] = ascii_lower(wanted.at[i]);
    /* The last byte's own place is not counted: a mismatch has to move on. */
    for (size_t i = 0; i + 1 < finder->len; i++)
        finder->skips[finder->wanted[i]] = finder->len - 1 - i;
}

/* Where it begins, or text.len. */
static size_t find(const struct trace_finder *finder, struct bytes text)
{
    size_t last = finder->len - 1;
    for (size_t i = 0; text.len >= finder->len && i <= text.len - finder->len;) {
        uint8_t end = ascii_lower(text.at[i + last]);
        size_t j = 0;
        if (end == finder->wanted[last])
            while (j < last && ascii_lower(text.at[i + j]) == finder->wanted[j])
                j++;
        if (end == finder->wanted[last] && j == last)
            return i;
        i += finder->skips[end];
    }
    return text.len;
}

bool trace_finder_next(const struct trace_finder *finder, struct bytes *rest, struct bytes *line)
{
    size_t at = finder->len ? find(finder, *rest) : 0;
    if (at >= rest->len)
        return false;
    const uint8_t *start = memrchr(rest->at, '\n', at);
    size_t begin = start ? (size_t)(start - rest->at) + 1 : 0;
    size_t end = at + bytes_find(bytes_from(*rest, at), '\n');
    *line = bytes_sub(*rest, begin, end - begin);
    *rest = bytes_from(*rest, end + 1);
    return true;
}
