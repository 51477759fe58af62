/* How much an account may send in a day: messages, and recipients that it never wrote to before,
 * which is what a stolen password is used for. Pure: what was counted is kept by the caller.
 *
 * A day is one of UTC's. What is over the limit waits for the next one: nothing is bounced. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* 0: any number. */
struct quota_limits {
    uint32_t messages, strangers; /* a day */
};

struct quota_use {
    int64_t day; /* since 1970 */
    uint32_t messages, strangers;
};

enum quota_verdict {
    QUOTA_FINE,
    QUOTA_NEAR,      /* taken; and with this message four fifths of a limit are reached */
    QUOTA_MESSAGES,  /* over the limit of messages */
    QUOTA_STRANGERS, /* over that of first-time recipients */
};

/* May one more message go, to so many recipients of whom so many are new? Then it is counted in
 * *use; else nothing changes but the day. */
enum quota_verdict quota_spend(const struct quota_limits *limits, int64_t now_ms,
                               uint32_t strangers, struct quota_use *use);
/* When the next day begins. */
int64_t quota_next_day_ms(int64_t now_ms);
