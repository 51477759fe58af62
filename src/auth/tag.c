#include "auth/tag.h"

static bool name_is_valid(struct bytes name)
{
    if (name.len == 0 || !ascii_is_alpha(name.at[0]))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!ascii_is_alpha(name.at[i]) && !ascii_is_digit(name.at[i]) && name.at[i] != '_')
            return false;
    return true;
}

enum tag_status tag_next(struct bytes *list, struct tag *out)
{
    struct bytes item, rest, name, value;
    if (bytes_trim(*list).len == 0)
        return TAG_END;
    (void)bytes_cut(*list, ';', &item, &rest);
    if (!bytes_cut(item, '=', &name, &value))
        return TAG_BAD;
    name = bytes_trim(name);
    if (!name_is_valid(name))
        return TAG_BAD;
    *out = (struct tag){name, bytes_trim(value)};
    *list = rest;
    return TAG_FOUND;
}

bool tag_find(struct bytes list, const char *name, struct bytes *value)
{
    struct tag tag;
    while (tag_next(&list, &tag) == TAG_FOUND) {
        if (!bytes_equal(tag.name, bytes_of(name)))
            continue;
        *value = tag.value;
        return true;
    }
    return false;
}

bool tag_list_is_valid(struct bytes list)
{
    /* More tags than any record has, so that the comparison of all with all stays small. */
    enum { TAGS_MOST = 64 };
    struct bytes seen[TAGS_MOST];
    for (size_t count = 0;; count++) {
        struct tag tag;
        switch (tag_next(&list, &tag)) {
        case TAG_END: return true;
        case TAG_BAD: return false;
        case TAG_FOUND: break;
        }
        if (count == TAGS_MOST)
            return false;
        for (size_t i = 0; i < count; i++)
            if (bytes_equal(seen[i], tag.name))
                return false;
        seen[count] = tag.name;
    }
}
