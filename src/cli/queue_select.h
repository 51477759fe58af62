/* Which messages a `postrider queue` command is about: an ID, all, or the options of a selection.
 */
#pragma once

#include "cli/command.h"

/* The request {"do": name} for what the command line selects; NULL when that is not clear, after
 * saying so. */
json_t *queue_select_request(const struct options *options, const char *name);
/* Is one message named by its id? */
bool queue_select_is_id(const struct options *options);

/* An id as people give it; false: said to be none. */
MUST_CHECK bool queue_id_is_valid(const char *word);
/* Says that there is no such message; the exit status. */
int queue_id_unknown(const char *id);
