/* The keeper's count of what accounts send (daemon/usage.h). */
#pragma once

#include "daemon/keeper.h"

/* False: err. */
MUST_CHECK bool keeper_usage_open(struct keeper *keeper, struct error *err);
/* KEEPER_SPEND: answers at once. */
void keeper_usage_begin(struct keeper_job *job);
