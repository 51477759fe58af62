/* What went wrong in the world, for people: a text that gains context on its way up. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

struct error {
    int os; /* errno, or 0 where the system said nothing */
    char text[256];
};

/* Sets the text; always false, so that `return error_set(...)` reads well. os is an errno or 0;
 * with one, its meaning is appended (": No space left on device"). */
bool error_set(struct error *err, int os, const char *format, ...) PRINTF_LIKE(3, 4);
/* Puts context in front: "segment 000017: " + text; always false. */
bool error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
