#include "policy/quota.h"

static const int64_t day_ms = 24 * 60 * 60 * INT64_C(1000);

/* Is four fifths of the limit between the two, the second included? */
static bool passes_near(uint32_t before, uint32_t after, uint32_t limit)
{
    uint64_t near = (uint64_t)limit * 4 / 5;
    return limit && before < near && after >= near;
}

enum quota_verdict quota_spend(const struct quota_limits *limits, int64_t now_ms,
                               uint32_t strangers, struct quota_use *use)
{
    int64_t day = now_ms / day_ms;
    /* A clock set back does not give a second helping. */
    if (day > use->day)
        *use = (struct quota_use){.day = day};
    if (limits->messages && use->messages >= limits->messages)
        return QUOTA_MESSAGES;
    if (limits->strangers && strangers &&
        (use->strangers > limits->strangers || strangers > limits->strangers - use->strangers))
        return QUOTA_STRANGERS;
    struct quota_use before = *use;
    use->messages += use->messages < UINT32_MAX;
    use->strangers =
        strangers > UINT32_MAX - use->strangers ? UINT32_MAX : use->strangers + strangers;
    bool is_near = passes_near(before.messages, use->messages, limits->messages) ||
                   passes_near(before.strangers, use->strangers, limits->strangers);
    return is_near ? QUOTA_NEAR : QUOTA_FINE;
}

int64_t quota_next_day_ms(int64_t now_ms)
{
    return (now_ms / day_ms + 1) * day_ms;
}
