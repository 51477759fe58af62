#include "base/histogram.h"

enum { FINE = 1 << HISTOGRAM_FINE_BITS };

/* Values below FINE have a bucket each; above, the bits behind the first one choose. */
static size_t bucket_of(uint64_t value)
{
    if (value < FINE)
        return (size_t)value;
    if (value >> HISTOGRAM_VALUE_BITS)
        return HISTOGRAM_BUCKETS - 1;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_FINE_BITS;
    return ((size_t)shift << HISTOGRAM_FINE_BITS) + (size_t)(value >> shift);
}

/* The greatest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < FINE)
        return bucket;
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_FINE_BITS) - 1;
    uint64_t first = (uint64_t)(FINE + (bucket & (FINE - 1))) << shift;
    return first + (UINT64_C(1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, int64_t value)
{
    uint64_t number = value > 0 ? (uint64_t)value : 0;
    if (!histogram->count || number < histogram->least)
        histogram->least = number;
    if (number > histogram->most)
        histogram->most = number;
    histogram->count++;
    histogram->sum += number;
    histogram->buckets[bucket_of(number)]++;
}

void histogram_merge(struct histogram *histogram, const struct histogram *more)
{
    if (!more->count)
        return;
    if (!histogram->count || more->least < histogram->least)
        histogram->least = more->least;
    if (more->most > histogram->most)
        histogram->most = more->most;
    histogram->count += more->count;
    histogram->sum += more->sum;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += more->buckets[i];
}

uint64_t histogram_at(const struct histogram *histogram, unsigned per_million)
{
    ASSERT(per_million <= 1000000);
    /* Rounded up, so that one slow value in a hundred shows at p99.9 and not at p99. */
    uint64_t whole = histogram->count / 1000000, rest = histogram->count % 1000000;
    uint64_t wanted = whole * per_million + (rest * per_million + 999999) / 1000000;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && histogram->count; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen)
            return i + 1 < HISTOGRAM_BUCKETS && bucket_end(i) < histogram->most ? bucket_end(i)
                                                                                : histogram->most;
    }
    return 0;
}
