#include "seeds.h"

bool seeds_scan(const char *text, uint64_t *first, uint64_t *last)
{
    struct bytes whole = bytes_of(text);
    size_t dots = bytes_search(whole, BYTES(".."));
    if (!scan_u64(bytes_sub(whole, 0, dots), UINT32_MAX, first))
        return false;
    *last = *first;
    return dots == whole.len || scan_u64(bytes_from(whole, dots + 2), UINT32_MAX, last);
}
