#include "daemon/supervisor_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

enum { BACKLOG = 4096 }; /* the kernel lowers it to net.core.somaxconn */

union place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static socklen_t make_place(const struct config_listener *listener, union place *out)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, listener->host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(listener->port);
        return sizeof out->v4;
    }
    if (inet_pton(AF_INET6, listener->host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(listener->port);
        return sizeof out->v6;
    }
    return 0;
}

static int bind_tcp(const struct config_listener *listener, bool is_shared, struct error *err)
{
    union place place;
    socklen_t len = make_place(listener, &place);
    if (len == 0) {
        error_set(err, EAFNOSUPPORT, "listen on %s", listener->address);
        return -1;
    }
    const int yes = 1;
    int fd = socket(place.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0;
    if (is_good && is_shared)
        is_good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) == 0;
    if (is_good && place.any.sa_family == AF_INET6)
        is_good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) == 0;
    if (is_good && bind(fd, &place.any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int os = errno;
    if (fd >= 0)
        close(fd);
    error_set(err, os, "listen on %s", listener->address);
    if (os == EADDRINUSE)
        error_set(err, 0,
                  "listen on %s: another program has this port; see which by: ss -ltnp sport = :%u",
                  listener->address, listener->port);
    if (os == EADDRNOTAVAIL)
        error_set(err, 0,
                  "listen on %s: this host does not have that address; see which it has by: ip "
                  "address, or write 0.0.0.0 or [::] for all",
                  listener->address);
    if (os == EACCES)
        error_set(err, 0, "listen on %s: not allowed; start as root, or use a port above 1023",
                  listener->address);
    return -1;
}

/* Sockets of several workers share a port (SO_REUSEPORT), which another server of the same user
 * could then share too and get a part of the connections: so one without sharing comes first. */
static bool is_port_free(const struct config_listener *listener, struct error *err)
{
    int fd = bind_tcp(listener, false, err);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A copy for each worker, so that all are closed alike. */
static bool share(struct ports *ports, size_t number, int fd_owned, struct error *err)
{
    ports->listeners[0][number] = fd_owned;
    for (unsigned worker = 1; worker < ports->workers; worker++) {
        int fd = fcntl(fd_owned, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return error_set(err, errno, "share a listening socket");
        ports->listeners[worker][number] = fd;
    }
    return true;
}

static bool bind_for_each(struct ports *ports, const struct config_listener *listener,
                          size_t number, struct error *err)
{
    bool is_shared = ports->workers > 1;
    if (is_shared && !is_port_free(listener, err))
        return false;
    for (unsigned worker = 0; worker < ports->workers; worker++) {
        int fd = bind_tcp(listener, is_shared, err);
        if (fd < 0)
            return false;
        ports->listeners[worker][number] = fd;
    }
    return true;
}

/* A socket's file outlives its server. It is removed only where nobody answers behind it. */
static bool remove_stale(const union place *place, struct error *err)
{
    struct stat status;
    if (lstat(place->local.sun_path, &status) != 0)
        return errno == ENOENT || error_set(err, errno, "%s", place->local.sun_path);
    if (!S_ISSOCK(status.st_mode))
        return error_set(err, 0, "%s is no socket; remove it", place->local.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = fd < 0 ? -1 : connect(fd, &place->any, sizeof place->local);
    int os = errno;
    if (fd >= 0)
        close(fd);
    if (!failed)
        return error_set(err, 0, "%s: another server answers there", place->local.sun_path);
    if (os != ECONNREFUSED)
        return error_set(err, os, "%s", place->local.sun_path);
    return unlink(place->local.sun_path) == 0 ||
           error_set(err, errno, "remove %s", place->local.sun_path);
}

static int bind_local(const char *path, uid_t owner, struct error *err)
{
    union place place = {.local.sun_family = AF_UNIX};
    snprintf(place.local.sun_path, sizeof place.local.sun_path, "%s", path);
    if (!remove_stale(&place, err))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The umask of the supervisor makes it 0600. */
    if (fd >= 0 && bind(fd, &place.any, sizeof place.local) == 0 && listen(fd, BACKLOG) == 0 &&
        (owner == geteuid() || chown(path, owner, (gid_t)-1) == 0))
        return fd;
    error_set(err, errno, "listen on %s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Who reaches the folder may submit, as anybody on this host may by the loopback. All workers have
 * the one socket, as Unix sockets cannot share a path. */
static bool open_local_listener(struct ports *ports, const char *path, size_t number,
                                struct error *err)
{
    int fd = bind_local(path, geteuid(), err);
    if (fd < 0)
        return false;
    ports->has_local = true;
    bool is_open = chmod(path, 0666) == 0 || error_set(err, errno, "%s", path);
    return share(ports, number, fd, err) && is_open;
}

static bool open_listener(struct ports *ports, const struct config_listener *listener,
                          size_t number, struct inherited *inherited, struct error *err)
{
    union place place;
    if (listener->is_local)
        return open_local_listener(ports, listener->address + strlen("unix:"), number, err);
    int fd = make_place(listener, &place) ? inherited_take(inherited, &place.any) : -1;
    if (fd >= 0) {
        log_info("socket-inherited", LOG_TEXT("address", listener->address));
        return share(ports, number, fd, err);
    }
    if (bind_for_each(ports, listener, number, err))
        return true;
    if (inherited_has_port(inherited, listener->port))
        error_set(err, 0,
                  "listen on %s: the socket that was handed over for port %u has another address "
                  "(for IPv6 alone, write BindIPv6Only=ipv6-only in its unit)",
                  listener->address, listener->port);
    return false;
}

bool ports_open(struct ports *ports, const struct config *config, struct inherited *inherited,
                struct error *err)
{
    struct stat folder;
    *ports = (struct ports){.workers = config->workers,
                            .listener_count = config->listener_count,
                            .mailbox = -1,
                            .control = -1};
    memset(ports->listeners, 0xFF, sizeof ports->listeners); /* all -1 */
    if (stat(config->run_folder, &folder) != 0)
        return error_set(err, errno, "%s", config->run_folder);
    bool is_good = true;
    for (size_t i = 0; is_good && i < config->listener_count; i++)
        is_good = open_listener(ports, &config->listeners[i], i, inherited, err);
    if (is_good) {
        ports->control = bind_local(config->control_socket, folder.st_uid, err);
        is_good = ports->control >= 0;
    }
    if (is_good && config->mailbox_root) {
        ports->mailbox = bind_local(config->mailbox_socket, folder.st_uid, err);
        is_good = ports->mailbox >= 0;
    }
    if (!is_good)
        ports_close(ports, config);
    return is_good;
}

void ports_close_listeners(struct ports *ports)
{
    for (unsigned worker = 0; worker < ports->workers; worker++)
        for (size_t i = 0; i < ports->listener_count; i++)
            if (ports->listeners[worker][i] >= 0)
                close(ports->listeners[worker][i]);
    ports->workers = 0;
}

void ports_close(struct ports *ports, const struct config *config)
{
    bool has_local = ports->has_local;
    ports_close_listeners(ports);
    if (has_local)
        unlink(config->submission_socket);
    if (ports->control >= 0) {
        unlink(config->control_socket);
        close(ports->control);
    }
    if (ports->mailbox >= 0) {
        unlink(config->mailbox_socket);
        close(ports->mailbox);
    }
    *ports = (struct ports){.mailbox = -1, .control = -1};
}
