#include "cli/bench_schedule.h"

#include <math.h>

#include "base/random.h"

enum { FRACTION_DIGITS = 3, MILLI = 1000 };

bool bench_rate_scan(struct bytes text, uint64_t *out_milli)
{
    struct bytes whole, fraction;
    uint64_t units, milli = 0;
    bool has_point = bytes_cut(text, '.', &whole, &fraction);
    if (!scan_u64(whole, BENCH_RATE_MOST, &units))
        return false;
    if (has_point && (fraction.len > FRACTION_DIGITS || !scan_u64(fraction, MILLI, &milli)))
        return false;
    for (size_t i = fraction.len; has_point && i < FRACTION_DIGITS; i++)
        milli *= 10;
    milli += units * MILLI;
    if (milli == 0 || milli > (uint64_t)BENCH_RATE_MOST * MILLI)
        return false;
    *out_milli = milli;
    return true;
}

void bench_schedule_init(struct bench_schedule *schedule, enum bench_arrivals arrivals,
                         uint64_t rate_milli, int64_t start_us, uint64_t seed)
{
    *schedule = (struct bench_schedule){
        .arrivals = arrivals,
        .start_us = start_us,
        .gap_us = 1e9 / (double)rate_milli,
        .seed = seed,
    };
}

/* Uniform in (0, 1]: its logarithm is finite. */
static double draw(uint64_t *seed)
{
    return (double)((random_next(seed) >> 11) + 1) / (double)(UINT64_C(1) << 53);
}

int64_t bench_schedule_next(struct bench_schedule *schedule)
{
    switch (schedule->arrivals) {
    case ARRIVALS_EVEN:
        /* By number, not by addition: nothing adds up over a long run. */
        schedule->after_us = (double)schedule->number * schedule->gap_us;
        break;
    case ARRIVALS_POISSON:
        schedule->after_us -= log(draw(&schedule->seed)) * schedule->gap_us;
        break;
    }
    schedule->number++;
    return schedule->start_us + (int64_t)schedule->after_us;
}
