/* What the supervisor tells a child while it serves: a new configuration, a new peer, to stop. */
#pragma once

#include "daemon/child.h"
#include "net/loop.h"

struct orders;

struct orders_events {
    /* A new configuration, checked and good; child->config is still the old one. */
    void (*reload)(void *context, struct config *config_owned);
    /* A channel to another process, in place of the one before (a worker's to the control process),
     * or beside it (the keeper's to those who may ask); NULL where none is used. */
    void (*peer)(void *context, int fd_owned);
    /* A channel to the keeper, in place of the one before; NULL where none is used. */
    void (*keeper)(void *context, int fd_owned);
    /* A secret file of the configuration that comes into force with the next reload; NULL where
     * none is used. The name is borrowed. */
    void (*secret)(void *context, struct bytes name, int fd_owned, int os);
    /* Drain and end. */
    void (*stop)(void *context);
    /* The supervisor is gone: end at once. The last event. */
    void (*gone)(void *context);
};

/* Begins to listen on child->supervisor_fd, which it takes over. events is kept, not copied. NULL
 * and err on failure. */
struct orders *orders_open(struct loop *loop, struct child *child,
                           const struct orders_events *events, void *context, struct error *err);
void orders_close(struct orders *orders_owned);
