#include "policy/directory.h"

#include "mail/address.h"
#include "mail/idna.h"
#include "mail/precis.h"

bool directory_name_of(struct buf *out, struct bytes local_value, struct bytes domain)
{
    uint8_t room[DIRECTORY_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (!precis_username(&name, local_value) || name.len > LOCAL_PART_LIMIT)
        return false;
    buf_add_byte(&name, '@');
    if (!idna_to_ascii(domain, &name) || name.overflowed)
        return false;
    buf_add(out, buf_view(&name));
    return !out->overflowed;
}

bool directory_name(struct buf *out, struct bytes text)
{
    uint8_t room[2 * LOCAL_PART_LIMIT];
    struct buf local = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct address address;
    if (address_parse(text, ADDRESS_UTF8, &address) != PATH_OK || address.domain.len == 0)
        return false;
    address_local_value(&local, address.local);
    return !local.overflowed && directory_name_of(out, buf_view(&local), address.domain);
}

bool directory_is_same(struct bytes a, struct bytes b)
{
    uint8_t rooms[2][DIRECTORY_NAME_LIMIT];
    struct buf names[2] = {
        {.at = rooms[0], .cap = DIRECTORY_NAME_LIMIT, .limit = DIRECTORY_NAME_LIMIT},
        {.at = rooms[1], .cap = DIRECTORY_NAME_LIMIT, .limit = DIRECTORY_NAME_LIMIT},
    };
    return directory_name(&names[0], a) && directory_name(&names[1], b) &&
           bytes_equal(buf_view(&names[0]), buf_view(&names[1]));
}

bool directory_has(const struct directory *directory, struct bytes name)
{
    struct bytes names = directory->names;
    if (directory->has_all)
        return true;
    size_t from = 0, to = names.len;
    /* Both are at the beginning of a line, or to at the end. */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        size_t start = bytes_find_last(bytes_sub(names, from, middle - from), '\n');
        start = start == middle - from ? from : from + start + 1;
        struct bytes rest = bytes_sub(names, start, to - start);
        struct bytes line = bytes_sub(rest, 0, bytes_find(rest, '\n'));
        int order = bytes_compare(name, line);
        if (order == 0)
            return true;
        if (order < 0)
            to = start;
        else
            from = start + line.len + 1;
    }
    return false;
}
