/* `postrider trace --follow`: prints what is asked for as the journals grow. */
#pragma once

#include "cli/trace_page.h"
#include "daemon/config.h"

struct trace_follow;

/* Follows the journals from where the files' blocks end, also those that are begun later, and where
 * one is closed and the next one begun. Keeps query; the stories' messages and sessions belong to
 * what is asked for. */
struct trace_follow *trace_follow_open(const struct config *config, const struct trace_query *query,
                                       const struct trace_files *files,
                                       const struct trace_stories *stories);
void trace_follow_close(struct trace_follow *follow);
/* Prints until the message that is asked for is finished: delivered, given up, deleted or refused;
 * anything else for ever. is_json: the lines' fields, an object each. */
void trace_follow_run(struct trace_follow *follow, bool is_json);
