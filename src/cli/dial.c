#include "cli/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/memory.h"

struct line {
    int fd; /* -1: none, or taken */
    int os; /* why there is none */
    bool is_settled;
};

struct dial {
    struct line lines[DIAL_LIMIT];
    size_t count;
    int64_t until_ms;
};

static int begin(const struct dial_target *target, int *os)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(target->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(target->port)};
    bool is_ipv4 = ip_is_ipv4(&target->ip);
    memcpy(&in.sin_addr, target->ip.at + IP_MAPPED_BITS / 8, sizeof in.sin_addr);
    memcpy(&in6.sin6_addr, target->ip.at, sizeof in6.sin6_addr);
    int fd = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = fd < 0    ? -1
                 : is_ipv4 ? connect(fd, (const struct sockaddr *)&in, sizeof in)
                           : connect(fd, (const struct sockaddr *)&in6, sizeof in6);
    *os = failed ? errno : 0;
    if (fd >= 0 && failed && *os != EINPROGRESS) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct dial *dial_new(const struct dial_target *targets, size_t count, int64_t timeout_ms)
{
    ASSERT(count <= DIAL_LIMIT);
    struct dial *dial = NEW(struct dial);
    dial->count = count;
    dial->until_ms = instant_steady_ms() + timeout_ms;
    for (size_t i = 0; i < count; i++) {
        struct line *line = &dial->lines[i];
        line->fd = begin(&targets[i], &line->os);
        line->is_settled = line->os != EINPROGRESS;
    }
    return dial;
}

void dial_free(struct dial *dial)
{
    if (!dial)
        return;
    for (size_t i = 0; i < dial->count; i++)
        if (dial->lines[i].fd >= 0)
            close(dial->lines[i].fd);
    free(dial);
}

static void settle(struct line *line, int os)
{
    line->is_settled = true;
    line->os = os;
    if (!os)
        return;
    close(line->fd);
    line->fd = -1;
}

/* Looks at all that are under way, and waits so long for one of them to be settled. */
static void look(struct dial *dial, int64_t wait_ms)
{
    struct pollfd wanted[DIAL_LIMIT];
    size_t of[DIAL_LIMIT], count = 0;
    for (size_t i = 0; i < dial->count; i++) {
        if (dial->lines[i].is_settled)
            continue;
        wanted[count] = (struct pollfd){.fd = dial->lines[i].fd, .events = POLLOUT};
        of[count++] = i;
    }
    if (poll(wanted, count, (int)wait_ms) <= 0)
        return;
    for (size_t i = 0; i < count; i++) {
        int os = 0;
        socklen_t len = sizeof os;
        if (!wanted[i].revents)
            continue;
        if (getsockopt(wanted[i].fd, SOL_SOCKET, SO_ERROR, &os, &len) != 0)
            os = errno;
        settle(&dial->lines[of[i]], os);
    }
}

/* By the kernel, whoever looked when. */
static int64_t round_trip(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    memset(&info, 0, sizeof info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? (int64_t)info.tcpi_rtt : 0;
}

bool dial_take(struct dial *dial, size_t number, int *fd_owned, int64_t *took_us, struct error *err)
{
    ASSERT(number < dial->count);
    struct line *line = &dial->lines[number];
    /* What has come while somebody spoke with another target is seen in any case. */
    look(dial, 0);
    while (!line->is_settled) {
        int64_t left_ms = dial->until_ms - instant_steady_ms();
        if (left_ms <= 0)
            settle(line, ETIMEDOUT);
        else
            look(dial, left_ms);
    }
    if (line->os)
        return error_set(err, line->os, "connect");
    ASSERT(line->fd >= 0);
    *took_us = round_trip(line->fd);
    *fd_owned = line->fd;
    line->fd = -1;
    return true;
}
