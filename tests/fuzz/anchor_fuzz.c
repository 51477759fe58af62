/* Files of trust anchors: what is printed is a list of records too, the same one. */
#include "facts/anchor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = {data, size};
    struct anchor_fault fault = {0, NULL};
    struct buf once, twice;
    buf_init(&once, SIZE_MAX);
    buf_init(&twice, SIZE_MAX);
    if (!anchor_scan(text, &once, &fault))
        ASSERT(fault.what);
    else if (once.len <= ANCHOR_TEXT_LIMIT)
        ASSERT(anchor_scan(buf_view(&once), &twice, &fault) &&
               bytes_equal(buf_view(&once), buf_view(&twice)));
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
