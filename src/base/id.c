#include "base/id.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

enum { COUNTER_BITS = 16, SHARD_BITS = 6 };

static const int64_t EPOCH_MS = 1577836800000; /* 2020-01-01, so that ids stay short */

uint64_t id_next(struct id_source *source, int64_t now_ms)
{
    uint64_t since = now_ms > EPOCH_MS ? (uint64_t)(now_ms - EPOCH_MS) : 0;
    uint64_t step = (uint64_t)1 << (COUNTER_BITS + SHARD_BITS);
    uint64_t counter_mask = ((uint64_t)1 << COUNTER_BITS) - 1;
    uint64_t id = since * step | (uint64_t)source->shard << COUNTER_BITS;
    if (id <= source->last) {
        id = source->last + 1;
        /* The counter ran over into the shard: borrow the next millisecond. */
        if ((id & counter_mask) == 0)
            id = (source->last / step + 1) * step | (uint64_t)source->shard << COUNTER_BITS;
    }
    source->last = id;
    return id;
}

int64_t id_instant(uint64_t id)
{
    return (int64_t)(id >> (COUNTER_BITS + SHARD_BITS)) + EPOCH_MS;
}

unsigned id_shard(uint64_t id)
{
    return (unsigned)(id >> COUNTER_BITS) & ((1U << SHARD_BITS) - 1);
}

void id_print(struct buf *out, uint64_t id)
{
    uint8_t text[ID_TEXT];
    for (size_t i = ID_TEXT; i-- > 0; id >>= 5)
        text[i] = (uint8_t)alphabet[id & 31];
    buf_add(out, (struct bytes){text, sizeof text});
}

bool id_scan(struct bytes text, uint64_t *out)
{
    if (text.len != ID_TEXT)
        return false;
    uint64_t id = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t digit = bytes_find(bytes_of(alphabet), ascii_lower(text.at[i]));
        /* 13 characters hold 65 bits: the first has only four of its five. */
        if (digit >= 32 || (i == 0 && digit >= 16))
            return false;
        id = id << 5 | digit;
    }
    *out = id;
    return true;
}
