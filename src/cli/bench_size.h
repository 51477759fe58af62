/* Sizes of messages by a distribution: one size, a range, or a table of either with weights. */
#pragma once

#include "base/error.h"

enum {
    BENCH_SIZE_PARTS = 16,
    BENCH_SIZE_MOST = 256 << 20, /* bytes of one message */
    BENCH_WEIGHT_MOST = 1000000,
};

/* Plain data. */
struct bench_sizes {
    size_t count;
    uint64_t total; /* of the weights */
    struct bench_size_part {
        uint64_t weight, least, most; /* bytes; any size between the two is as likely */
    } parts[BENCH_SIZE_PARTS];
};

/* Reads "4K", "1K-64K" or "70:2K,25:8K-32K,5:1M" (weight:size). False: err says what is wrong. */
MUST_CHECK bool bench_sizes_scan(struct bytes text, struct bench_sizes *out, struct error *err);
/* Draws one size; the same seeds draw the same ones. */
uint64_t bench_sizes_draw(const struct bench_sizes *sizes, uint64_t *seed);
