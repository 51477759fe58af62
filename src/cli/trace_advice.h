/* What an operator can do about what a log line tells: a table from what is known to go wrong to
 * what helps. */
#pragma once

#include "base/bytes.h"

/* One sentence; NULL: nothing to do, or nothing is known. */
const char *trace_advice(struct bytes line);
