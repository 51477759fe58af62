/* How many messages may go to a destination in a time: "100/m". Pure: the time is handed in. */
#pragma once

#include "base/buf.h"

enum { RATE_MESSAGES_MOST = 1000000 };

/* So many messages in a period, evenly: after a pause at most what is due in a second at once, and
 * at least one. */
struct rate {
    uint32_t messages; /* 0: as many as may be */
    int64_t period_ms;
};

/* Reads "100/m" or "10/s", "/h", "/d". *out is written on success only. */
MUST_CHECK bool rate_scan(struct bytes text, struct rate *out);
void rate_print(struct buf *out, const struct rate *rate);

/* What has been spent: the instant (in microseconds) at which it all would have been due. Begins
 * with zero. */
struct rate_account {
    int64_t due_us;
};
/* The instant from which one more may go. */
int64_t rate_ready_ms(const struct rate *rate, const struct rate_account *account);
void rate_spend(const struct rate *rate, struct rate_account *account, int64_t now_ms);
/* What was spent was not used. */
void rate_return(const struct rate *rate, struct rate_account *account);
