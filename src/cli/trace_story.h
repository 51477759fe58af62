/* Log events as sentences: a table from event names to what they mean. */
#pragma once

#include "base/buf.h"

/* Appends what the line (logfmt) tells, without time and id: a sentence for an event that is
 * known, its fields for any other. Safe to show on a terminal. */
void trace_story(struct buf *out, struct bytes line);
