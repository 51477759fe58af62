/* postrider init --dev: a folder with all that a server for development needs. */
#pragma once

#include "cli/init_plan.h"

/* Makes it, prints what was made, and returns the exit status. */
int init_dev(const struct init_plan *plan);
