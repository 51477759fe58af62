/* postrider init: sets up a server that the world talks to. */
#pragma once

#include "cli/init_plan.h"

/* Looks, asks what it must, makes everything, and prints what was made and what is missing. Returns
 * the exit status; as root it has become the server's user then. */
int init_host(const struct init_plan *plan);
