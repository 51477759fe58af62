#include "cli/bench_ids.h"

#include <stdlib.h>

#include "base/memory.h"

void bench_ids_init(struct bench_ids *ids, uint64_t limit, size_t recipients)
{
    *ids = (struct bench_ids){.limit = limit, .recipients = recipients};
    size_t bytes = (size_t)(limit * recipients / 8) + 1;
    ids->since_us = memory_new((size_t)limit, sizeof *ids->since_us);
    ids->accepted = memory_new(bytes, 1);
    ids->arrived = memory_new(bytes, 1);
}

void bench_ids_done(struct bench_ids *ids)
{
    free(ids->since_us);
    free(ids->accepted);
    free(ids->arrived);
    *ids = (struct bench_ids){.limit = 0};
}

static bool is_set(const uint8_t *bits, uint64_t bit)
{
    return bits[bit / 8] >> (bit % 8) & 1;
}

static uint64_t bit_of(const struct bench_ids *ids, uint64_t id, size_t place)
{
    ASSERT(id < ids->limit && place < ids->recipients);
    return id * ids->recipients + place;
}

void bench_ids_accept(struct bench_ids *ids, uint64_t id, size_t place)
{
    uint64_t bit = bit_of(ids, id, place);
    ASSERT(!is_set(ids->accepted, bit));
    ids->accepted[bit / 8] |= (uint8_t)(1U << (bit % 8));
    /* A fast server delivers before its 250 is read. */
    if (is_set(ids->arrived, bit))
        ids->unasked--;
    else
        ids->missing++;
}

bool bench_ids_arrive(struct bench_ids *ids, uint64_t id, size_t place)
{
    uint64_t bit = bit_of(ids, id, place);
    if (is_set(ids->arrived, bit)) {
        ids->duplicates++;
        return false;
    }
    ids->arrived[bit / 8] |= (uint8_t)(1U << (bit % 8));
    if (is_set(ids->accepted, bit))
        ids->missing--;
    else
        ids->unasked++;
    return true;
}
