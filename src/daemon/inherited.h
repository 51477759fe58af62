/* Listening sockets that the server was started with (sd_listen_fds(3)), as a socket unit of
 * systemd hands them over: bound while nobody of the server runs, so that a restart refuses no
 * client. Each is known by its address, whatever its name is. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/bytes.h"

enum { INHERITED_LIMIT = 64 };

struct inherited {
    int fds[INHERITED_LIMIT]; /* -1: taken */
    size_t count;
};

/* Reads LISTEN_PID and LISTEN_FDS, and takes them and LISTEN_FDNAMES out of the environment. To be
 * called before anything is opened. What is beyond the limit is closed, with a warning. */
void inherited_init(struct inherited *inherited);
/* The one that listens at this address (in storage of its family's whole size), which is the
 * caller's from now on: non-blocking, and closed on exec. -1: none does. */
MUST_CHECK int inherited_take(struct inherited *inherited, const struct sockaddr *place);
/* Does one that was not taken, of whatever address, listen at this TCP port? */
bool inherited_has_port(const struct inherited *inherited, uint16_t port);
/* Warns of each that was not taken, and closes it. */
void inherited_done(struct inherited *inherited);
