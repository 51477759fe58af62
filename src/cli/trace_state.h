/* The end of a story that is not over: what the queue has of the message now. */
#pragma once

#include "cli/trace_lines.h"
#include "daemon/config.h"

/* Asks the running server and prints a line for each recipient that waits, behind the newest
 * failed connection to where it is to go. Where no server answers, it says so: false. */
MUST_CHECK bool trace_state_print(const struct config *config, const struct trace_lines *lines,
                                  const char *id);
