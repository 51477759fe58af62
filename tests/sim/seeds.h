/* Which seeds a simulation is to try. */
#pragma once

#include "base/bytes.h"

/* Reads "N" or "A..B". False: it is neither. */
MUST_CHECK bool seeds_scan(const char *text, uint64_t *first, uint64_t *last);
