#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/histogram.h"
#include "base/memory.h"
#include "base/random.h"

/* Values 1 to count, each once, times factor. */
static const struct {
    const char *name;
    uint64_t count, factor;
    unsigned per_million;
    uint64_t want; /* exact; the answer may be above it by a bucket */
} rows[] = {
    {"none", 0, 1, 500000, 0},
    {"one: median", 1, 7, 500000, 7},
    {"one: greatest", 1, 7, 1000000, 7},
    {"none is below the least", 10, 1, 0, 1},
    {"small values are exact", 60, 1, 500000, 30},
    {"median of a hundred", 100, 1, 500000, 50},
    {"p99 of a hundred is not its greatest", 100, 1, 990000, 99},
    {"p99.9 of a hundred is its greatest", 100, 1, 999000, 100},
    {"p99 of many", 100000, 3, 990000, 297000},
    {"p99.9 of many", 100000, 1000, 999000, 99900000},
    {"greatest of many", 100000, 1000, 1000000, 100000000},
    {"beyond the range: the greatest is known", 3, UINT64_C(1) << 41, 1000000, UINT64_C(3) << 41},
};

static void answers_are_near(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct histogram *histogram = NEW(struct histogram);
        for (uint64_t value = 1; value <= rows[i].count; value++)
            histogram_add(histogram, (int64_t)(value * rows[i].factor));
        uint64_t got = histogram_at(histogram, rows[i].per_million);
        if (got < rows[i].want || got > rows[i].want + rows[i].want / 64)
            fail_msg("%s: %llu, not %llu", rows[i].name, (unsigned long long)got,
                     (unsigned long long)rows[i].want);
        assert_int_equal(histogram->count, rows[i].count);
        free(histogram);
    }
}

/* Every value alone is found again: the bounds of all buckets fit together. */
static void buckets_have_no_gaps(void **state)
{
    struct histogram *histogram = NEW(struct histogram);
    uint64_t seed = 1;
    for (size_t i = 0; i < 100000; i++) {
        uint64_t value = i < 5000 ? i : random_next(&seed) >> (25 + random_next(&seed) % 38);
        *histogram = (struct histogram){.count = 0};
        histogram_add(histogram, (int64_t)value);
        /* A greater one, so that the bucket's end is asked and not the maximum. */
        histogram_add(histogram, INT64_MAX);
        uint64_t got = histogram_at(histogram, 500000);
        assert_true(got >= value && got - value <= value / 64);
    }
    free(histogram);
}

static void negative_counts_as_zero(void **state)
{
    struct histogram *histogram = NEW(struct histogram);
    histogram_add(histogram, -5);
    assert_int_equal(histogram_at(histogram, 1000000), 0);
    assert_int_equal(histogram->count, 1);
    free(histogram);
}

static void merged_is_as_recorded_together(void **state)
{
    struct histogram *all = NEW(struct histogram),
                     *parts[2] = {NEW(struct histogram), NEW(struct histogram)};
    struct histogram *sum = NEW(struct histogram);
    uint64_t seed = 2;
    for (size_t i = 0; i < 1000; i++) {
        int64_t value = (int64_t)(random_next(&seed) >> 34);
        histogram_add(all, value);
        histogram_add(parts[i % 2], value);
    }
    histogram_merge(sum, parts[0]);
    histogram_merge(sum, parts[1]);
    assert_memory_equal(sum, all, sizeof *all);
    free(all);
    free(parts[0]);
    free(parts[1]);
    free(sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_near),
        cmocka_unit_test(buckets_have_no_gaps),
        cmocka_unit_test(negative_counts_as_zero),
        cmocka_unit_test(merged_is_as_recorded_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
