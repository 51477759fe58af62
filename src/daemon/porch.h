/* Where a connection waits that a proxy has made for somebody: until the header of the PROXY
 * protocol (smtp/proxy.h) has said for whom. No byte behind the header is read. */
#pragma once

#include "base/error.h"
#include "base/list.h"
#include "net/loop.h"
#include "smtp/proxy.h"

struct porch;

/* The header is here, or what came is none (proxy->fault says why, or nothing came in time). The
 * porch is gone by then; the descriptor is the receiver's. */
typedef void porch_done(void *context, int fd_owned, const struct proxy *proxy);

/* Takes over a connected, non-blocking socket, and stands in the list until it is done. NULL and
 * err; the socket is then closed. */
struct porch *porch_open(struct loop *loop, int fd_owned, struct list *porches, porch_done *done,
                         void *context, struct error *err);
/* Closes all that wait. */
void porch_close_all(struct list *porches);
