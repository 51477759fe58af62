#include "daemon/inherited.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

enum { FIRST_FD = 3, COUNT_MOST = 100000 }; /* systemd's own limit is below that */

union place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

/* Where a stream socket listens; false: it is another kind of thing. */
static bool find_place(int fd, union place *out)
{
    int is_listening = 0, type = 0;
    socklen_t size = sizeof is_listening;
    memset(out, 0, sizeof *out);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) != 0 || !is_listening)
        return false;
    size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        return false;
    size = sizeof *out;
    return getsockname(fd, &out->any, &size) == 0;
}

static bool is_same(const union place *place, const struct sockaddr *wanted)
{
    union place other;
    if (place->any.sa_family != wanted->sa_family)
        return false;
    memset(&other, 0, sizeof other);
    switch (wanted->sa_family) {
    case AF_INET:
        memcpy(&other.v4, wanted, sizeof other.v4);
        return place->v4.sin_port == other.v4.sin_port &&
               place->v4.sin_addr.s_addr == other.v4.sin_addr.s_addr;
    case AF_INET6:
        memcpy(&other.v6, wanted, sizeof other.v6);
        return place->v6.sin6_port == other.v6.sin6_port &&
               IN6_ARE_ADDR_EQUAL(&place->v6.sin6_addr, &other.v6.sin6_addr);
    case AF_UNIX:
        memcpy(&other.local, wanted, sizeof other.local);
        return strncmp(place->local.sun_path, other.local.sun_path, sizeof other.local.sun_path) ==
               0;
    }
    return false;
}

/* How many there are for this process. */
static size_t count_given(void)
{
    const char *process = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t pid, given;
    if (!process || !count || !scan_u64(bytes_of(process), INT32_MAX, &pid) ||
        (pid_t)pid != getpid() || !scan_u64(bytes_of(count), COUNT_MOST, &given))
        return 0;
    return (size_t)given;
}

void inherited_init(struct inherited *inherited)
{
    static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"};
    size_t given = count_given();
    *inherited = (struct inherited){.count = given < INHERITED_LIMIT ? given : INHERITED_LIMIT};
    for (size_t i = 0; i < inherited->count; i++) {
        inherited->fds[i] = FIRST_FD + (int)i;
        (void)fcntl(inherited->fds[i], F_SETFD, FD_CLOEXEC);
    }
    for (size_t i = INHERITED_LIMIT; i < given; i++)
        close(FIRST_FD + (int)i);
    if (given > INHERITED_LIMIT)
        log_warning("socket-unused", LOG_TEXT("address", "those beyond 64"),
                    LOG_TEXT("remedy", "let the socket unit listen at fewer addresses"));
    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
}

int inherited_take(struct inherited *inherited, const struct sockaddr *wanted)
{
    union place place;
    for (size_t i = 0; i < inherited->count; i++) {
        int fd = inherited->fds[i];
        if (fd < 0 || !find_place(fd, &place) || !is_same(&place, wanted))
            continue;
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
            continue;
        inherited->fds[i] = -1;
        return fd;
    }
    return -1;
}

bool inherited_has_port(const struct inherited *inherited, uint16_t port)
{
    union place place;
    for (size_t i = 0; i < inherited->count; i++) {
        if (inherited->fds[i] < 0 || !find_place(inherited->fds[i], &place))
            continue;
        if ((place.any.sa_family == AF_INET && ntohs(place.v4.sin_port) == port) ||
            (place.any.sa_family == AF_INET6 && ntohs(place.v6.sin6_port) == port))
            return true;
    }
    return false;
}

static void print_place(int fd, char *out, size_t size)
{
    union place place;
    char host[INET6_ADDRSTRLEN] = "";
    snprintf(out, size, "no listening stream socket");
    if (!find_place(fd, &place))
        return;
    if (place.any.sa_family == AF_INET && inet_ntop(AF_INET, &place.v4.sin_addr, host, sizeof host))
        snprintf(out, size, "%s:%u", host, ntohs(place.v4.sin_port));
    else if (place.any.sa_family == AF_INET6 &&
             inet_ntop(AF_INET6, &place.v6.sin6_addr, host, sizeof host))
        snprintf(out, size, "[%s]:%u", host, ntohs(place.v6.sin6_port));
    else if (place.any.sa_family == AF_UNIX)
        snprintf(out, size, "%.*s", (int)sizeof place.local.sun_path, place.local.sun_path);
}

void inherited_done(struct inherited *inherited)
{
    char address[sizeof(struct sockaddr_un) + 8];
    for (size_t i = 0; i < inherited->count; i++) {
        if (inherited->fds[i] < 0)
            continue;
        print_place(inherited->fds[i], address, sizeof address);
        log_warning("socket-unused", LOG_TEXT("address", address),
                    LOG_TEXT("remedy", "write it under listen, or take it out of the socket unit"));
        close(inherited->fds[i]);
    }
    inherited->count = 0;
}
