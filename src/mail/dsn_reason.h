/* What a status code means to somebody who sent a message: in plain words, with what there is to do
 * about it (RFC 3463, RFC 5248, RFC 7372, RFC 7505). Knows nothing of the message. */
#pragma once

#include "base/bytes.h"

struct dsn_reason {
    struct bytes what;   /* what went wrong, to stand behind a colon */
    struct bytes advice; /* what the sender can do, whole sentences; empty: only wait */
};

/* Of what failed for good, by the enhanced status code ("5.1.1"; its class does not matter). There
 * is one for anything, also for what is no status at all. */
struct dsn_reason dsn_reason_failed(struct bytes status);
/* Of what has not been delivered yet. */
struct dsn_reason dsn_reason_delayed(struct bytes status);
