/* Mistyped domains: there is a guess or there is none, and a provider's name needs no second. */
#include "mail/typo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once, twice;
    buf_init(&once, size + 64);
    buf_init(&twice, size + 64);
    enum typo_kind kind = typo_find((struct bytes){data, size}, &once);
    ASSERT(!once.overflowed);
    ASSERT((kind == TYPO_NONE) == (once.len == 0));
    if (kind == TYPO_PROVIDER)
        ASSERT(typo_find(buf_view(&once), &twice) == TYPO_NONE);
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
