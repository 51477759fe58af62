/* The data of records: what is read lies in the arena, is no longer than what it was read from, and
 * a name is text without NULs. The first byte chooses the type. */
#include "facts/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CEILING = 1 << 16 };
    if (size == 0)
        return 0;
    enum fact_type type = data[0] % (FACT_TYPES);
    struct bytes rdata = {data + 1, size - 1};
    struct arena *arena = arena_new(CEILING);
    struct answer_record record;
    if (rdata_scan(type, rdata, arena, &record)) {
        ASSERT(record.data.len <= rdata.len && arena_used(arena) <= CEILING);
        bool is_name =
            type == FACT_MX || type == FACT_PTR || type == FACT_CNAME || type == FACT_SRV;
        ASSERT(!is_name ||
               (record.data.len <= 253 && bytes_find(record.data, 0) == record.data.len));
    }
    arena_free(arena);
    return 0;
}
