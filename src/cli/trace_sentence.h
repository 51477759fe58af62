/* Log events as sentences: a table from event names to what they mean. */
#pragma once

#include "base/buf.h"

/* Appends what the line (logfmt) tells, without time and id: a sentence for an event that is
 * known, its fields for any other. Instants are in local time. Safe to show on a terminal. */
void trace_sentence(struct buf *out, struct bytes line);
/* Appends an instant as the local clock shows it: "2026-11-25 10:28:50". */
void trace_add_local(struct buf *out, int64_t instant_ms);
