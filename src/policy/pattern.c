#include "policy/pattern.h"

#include "base/map.h"

bool pattern_is_valid(struct bytes pattern)
{
    if (bytes_equal(pattern, BYTES("*")))
        return true;
    if (pattern.len > PATTERN_LIMIT)
        return false;
    struct bytes rest = bytes_from(pattern, pattern.len > 0 && pattern.at[0] == '.');
    struct bytes label;
    for (bool has_more = true; has_more;) {
        has_more = bytes_cut(rest, '.', &label, &rest);
        if (label.len == 0)
            return false;
    }
    return bytes_find(pattern, '*') == pattern.len && bytes_find(pattern, '@') == pattern.len;
}

struct bytes pattern_lower(struct bytes text, uint8_t room[PATTERN_LIMIT])
{
    ASSERT(text.len <= PATTERN_LIMIT);
    for (size_t i = 0; i < text.len; i++)
        room[i] = ascii_lower(text.at[i]);
    return (struct bytes){room, text.len};
}

void *pattern_find(const struct map *map, struct bytes domain)
{
    uint8_t room[PATTERN_LIMIT];
    if (domain.len > sizeof room || map_count(map) == 0)
        return NULL;
    struct bytes lower = pattern_lower(domain, room);
    void *value = map_find(map, lower);
    for (size_t at = 0; !value && at < lower.len;) {
        size_t dot = bytes_find(bytes_from(lower, at), '.');
        struct bytes suffix = bytes_from(lower, at + dot);
        /* ".example.org" is what is below it: a domain that begins with the dot is none. */
        if (at + dot > 0 && suffix.len > 0)
            value = map_find(map, suffix);
        at += dot + 1;
    }
    return value ? value : map_find(map, BYTES("*"));
}
