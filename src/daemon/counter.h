/* The worker's end of the channel to the control process: takes requests, has the desk answer
 * them, and sends what the channel does not take at once when it does. */
#pragma once

#include "daemon/worker.h"

struct counter;

/* Takes over the descriptor. NULL and err on failure. */
struct counter *counter_open(struct worker *worker, int fd_owned, struct error *err);
void counter_close(struct counter *counter_owned);
