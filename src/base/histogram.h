/* A histogram of fixed size for durations (or any numbers): buckets that grow with the value, so
 * that each answer is right to 1.6 %, from one to 2^40 (in µs: twelve days). Recording costs a
 * few instructions and no memory; histograms of several processes add up. */
#pragma once

#include "base/bytes.h"

enum {
    HISTOGRAM_FINE_BITS = 6, /* each power of two is cut into 2^6 buckets */
    HISTOGRAM_VALUE_BITS = 40,
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_FINE_BITS + 1) << HISTOGRAM_FINE_BITS,
};

/* Plain data; all zero is an empty one. */
struct histogram {
    uint64_t count, sum, least, most; /* least and most are exact */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Negative values count as 0, those beyond 2^40 as the last bucket. */
void histogram_add(struct histogram *histogram, int64_t value);
/* Adds all that `more` has. */
void histogram_merge(struct histogram *histogram, const struct histogram *more);
/* The value that `per_million` of all are not above (500000: the median; 1000000: the greatest),
 * rounded up to its bucket's end; 0 when there are none. */
uint64_t histogram_at(const struct histogram *histogram, unsigned per_million);
