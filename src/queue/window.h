/* How many connections a destination may have: from few to many while it answers, fewer when it
 * balks (RFC 5321, 4.5.4.1 leaves it to us not to press). Doubles with what is answered until it
 * has balked once; then it grows by one for as many answers as it is wide, as TCP does. Pure. */
#pragma once

#include "base/bytes.h"

enum { WINDOW_START = 2 };

struct window {
    uint32_t size, threshold; /* threshold: where it grows slowly from */
    uint32_t answers;         /* since it last grew */
    int64_t balked_ms;
};

void window_init(struct window *window);
/* A message was answered, good or bad, while the window was full. limit: it grows no further. */
void window_answered(struct window *window, size_t limit);
/* A session broke off, timed out, or said that it was too much. Several within five seconds are
 * one: sessions that broke together halve it once. */
void window_balked(struct window *window, int64_t now_ms);
/* One more connection was refused where so many work. */
void window_refused(struct window *window, size_t working);
/* It answers nothing any more: when it does again, it begins with one. */
void window_died(struct window *window);
