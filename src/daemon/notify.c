#include "daemon/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/log.h"

enum { TEXT_LIMIT = 1000 };

static bool find_place(struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof notify->place.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    notify->place.sun_family = AF_UNIX;
    memcpy(notify->place.sun_path, path, len);
    /* An abstract socket's name begins with NUL, and ends with its length (unix(7)). */
    if (path[0] == '@')
        notify->place.sun_path[0] = 0;
    notify->place_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

/* Half of the time after which the manager would give the process up (sd_watchdog_enabled(3)). */
static int64_t find_period(void)
{
    const char *time = getenv("WATCHDOG_USEC"), *process = getenv("WATCHDOG_PID");
    uint64_t us, pid;
    if (!time || !scan_u64(bytes_of(time), INT64_MAX, &us))
        return 0;
    if (process && (!scan_u64(bytes_of(process), INT32_MAX, &pid) || (pid_t)pid != getpid()))
        return 0;
    return (int64_t)(us / 2 / 1000);
}

void notify_init(struct notify *notify)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    *notify = (struct notify){.due_ms = INT64_MAX};
    if (find_place(notify))
        notify->period_ms = find_period();
    if (notify->period_ms > 0)
        notify->due_ms = instant_steady_ms();
    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
}

void notify_send(const struct notify *notify, const char *format, ...)
{
    char text[TEXT_LIMIT + 1];
    va_list values;
    if (!notify->place_len)
        return;
    va_start(values, format);
    int wanted = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    size_t len = wanted < TEXT_LIMIT ? (size_t)wanted : TEXT_LIMIT;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (wanted < 0 || fd < 0 ||
        sendto(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&notify->place,
               notify->place_len) < 0)
        log_warning("notify-failed", LOG_TEXT("reason", strerror(errno)));
    if (fd >= 0)
        close(fd);
}

void notify_reloading(const struct notify *notify)
{
    notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=Reloading",
                instant_steady_us());
}

void notify_watchdog(struct notify *notify, int64_t now_ms)
{
    if (now_ms < notify->due_ms)
        return;
    notify->due_ms = now_ms + notify->period_ms;
    notify_send(notify, "WATCHDOG=1");
}
