/* What the supervisor tells the service manager that started it (sd_notify(3)): that it serves,
 * reloads or stops, a line for `systemctl status`, and that it lives (the manager's watchdog). The
 * protocol is one datagram, so no process is linked with libsystemd for it. Where there is no such
 * manager, nothing is said. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/attr.h"

struct notify {
    struct sockaddr_un place;
    socklen_t place_len; /* 0: nobody listens */
    int64_t period_ms;   /* of the watchdog; 0: there is none */
    int64_t due_ms;      /* its next sign of life (steady); INT64_MAX: none */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment, so
 * that no child speaks for the supervisor. A value that makes no sense counts as none. */
void notify_init(struct notify *notify);
/* Sends assignments, a line each: "READY=1\nSTATUS=Serving". What is beyond 1,000 bytes is left
 * out. A failure is logged, and is none of the server's. */
void notify_send(const struct notify *notify, const char *format, ...) PRINTF_LIKE(2, 3);
/* Says that the server reloads, with the time that systemd wants beside it. */
void notify_reloading(const struct notify *notify);
/* Gives the sign of life that is due at now_ms. */
void notify_watchdog(struct notify *notify, int64_t now_ms);
