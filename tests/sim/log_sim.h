/* The log as the simulation has it: events go to a hook as they are, and nowhere else. Implements
 * base/log.h. */
#pragma once

#include "base/log.h"

typedef void log_sim_hook(void *context, enum log_level level, const char *name,
                          const struct log_field *fields, size_t count);
/* NULL: nobody listens. */
void log_sim_listen(log_sim_hook *hook, void *context);
/* The field of that name; NULL: there is none. */
const struct log_field *log_sim_field(const struct log_field *fields, size_t count,
                                      const char *name);
