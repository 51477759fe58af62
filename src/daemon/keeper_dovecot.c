#include "daemon/keeper_dovecot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "auth/dovecot_auth.h"
#include "base/memory.h"
#include "base/table.h"
#include "daemon/keeper_login.h"

enum {
    WAITING_LIMIT = 1000, /* logins at a time */
    UNSENT_LIMIT = 1 << 20,
    ANSWER_MS = 25 * 1000, /* less than a worker waits; Dovecot delays refusals by some seconds */
};

struct keeper_dovecot {
    struct keeper *keeper;
    struct watch *watch; /* NULL: not connected */
    bool is_greeted;
    struct buf in, out;
    struct table *waiting; /* number: struct keeper_job */
    uint32_t number;       /* of the newest login */
    struct timer deadline; /* without a word from Dovecot, while something waits */
};

static const char *path_of(const struct keeper_dovecot *dovecot)
{
    return dovecot->keeper->child->config->auth.dovecot;
}

/* Everybody who waits is told to try later. */
static void disconnect(struct keeper_dovecot *dovecot, const char *reason)
{
    size_t place = 0;
    void *job;
    if (dovecot->watch)
        watch_close(dovecot->watch);
    dovecot->watch = NULL;
    dovecot->is_greeted = false;
    if (dovecot->out.at)
        OPENSSL_cleanse(dovecot->out.at, dovecot->out.cap);
    buf_clear(&dovecot->in);
    buf_clear(&dovecot->out);
    timer_clear(&dovecot->deadline);
    struct table *waiting = dovecot->waiting;
    dovecot->waiting = table_new(0);
    log_error("dovecot-failed", LOG_TEXT("socket", path_of(dovecot)), LOG_TEXT("reason", reason),
              LOG_INT("waiting", table_count(waiting)));
    while (table_next(waiting, &place, &job))
        keeper_job_end(job, KEEPER_UNAVAILABLE, reason);
    table_free(waiting);
}

static void on_deadline(void *context)
{
    disconnect(context, "it does not answer");
}

/* --- What Dovecot says ------------------------------------------------------------------------ */

static void grant(struct keeper_job *job, struct bytes user)
{
    uint8_t room[KEEPER_TEXT_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    dovecot_unescape(&name, user);
    /* A name without a domain is Dovecot's way to call what the client called by its address. */
    bool is_address = bytes_find(buf_view(&name), '@') < name.len;
    keeper_login_granted_as(job, is_address ? buf_view(&name) : job->request.user);
}

static struct keeper_job *take_job(struct keeper_dovecot *dovecot, uint32_t number)
{
    struct keeper_job *job = table_take(dovecot->waiting, number);
    bool is_waiting = table_count(dovecot->waiting) > 0;
    timer_set(&dovecot->deadline,
              is_waiting ? loop_now_ms(dovecot->keeper->loop) + ANSWER_MS : INT64_MAX);
    return job;
}

/* False: this is no auth socket of Dovecot's. */
static bool take_line(struct keeper_dovecot *dovecot, struct bytes text)
{
    struct dovecot_line line = dovecot_scan_line(text);
    struct keeper_job *job = NULL;
    switch (line.kind) {
    case DOVECOT_VERSION:
    case DOVECOT_OTHER: return true;
    case DOVECOT_DONE: dovecot->is_greeted = true; return true;
    case DOVECOT_BAD: return false;
    case DOVECOT_GRANTED:
        job = take_job(dovecot, line.number);
        if (job)
            grant(job, line.user);
        return true;
    case DOVECOT_DENIED:
        job = take_job(dovecot, line.number);
        if (job)
            keeper_login_refuse(job, "Dovecot refuses");
        return true;
    case DOVECOT_FAILED:
        job = take_job(dovecot, line.number);
        if (job)
            keeper_job_end(job, KEEPER_UNAVAILABLE, "Dovecot cannot say now");
        return true;
    }
    return false;
}

static bool take_lines(struct keeper_dovecot *dovecot)
{
    struct bytes rest = buf_view(&dovecot->in), line;
    size_t end;
    while ((end = bytes_find(rest, '\n')) < rest.len) {
        line = bytes_sub(rest, 0, end);
        rest = bytes_from(rest, end + 1);
        if (!take_line(dovecot, line))
            return false;
    }
    buf_drop(&dovecot->in, dovecot->in.len - rest.len);
    return rest.len < DOVECOT_LINE_LIMIT;
}

/* --- The socket ------------------------------------------------------------------------------- */

/* Logins go out when Dovecot has said all of its greeting. */
static void send_unsent(struct keeper_dovecot *dovecot)
{
    int fd = watch_fd(dovecot->watch);
    while (dovecot->is_greeted && dovecot->out.len) {
        ssize_t sent = send(fd, dovecot->out.at, dovecot->out.len, MSG_NOSIGNAL);
        if (sent <= 0)
            break; /* that it is gone, reading will find */
        OPENSSL_cleanse(dovecot->out.at, (size_t)sent);
        buf_drop(&dovecot->out, (size_t)sent);
    }
    bool wants_write = dovecot->is_greeted && dovecot->out.len;
    watch_want(dovecot->watch, WATCH_READ | (wants_write ? WATCH_WRITE : 0U));
}

static void on_ready(void *context, unsigned events)
{
    struct keeper_dovecot *dovecot = context;
    uint8_t *room = buf_reserve(&dovecot->in, DOVECOT_LINE_LIMIT);
    ASSERT(room);
    ssize_t got = recv(watch_fd(dovecot->watch), room, DOVECOT_LINE_LIMIT, 0);
    if (got > 0)
        buf_grow(&dovecot->in, (size_t)got);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        disconnect(dovecot, got ? strerror(errno) : "it has closed the connection");
    else if (got > 0 && !take_lines(dovecot))
        disconnect(dovecot, "what answers there is no auth socket of Dovecot's");
    if (dovecot->watch)
        send_unsent(dovecot);
}

static bool connect_to(struct keeper_dovecot *dovecot, struct error *err)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    snprintf(place.sun_path, sizeof place.sun_path, "%s", path_of(dovecot));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(err, errno, "make a socket");
    if (connect(fd, (struct sockaddr *)&place, sizeof place) != 0) {
        error_set(err, errno, "connect to it");
        close(fd);
        return false;
    }
    uint8_t room[64];
    struct buf greeting = {.at = room, .cap = sizeof room, .limit = sizeof room};
    dovecot_print_greeting(&greeting, (uint64_t)getpid());
    if (send(fd, greeting.at, greeting.len, MSG_NOSIGNAL) != (ssize_t)greeting.len) {
        error_set(err, errno, "greet it");
        close(fd);
        return false;
    }
    dovecot->watch = watch_open(dovecot->keeper->loop, fd, on_ready, dovecot, err);
    if (dovecot->watch)
        watch_want(dovecot->watch, WATCH_READ);
    return dovecot->watch != NULL;
}

void keeper_dovecot_ask(struct keeper_job *job)
{
    struct keeper_dovecot *dovecot = job->keeper->dovecot;
    const struct keeper_request *request = &job->request;
    if (table_count(dovecot->waiting) >= WAITING_LIMIT) {
        keeper_job_end(job, KEEPER_BUSY, "too many logins wait already");
        return;
    }
    if (!dovecot->watch && !connect_to(dovecot, &job->err)) {
        log_error("dovecot-failed", LOG_TEXT("socket", path_of(dovecot)),
                  LOG_TEXT("reason", job->err.text), LOG_INT("waiting", 1));
        keeper_job_end(job, KEEPER_UNAVAILABLE, job->err.text);
        return;
    }
    uint32_t number = ++dovecot->number;
    if (!dovecot_print_login(&dovecot->out, number, request->peer, request->user,
                             request->secret)) {
        dovecot->out.overflowed = false;
        keeper_login_refuse(job, "the name or the password is none");
        return;
    }
    if (table_count(dovecot->waiting) == 0)
        timer_set(&dovecot->deadline, loop_now_ms(dovecot->keeper->loop) + ANSWER_MS);
    (void)table_add(dovecot->waiting, number, job);
    send_unsent(dovecot);
}

/* --- Life ------------------------------------------------------------------------------------- */

void keeper_dovecot_open(struct keeper *keeper)
{
    struct keeper_dovecot *dovecot = NEW(struct keeper_dovecot);
    keeper->dovecot = dovecot;
    dovecot->keeper = keeper;
    dovecot->waiting = table_new(0);
    buf_init(&dovecot->in, 2 * DOVECOT_LINE_LIMIT);
    buf_init(&dovecot->out, UNSENT_LIMIT);
    timer_init(&dovecot->deadline, keeper->loop, on_deadline, dovecot);
}

void keeper_dovecot_close(struct keeper_dovecot *dovecot)
{
    size_t place = 0;
    void *job;
    if (!dovecot)
        return;
    while (table_next(dovecot->waiting, &place, &job))
        keeper_job_drop(job);
    table_free(dovecot->waiting);
    timer_clear(&dovecot->deadline);
    if (dovecot->watch)
        watch_close(dovecot->watch);
    if (dovecot->out.at)
        OPENSSL_cleanse(dovecot->out.at, dovecot->out.cap);
    buf_done(&dovecot->in);
    buf_done(&dovecot->out);
    free(dovecot);
}
