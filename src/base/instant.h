/* Instants and durations: int64_t milliseconds; instants count from 1970-01-01 UTC.
 * Pure layers take them as parameters and may only print and read them. */
#pragma once

#include "base/buf.h"

/* The wall clock now (ms since 1970). Not for pure layers. */
int64_t instant_now_ms(void);
/* A clock that never jumps (ms since some past), for timeouts. Not for pure layers. */
int64_t instant_steady_ms(void);
/* The same clock in µs, for what is measured. Not for pure layers. */
int64_t instant_steady_us(void);

/* Appends RFC 3339 in UTC with milliseconds: 2026-11-24T03:07:04.123Z. */
void instant_print(struct buf *out, int64_t instant_ms);
/* Reads what instant_print writes (fraction and a +hh:mm offset allowed; RFC 3339, 5.6).
 * *out_ms is written on success only. */
MUST_CHECK bool instant_scan(struct bytes text, int64_t *out_ms);

/* A calendar date and time in UTC. */
struct calendar {
    int year, month, day;     /* month 1-12, day 1-31 */
    int hour, minute, second; /* 0-23, 0-59, 0-60 */
    int weekday;              /* 0 is Sunday */
};
struct calendar instant_calendar(int64_t instant_ms);
/* The instant of a date and time in UTC; fields are taken modulo nothing: they must be valid. */
int64_t calendar_instant(const struct calendar *calendar);
