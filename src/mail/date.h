/* The date of a message (RFC 5322, 3.3, and the obsolete forms of 4.3). */
#pragma once

#include "base/instant.h"

/* Appends "Tue, 24 Nov 2026 03:07:04 +0000". */
void date_print(struct buf *out, int64_t instant_ms);

/* Reads a date that fills the view, up to comments and folding. Obsolete zones, years of two and
 * three digits and comments anywhere are understood; a day of the week that does not fit the
 * date is not held against it. The years are 1900 to 9999. *out_ms is written on success only. */
MUST_CHECK bool date_scan(struct bytes text, int64_t *out_ms);
