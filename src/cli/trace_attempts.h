/* The attempts that a message waited for with others: connections to where it was to go that did
 * not come about. Their lines bear no message's id, as all mail for the place waits together. */
#pragma once

#include "cli/trace_search.h"
#include "cli/trace_state.h"

enum { TRACE_ATTEMPTS_MOST = 20 };

/* Does the line tell of such a failure? */
bool trace_is_attempt(struct bytes line);

/* Adds to the story the newest TRACE_ATTEMPTS_MOST failures of the places that its lines and the
 * queue (NULL: unknown) name, from its first line to its last, or to now while it waits. */
void trace_attempts_add(struct trace_story *story, struct trace_files *files,
                        const struct trace_state *state);
