/* Envelopes on disk: whatever is read prints to the same bytes, within the arena's ceiling. */
#include "mail/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CEILING = 1 << 16 };
    struct bytes input = {data, size};
    struct arena *arena = arena_new(CEILING);
    struct envelope found;
    if (envelope_scan(input, arena, &found)) {
        struct buf printed;
        buf_init(&printed, size);
        envelope_print(&printed, &found);
        ASSERT(!printed.overflowed && bytes_equal(buf_view(&printed), input));
        buf_done(&printed);
    }
    ASSERT(arena_used(arena) <= CEILING);
    arena_free(arena);
    return 0;
}
