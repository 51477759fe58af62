/* The configuration that comes of what init is asked to make. */
#pragma once

#include "cli/init_plan.h"

/* Appends postrider.yaml, with notes, for a plan that is complete; one for development has its
 * port_offset. */
void init_config_print(const struct init_plan *plan, struct buf *out);
