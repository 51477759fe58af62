/* Patterns of domains, as keys of a map: "example.org" (itself), ".example.org" (what is below it),
 * "*" (everything without a better match). Pure. */
#pragma once

#include "base/bytes.h"

struct map; /* base/map.h */

enum { PATTERN_LIMIT = 256 };

/* Could it match a domain? */
bool pattern_is_valid(struct bytes pattern);
/* Makes the letters small, as the keys of a map of patterns are to be; at most PATTERN_LIMIT
 * bytes. */
struct bytes pattern_lower(struct bytes text, uint8_t room[PATTERN_LIMIT]);
/* The value for a domain: exact, then the longest ".suffix", then "*"; NULL: none. Case does not
 * matter. */
void *pattern_find(const struct map *map, struct bytes domain);
