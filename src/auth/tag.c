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

static bool has_name(const struct tag_list *list, struct bytes name)
{
    for (size_t i = 0; i < list->count; i++)
        if (bytes_equal(list->tags[i].name, name))
            return true;
    return false;
}

void tag_list_read(struct tag_list *list, struct bytes text)
{
    struct tag tag;
    enum tag_status status;
    list->count = 0;
    list->is_valid = true;
    while ((status = tag_next(&text, &tag)) == TAG_FOUND && list->count < TAGS_MOST) {
        if (has_name(list, tag.name))
            list->is_valid = false;
        list->tags[list->count++] = tag;
    }
    if (status != TAG_END)
        list->is_valid = false;
}

bool tag_list_find(const struct tag_list *list, const char *name, struct bytes *value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!bytes_equal(list->tags[i].name, bytes_of(name)))
            continue;
        *value = list->tags[i].value;
        return true;
    }
    return false;
}
