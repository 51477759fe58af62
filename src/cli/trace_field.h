/* The fields of a log line in logfmt (base/log.h): what `postrider trace` reads. Any bytes are
 * safe.
 */
#pragma once

#include "base/buf.h"

/* Takes the next "name=value" from *rest; the value's quotes and escapes are undone into *value
 * (cleared first). False at the end, and at what is no logfmt. */
bool trace_field(struct bytes *rest, struct bytes *name, struct buf *value);
/* The value of the first field of that name, into *value; false when the line has none, or an empty
 * one. */
bool trace_field_find(struct bytes line, struct bytes wanted, struct buf *value);
/* The value, as written, of a field that never needs escapes; empty: the line has none. */
struct bytes trace_field_raw(struct bytes line, struct bytes wanted);
/* The number of a message or a session in the field; 0: none. */
uint64_t trace_field_id(struct bytes line, struct bytes wanted);
/* Is it a line with that event? */
bool trace_field_is_event(struct bytes line, struct bytes event);
/* When; false: it does not say. */
MUST_CHECK bool trace_field_instant(struct bytes line, int64_t *out_ms);
