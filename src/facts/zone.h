/* A zone on file: the DNS as one JSON object, for tests and for `postrider verify --zone`, in place
 * of a resolver behind a table of facts (postrider-verify(1) has the format).
 *
 *     {"name.example": {"TXT": ["one record", ["in two", " strings"]], "A": ["192.0.2.1"],
 *                       "MX": [[10, "mx.example"]], "TLSA": [[3, 1, 1, "hex"]], "AAAA": "TIMEOUT"},
 *      "other.example": {"CNAME": ["name.example"]}, "dead.example": {"*": "SERVFAIL"},
 *      "@secure": ["name.example"]}
 *
 * Names have any case and may end with a dot. A name that is not there is NXDOMAIN, a type that is
 * not there NODATA; "*" stands for all types that are not listed. A CNAME is followed, and one that
 * goes round in a circle is SERVFAIL. Types that no question asks for are passed over. */
#pragma once

#include "facts/facts.h"

struct error; /* base/error.h */

enum {
    ZONE_TEXT_LIMIT = 16 << 20,   /* bytes of JSON */
    ZONE_MEMORY_LIMIT = 64 << 20, /* bytes of what is made of it */
    ZONE_TTL_S = 300,             /* of all its answers */
};

struct zone;

/* NULL and err, which names the place: not JSON, not of this form, or out of bounds. */
struct zone *zone_parse(struct bytes text, struct error *err);
void zone_free(struct zone *zone);

/* Answers all open questions of the table. */
void zone_answer(const struct zone *zone, struct facts *facts);
