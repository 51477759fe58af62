/* Tag lists: views lie inside the list, each step comes nearer to its end. */
#include "auth/tag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes list = {data, size};
    struct tag tag;
    while (tag_next(&list, &tag) == TAG_FOUND) {
        ASSERT(tag.name.len > 0 && tag.name.at >= data);
        ASSERT(tag.name.at + tag.name.len < data + size);
        ASSERT(tag.value.len == 0 || tag.value.at + tag.value.len <= data + size);
    }
    struct tag_list all;
    tag_list_read(&all, (struct bytes){data, size});
    ASSERT(all.count <= TAGS_MOST);
    return 0;
}
