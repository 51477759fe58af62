/* Dates: what is read prints to a date that reads as the same instant. */
#include "mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t instant_ms, again_ms;
    if (!date_scan((struct bytes){data, size}, &instant_ms))
        return 0;
    struct buf printed;
    buf_init(&printed, 100);
    date_print(&printed, instant_ms);
    ASSERT(!printed.overflowed && date_scan(buf_view(&printed), &again_ms));
    ASSERT(again_ms == instant_ms);
    buf_done(&printed);
    return 0;
}
