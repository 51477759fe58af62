/* Finds the lines of a text that have a string in them, in any case: fast (Horspool's way), as it
 * looks through many lines for few. */
#pragma once

#include "base/bytes.h"

enum { TRACE_FINDER_MOST = 64 };

struct trace_finder {
    uint8_t wanted[TRACE_FINDER_MOST]; /* in lower case */
    size_t len, skips[256];
};

/* Of a longer string its beginning; an empty one is in every line. */
void trace_finder_init(struct trace_finder *finder, struct bytes wanted);
/* The next line with the string, without its end; *rest goes on behind it. False: no more. */
bool trace_finder_next(const struct trace_finder *finder, struct bytes *rest, struct bytes *line);
