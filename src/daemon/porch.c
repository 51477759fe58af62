#include "daemon/porch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

enum {
    /* A proxy sends its header with the first packet (proxy-protocol.txt, 2). */
    PATIENCE_MS = 10 * 1000,
    READ_ROOM = 512
};

struct porch {
    struct list link;
    struct watch *watch;
    struct timer timer;
    struct proxy proxy;
    porch_done *done;
    void *context;
};

static void porch_free(struct porch *porch)
{
    list_remove(&porch->link);
    timer_clear(&porch->timer);
    watch_close(porch->watch);
    free(porch);
}

static void finish(struct porch *porch)
{
    struct proxy proxy = porch->proxy;
    porch_done *done = porch->done;
    void *context = porch->context;
    /* The watch's own goes with it. */
    int fd = fcntl(watch_fd(porch->watch), F_DUPFD_CLOEXEC, 0);
    porch_free(porch);
    if (fd >= 0)
        done(context, fd, &proxy);
}

static void fail(struct porch *porch, const char *fault)
{
    porch->proxy.fault = fault;
    finish(porch);
}

/* What follows the header is left in the socket: it is looked at first, and then taken up to the
 * header's end. */
static void on_ready(void *context, unsigned events)
{
    struct porch *porch = context;
    uint8_t room[READ_ROOM];
    ssize_t got = recv(watch_fd(porch->watch), room, sizeof room, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        fail(porch, got < 0 ? strerror(errno) : "it ended before its header did");
        return;
    }
    struct bytes rest = {room, (size_t)got};
    enum proxy_status status = proxy_read(&porch->proxy, &rest);
    size_t taken = (size_t)got - rest.len;
    if (recv(watch_fd(porch->watch), room, taken, 0) != (ssize_t)taken)
        fail(porch, "it cannot be read");
    else if (status != PROXY_MORE)
        finish(porch);
}

static void on_timer(void *context)
{
    fail(context, "no header came in time");
}

struct porch *porch_open(struct loop *loop, int fd_owned, struct list *porches, porch_done *done,
                         void *context, struct error *err)
{
    struct porch *porch = NEW(struct porch);
    porch->done = done;
    porch->context = context;
    proxy_init(&porch->proxy);
    porch->watch = watch_open(loop, fd_owned, on_ready, porch, err);
    if (!porch->watch) {
        free(porch);
        return NULL;
    }
    list_append(porches, &porch->link);
    timer_init(&porch->timer, loop, on_timer, porch);
    timer_set(&porch->timer, loop_now_ms(loop) + PATIENCE_MS);
    watch_want(porch->watch, WATCH_READ);
    return porch;
}

void porch_close_all(struct list *porches)
{
    LIST_EACH (porches, struct porch, link, porch)
        porch_free(porch);
}
