/* The data of a record as the DNS carries it (RFC 1035, 3.3; RFC 3596; RFC 6698; RFC 2782), names
 * spelled out without compression, made into what a table of facts holds. */
#pragma once

#include "base/arena.h"
#include "facts/facts.h"

/* Reads one record's data. A TXT's strings are joined; a name loses its final dot, and the root is
 * the empty name. Names and texts are copied to the arena. False: the data is malformed, holds a
 * name that cannot be written as text (a label with a dot or a NUL in it), or the arena has no
 * room; *out is not written. */
MUST_CHECK bool rdata_scan(enum fact_type type, struct bytes rdata, struct arena *arena,
                           struct answer_record *out);
