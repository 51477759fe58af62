#include "net/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/instant.h"
#include "base/memory.h"

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_timer_t alarm;
    struct heap timers;
    int64_t alarm_ms; /* when the alarm is set for; INT64_MAX: it is not */
    int64_t now_ms, wall_ms;
    bool has_slept; /* since the clocks were read */
    loop_turn *turn;
    void *turn_context;
};

struct watch {
    uv_poll_t poll;
    int fd;
    unsigned wanted;
    bool is_closing;
    watch_ready *ready;
    void *context;
};

/* Reads the clocks once a turn, when the first callback behind the sleep runs. */
static void update_clocks(struct loop *loop)
{
    if (!loop->has_slept)
        return;
    loop->has_slept = false;
    loop->now_ms = instant_steady_ms();
    loop->wall_ms = instant_now_ms();
}

static void fire_due(struct loop *loop)
{
    for (struct heap_node *first; (first = heap_first(&loop->timers));) {
        if (first->key > loop->now_ms)
            return;
        struct timer *timer = CONTAINER(first, struct timer, node);
        if (timer->due_ms > first->key) {
            heap_put(&loop->timers, first, timer->due_ms);
            continue;
        }
        heap_remove(&loop->timers, first);
        timer->due_ms = INT64_MAX;
        timer->fire(timer->context);
    }
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *loop = alarm->data;
    loop->alarm_ms = INT64_MAX;
    update_clocks(loop);
    fire_due(loop);
}

static void set_alarm(struct loop *loop)
{
    struct heap_node *first = heap_first(&loop->timers);
    int64_t due_ms = first ? first->key : INT64_MAX;
    if (due_ms == loop->alarm_ms)
        return;
    loop->alarm_ms = due_ms;
    if (due_ms == INT64_MAX) {
        uv_timer_stop(&loop->alarm);
        return;
    }
    /* libuv rounds its own clock down: without a fresh look at it the alarm may come early and
     * the loop spin for a millisecond. */
    uv_update_time(&loop->uv);
    int64_t wait_ms = due_ms - instant_steady_ms();
    uv_timer_start(&loop->alarm, on_alarm, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    if (loop->turn)
        loop->turn(loop->turn_context);
    set_alarm(loop);
    loop->has_slept = true;
}

struct loop *loop_new(struct error *err)
{
    struct loop *loop = NEW(struct loop);
    int failed = uv_loop_init(&loop->uv);
    if (failed) {
        error_set(err, -failed, "event loop");
        free(loop);
        return NULL;
    }
    heap_init(&loop->timers);
    loop->alarm_ms = INT64_MAX;
    loop->has_slept = true;
    update_clocks(loop);
    loop->uv.data = loop;
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_timer_init(&loop->uv, &loop->alarm);
    loop->prepare.data = loop->alarm.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    loop->turn = NULL;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&loop->uv);
    ASSERT(!failed);
    heap_done(&loop->timers);
    free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

int64_t loop_wall_ms(const struct loop *loop)
{
    return loop->wall_ms;
}

void loop_on_turn(struct loop *loop, loop_turn *turn, void *context)
{
    loop->turn = turn;
    loop->turn_context = context;
}

void timer_init(struct timer *timer, struct loop *loop, timer_fire *fire, void *context)
{
    *timer = (struct timer){.loop = loop, .due_ms = INT64_MAX, .fire = fire, .context = context};
}

void timer_set(struct timer *timer, int64_t due_ms)
{
    if (due_ms == INT64_MAX) {
        timer_clear(timer);
        return;
    }
    timer->due_ms = due_ms;
    if (timer->node.place == 0 || due_ms < timer->node.key)
        heap_put(&timer->loop->timers, &timer->node, due_ms);
}

void timer_clear(struct timer *timer)
{
    heap_remove(&timer->loop->timers, &timer->node);
    timer->due_ms = INT64_MAX;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void start_poll(struct watch *watch)
{
    unsigned wanted = watch->wanted;
    int mask = (wanted & WATCH_READ ? UV_READABLE : 0) | (wanted & WATCH_WRITE ? UV_WRITABLE : 0);
    int failed = uv_poll_start(&watch->poll, mask, on_poll);
    ASSERT(!failed);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    if (watch->is_closing)
        return;
    update_clocks(poll->loop->data);
    /* libuv stops polling at an error. But what came before it can still be read, and is not
     * read at once: the error shows itself, with its errno, at the read or write behind that. */
    if (status < 0)
        start_poll(watch);
    unsigned ready = status < 0 ? watch->wanted
                                : (events & UV_READABLE ? WATCH_READ : 0U) |
                                      (events & UV_WRITABLE ? WATCH_WRITE : 0U);
    watch->ready(watch->context, ready);
}

struct watch *watch_open(struct loop *loop, int fd_owned, watch_ready *ready, void *context,
                         struct error *err)
{
    struct watch *watch = NEW(struct watch);
    watch->fd = fd_owned;
    watch->ready = ready;
    watch->context = context;
    int failed = uv_poll_init(&loop->uv, &watch->poll, fd_owned);
    if (failed) {
        error_set(err, -failed, "watch descriptor %d", fd_owned);
        close(fd_owned);
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    return watch;
}

int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

void watch_want(struct watch *watch, unsigned events)
{
    if (watch->wanted == events || watch->is_closing)
        return;
    watch->wanted = events;
    if (events == 0) {
        uv_poll_stop(&watch->poll);
        return;
    }
    start_poll(watch);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watch_close(struct watch *watch_owned)
{
    watch_owned->is_closing = true;
    uv_poll_stop(&watch_owned->poll);
    close(watch_owned->fd);
    uv_close((uv_handle_t *)&watch_owned->poll, on_watch_closed);
}

struct job {
    uv_work_t work;
    job_run *run;
    job_done *done;
    void *context;
};

static void on_job_run(uv_work_t *work)
{
    struct job *job = work->data;
    job->run(job->context);
}

static void on_job_done(uv_work_t *work, int status)
{
    struct job *job = work->data;
    update_clocks(job->work.loop->data);
    job->done(job->context);
    free(job);
}

void loop_job(struct loop *loop, job_run *run, job_done *done, void *context)
{
    struct job *job = NEW(struct job);
    job->run = run;
    job->done = done;
    job->context = context;
    job->work.data = job;
    int failed = uv_queue_work(&loop->uv, &job->work, on_job_run, on_job_done);
    ASSERT(!failed);
}

struct hand {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uv_async_t finished;
    enum { HAND_IDLE, HAND_GIVEN, HAND_FINISHED, HAND_ENDING } state; /* under the lock */
    job_run *run;
    job_done *done;
    void *context;
};

static void *hand_thread(void *context)
{
    struct hand *hand = context;
    pthread_mutex_lock(&hand->lock);
    for (;;) {
        while (hand->state == HAND_IDLE || hand->state == HAND_FINISHED)
            pthread_cond_wait(&hand->changed, &hand->lock);
        if (hand->state == HAND_ENDING)
            break;
        pthread_mutex_unlock(&hand->lock);
        hand->run(hand->context);
        pthread_mutex_lock(&hand->lock);
        hand->state = HAND_FINISHED;
        uv_async_send(&hand->finished);
    }
    pthread_mutex_unlock(&hand->lock);
    return NULL;
}

static void on_hand_finished(uv_async_t *finished)
{
    struct hand *hand = finished->data;
    update_clocks(finished->loop->data);
    pthread_mutex_lock(&hand->lock);
    bool is_finished = hand->state == HAND_FINISHED;
    if (is_finished)
        hand->state = HAND_IDLE;
    pthread_mutex_unlock(&hand->lock);
    if (is_finished)
        hand->done(hand->context);
}

struct hand *hand_new(struct loop *loop)
{
    struct hand *hand = NEW(struct hand);
    pthread_mutex_init(&hand->lock, NULL);
    pthread_cond_init(&hand->changed, NULL);
    hand->finished.data = hand;
    int failed = uv_async_init(&loop->uv, &hand->finished, on_hand_finished);
    ASSERT(!failed);
    failed = pthread_create(&hand->thread, NULL, hand_thread, hand);
    ASSERT(!failed);
    return hand;
}

static void on_hand_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void hand_free(struct hand *hand)
{
    if (!hand)
        return;
    pthread_mutex_lock(&hand->lock);
    ASSERT(hand->state == HAND_IDLE);
    hand->state = HAND_ENDING;
    pthread_cond_signal(&hand->changed);
    pthread_mutex_unlock(&hand->lock);
    pthread_join(hand->thread, NULL);
    pthread_cond_destroy(&hand->changed);
    pthread_mutex_destroy(&hand->lock);
    uv_close((uv_handle_t *)&hand->finished, on_hand_closed);
}

void hand_job(struct hand *hand, job_run *run, job_done *done, void *context)
{
    pthread_mutex_lock(&hand->lock);
    ASSERT(hand->state == HAND_IDLE);
    hand->run = run;
    hand->done = done;
    hand->context = context;
    hand->state = HAND_GIVEN;
    pthread_cond_signal(&hand->changed);
    pthread_mutex_unlock(&hand->lock);
}

struct lookup {
    struct loop *loop;
    char host[256], port[8];
    struct addrinfo *found;
    int failed;
    lookup_done *done;
    void *context;
};

static void lookup_run(void *context)
{
    struct lookup *lookup = context;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    lookup->failed = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
}

static void lookup_finish(void *context)
{
    struct lookup *lookup = context;
    struct lookup_address addresses[LOOKUP_LIMIT];
    size_t count = 0;
    for (struct addrinfo *at = lookup->found; at && count < LOOKUP_LIMIT; at = at->ai_next) {
        if (at->ai_addrlen > sizeof addresses[0].storage)
            continue;
        memcpy(addresses[count].storage, at->ai_addr, at->ai_addrlen);
        addresses[count++].len = at->ai_addrlen;
    }
    const char *failure = lookup->failed ? gai_strerror(lookup->failed)
                          : count == 0   ? "it has no addresses"
                                         : NULL;
    lookup->done(lookup->context, addresses, count, failure);
    if (lookup->found)
        freeaddrinfo(lookup->found);
    free(lookup);
}

void loop_lookup(struct loop *loop, struct bytes host, uint16_t port, lookup_done *done,
                 void *context)
{
    struct lookup *lookup = NEW(struct lookup);
    lookup->loop = loop;
    lookup->done = done;
    lookup->context = context;
    snprintf(lookup->host, sizeof lookup->host, "%.*s", BYTES_ARGS(host));
    snprintf(lookup->port, sizeof lookup->port, "%u", port);
    loop_job(loop, lookup_run, lookup_finish, lookup);
}
