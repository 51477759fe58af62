/* The listening sockets, which the supervisor binds and keeps open, so that nobody is refused
 * while a child is started again: one TCP socket for each worker and listener, and the Unix
 * sockets of mailbox, control and local submission. */
#pragma once

#include "daemon/config.h"
#include "daemon/inherited.h"

struct ports {
    unsigned workers;
    size_t listener_count;
    int listeners[CONFIG_WORKER_LIMIT][CONFIG_LISTENER_LIMIT];
    bool has_local;       /* one of the listeners is the Unix socket for submission */
    int mailbox, control; /* mailbox -1: local mail goes elsewhere */
};

/* Takes the listeners that were inherited, which all workers share, and binds the rest of what the
 * configuration names. False: err names the place; nothing stays open. */
MUST_CHECK bool ports_open(struct ports *ports, const struct config *config,
                           struct inherited *inherited, struct error *err);
/* Closes the TCP ones: new clients are refused at once. */
void ports_close_listeners(struct ports *ports);
/* Closes all and removes the Unix sockets' files. */
void ports_close(struct ports *ports, const struct config *config);
