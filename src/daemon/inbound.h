/* The worker's incoming sessions: listening sockets, who may come in, and the answers to what the
 * SMTP machine asks (sender, recipient, message). */
#pragma once

#include "daemon/worker.h"

/* Listens on a socket of the configuration's listener with that number. Takes the socket over. */
MUST_CHECK bool gate_open(struct worker *worker, int fd_owned, size_t number, struct error *err);
void gate_close_all(struct worker *worker);

/* Sets up worker->host. */
void inbound_init(struct worker *worker);
/* Ends sessions politely, each as soon as it has no transaction open. */
void inbound_shut_all(struct worker *worker);
/* Breaks them off now. */
void inbound_kill_all(struct worker *worker);
