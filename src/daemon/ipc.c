#include "daemon/ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* In front of each payload. Both ends are the same program: native byte order. */
struct header {
    uint32_t type, number;
};

enum { FD_LIMIT = 8 }; /* room, so that surplus descriptors of a broken packet can be closed */

bool ipc_pair(int fds[2], struct error *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return error_set(err, errno, "make a socket pair");
    return true;
}

bool ipc_send(int fd, const struct ipc_message *message, struct error *err)
{
    ASSERT(message->payload.len <= IPC_PAYLOAD_LIMIT);
    struct header header = {(uint32_t)message->type, message->number};
    struct iovec parts[2] = {
        {&header, sizeof header},
        {(void *)(uintptr_t)message->payload.at, message->payload.len},
    };
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 2};
    if (message->fd >= 0) {
        packet.msg_control = &control;
        packet.msg_controllen = sizeof control.room;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
        *rights = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(rights), &message->fd, sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &packet, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return error_set(err, errno == EWOULDBLOCK ? EAGAIN : errno, "send to another process");
    return true;
}

/* Keeps the first descriptor, closes all others. */
static int take_descriptors(struct msghdr *packet, size_t *count)
{
    int first = -1;
    *count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(packet); part; part = CMSG_NXTHDR(packet, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t inside = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < inside; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if ((*count)++ == 0)
                first = fd;
            else
                close(fd);
        }
    }
    return first;
}

static enum ipc_status broken(int fd, struct error *err, const char *what)
{
    if (fd >= 0)
        close(fd);
    error_set(err, 0, "a packet between processes %s", what);
    return IPC_BROKEN;
}

enum ipc_status ipc_receive(int fd, uint8_t *buffer, struct ipc_message *out, struct error *err)
{
    struct header header;
    struct iovec parts[2] = {{&header, sizeof header}, {buffer, IPC_PAYLOAD_LIMIT}};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(FD_LIMIT * sizeof(int))];
    } control;
    struct msghdr packet = {.msg_iov = parts,
                            .msg_iovlen = 2,
                            .msg_control = &control,
                            .msg_controllen = sizeof control.room};
    ssize_t got;
    do
        got = recvmsg(fd, &packet, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return IPC_AGAIN;
    if (got <= 0)
        return IPC_GONE; /* closed, or reset with packets unread */
    size_t fd_count;
    int passed = take_descriptors(&packet, &fd_count);
    if (packet.msg_flags & MSG_TRUNC)
        return broken(passed, err, "is too long");
    if (packet.msg_flags & MSG_CTRUNC || fd_count > 1)
        return broken(passed, err, "has too many descriptors");
    if ((size_t)got < sizeof header)
        return broken(passed, err, "is too short");
    if (header.type < IPC_CONFIG || header.type > IPC_DIRECTORY)
        return broken(passed, err, "has an unknown type");
    *out = (struct ipc_message){.type = (enum ipc_type)header.type,
                                .number = header.number,
                                .payload = {buffer, (size_t)got - sizeof header},
                                .fd = passed};
    return IPC_GOT;
}
