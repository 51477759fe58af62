#include "queue/rate.h"

/* The generic cell rate algorithm: one instant says it all, and nothing is to be done as time goes
 * by. */

static const int64_t BURST_US = 1000000;

static const struct {
    char letter;
    int64_t ms;
} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};

bool rate_scan(struct bytes text, struct rate *out)
{
    struct bytes count, unit;
    uint64_t messages;
    if (!bytes_cut(text, '/', &count, &unit) || unit.len != 1 ||
        !scan_u64(count, RATE_MESSAGES_MOST, &messages) || messages == 0)
        return false;
    for (size_t i = 0; i < COUNT(units); i++)
        if ((uint8_t)units[i].letter == unit.at[0]) {
            *out = (struct rate){(uint32_t)messages, units[i].ms};
            return true;
        }
    return false;
}

void rate_print(struct buf *out, const struct rate *rate)
{
    for (size_t i = 0; i < COUNT(units); i++)
        if (units[i].ms == rate->period_ms)
            buf_addf(out, "%u/%c", rate->messages, units[i].letter);
}

static int64_t interval_us(const struct rate *rate)
{
    return rate->period_ms * 1000 / rate->messages;
}

int64_t rate_ready_ms(const struct rate *rate, const struct rate_account *account)
{
    if (rate->messages == 0 || account->due_us == 0)
        return 0;
    int64_t interval = interval_us(rate);
    int64_t spare_us = BURST_US > interval ? BURST_US - interval : 0;
    /* Rounded up: not a moment too early. */
    int64_t ready_us = account->due_us - spare_us;
    return ready_us > 0 ? (ready_us + 999) / 1000 : 0;
}

void rate_spend(const struct rate *rate, struct rate_account *account, int64_t now_ms)
{
    if (rate->messages == 0)
        return;
    if (account->due_us < now_ms * 1000)
        account->due_us = now_ms * 1000;
    account->due_us += interval_us(rate);
}

void rate_return(const struct rate *rate, struct rate_account *account)
{
    if (rate->messages > 0 && account->due_us >= interval_us(rate))
        account->due_us -= interval_us(rate);
}
