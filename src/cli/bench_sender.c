#include "cli/bench_sender.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/list.h"
#include "base/memory.h"
#include "cli/bench_letter.h"
#include "cli/bench_tls.h"
#include "net/stream.h"
#include "smtp/client.h"

enum {
    OPENING_LIMIT = 64,  /* connections that are made at a time to be held idle */
    FAILURES_LIMIT = 50, /* connections that failed one after the other, then it gives up */
    CONNECT_TIMEOUT_MS = 30 * 1000,
    PAUSE_MS = 100, /* before the next try to connect */
};

/* One session, one connection after the other. */
struct caller {
    struct list link; /* in sender->idle, or in none */
    struct bench_sender *sender;
    struct smtp_client *client; /* NULL: not connected */
    struct stream *stream;      /* NULL: not connected, or lost */
    struct timer timer;         /* connecting, the machine's deadline, or a pause */
    enum { CLOSED, PAUSING, CONNECTING, TALKING, SECURING, IDLE, FINISHED } phase;
    size_t address;    /* of sender->addresses, tried */
    bool was_greeted;  /* this connection */
    uint64_t messages; /* finished on this connection */
    /* The message under way. */
    bool has_message, has_begun, is_put_back, is_text_out;
    uint64_t id, size, left; /* bytes, and those to be handed in; UINT64_MAX: all */
    int64_t since_us, answered_us;
    size_t accepted, refused, unanswered; /* recipients */
    struct buf from, to;                  /* addresses, one behind the other */
    struct envelope envelope;
    struct smtp_client_message message;
};

struct bench_sender {
    struct bench_sender_settings settings;
    struct smtp_client_settings client_settings;
    struct tls_context *tls; /* NULL: in clear text */
    struct bench_letters *letters;
    struct lookup_address addresses[LOOKUP_LIMIT];
    size_t address_count, address; /* the one to use */
    struct caller *callers;
    size_t caller_count, opened, opening, unfinished;
    struct list idle; /* callers; those with a connection first */
    size_t *places;   /* 0, 1, 2 …: all recipients of a message */
    uint64_t next_id, seed;
    struct bench_schedule schedule;
    int64_t due_us;      /* of next_id, under a rate */
    struct watch *alarm; /* NULL: no rate; fires at due_us, to the µs */
    struct timer end;    /* of the duration; then of the patience with the rest */
    size_t failures;     /* connections that failed since the last good one */
    bool was_greeted, is_started, is_ending, is_killing, has_finished;
};

static void run(struct caller *caller);
static void connect_caller(struct caller *caller);
static void next(struct caller *caller);

static const struct bench_plan *plan_of(const struct caller *caller)
{
    return caller->sender->settings.plan;
}

static struct bench_tally *tally_of(const struct caller *caller)
{
    return caller->sender->settings.tally;
}

static int64_t now_ms(const struct caller *caller)
{
    return loop_now_ms(caller->sender->settings.loop);
}

/* --- Work --------------------------------------------------------------------------------------
 */

static bool is_holding(const struct bench_sender *sender)
{
    return sender->settings.plan->idle > 0;
}

/* Will there be no message more? */
static bool is_over(const struct bench_sender *sender)
{
    return sender->is_ending ||
           (!is_holding(sender) && sender->next_id >= sender->settings.plan->count);
}

static void set_alarm(struct bench_sender *sender)
{
    struct itimerspec at = {.it_value = {.tv_sec = sender->due_us / 1000000,
                                         .tv_nsec = sender->due_us % 1000000 * 1000}};
    int failed = timerfd_settime(watch_fd(sender->alarm), TFD_TIMER_ABSTIME, &at, NULL);
    ASSERT(!failed);
}

/* Is there a message to send now? Under a rate, the alarm wakes whoever is idle when one is. */
static bool is_work_due(struct bench_sender *sender)
{
    if (is_over(sender) || is_holding(sender))
        return false;
    if (!sender->alarm || sender->due_us <= instant_steady_us())
        return true;
    set_alarm(sender);
    return false;
}

static void take_work(struct caller *caller)
{
    struct bench_sender *sender = caller->sender;
    const struct bench_plan *plan = plan_of(caller);
    caller->has_message = true;
    caller->has_begun = caller->is_put_back = false;
    caller->accepted = caller->refused = caller->unanswered = 0;
    caller->id = sender->next_id;
    sender->next_id += plan->processes;
    caller->since_us = 0;
    if (sender->alarm) {
        caller->since_us = sender->due_us;
        sender->due_us = bench_schedule_next(&sender->schedule);
    }
    tally_of(caller)->begun++;
    /* That was the last: those who waited for one need wait no longer. */
    while (is_over(sender) && !list_is_empty(&sender->idle)) {
        struct caller *other = LIST_FIRST(&sender->idle, struct caller, link);
        list_remove(&other->link);
        next(other);
        run(other);
    }
}

/* Addresses the message; views into caller->to are taken when it no longer grows. */
static void address(struct caller *caller)
{
    const struct bench_plan *plan = plan_of(caller);
    struct envelope *envelope = &caller->envelope;
    buf_clear(&caller->from);
    buf_clear(&caller->to);
    bench_pattern_print(&plan->from, caller->id % plan->users, caller->id, &caller->from);
    if (!envelope->recipients)
        envelope->recipients = memory_new((size_t)plan->recipients, sizeof *envelope->recipients);
    for (size_t i = 0; i < plan->recipients; i++) {
        size_t before = caller->to.len;
        bench_pattern_print(&plan->to, bench_plan_number(plan, caller->id, i), caller->id,
                            &caller->to);
        envelope->recipients[i].address.len = caller->to.len - before;
    }
    const uint8_t *at = caller->to.at;
    for (size_t i = 0; i < plan->recipients; i++) {
        envelope->recipients[i].address.at = at;
        at += envelope->recipients[i].address.len;
    }
    envelope->reverse_path = buf_view(&caller->from);
    envelope->recipient_count = (size_t)plan->recipients;
}

static void begin_message(struct caller *caller)
{
    address(caller);
    size_t given = caller->sender->settings.letter.len;
    caller->size = given ? given : bench_sizes_draw(&plan_of(caller)->sizes, &caller->sender->seed);
    caller->left = UINT64_MAX;
    caller->is_text_out = false;
    caller->has_begun = true;
    caller->message = (struct smtp_client_message){
        .envelope = &caller->envelope,
        .recipients = caller->sender->places,
        .recipient_count = caller->envelope.recipient_count,
        .size = caller->size,
    };
    smtp_client_message(caller->client, &caller->message);
}

/* --- Results -----------------------------------------------------------------------------------
 */

static void take_result(struct caller *caller)
{
    const struct delivery_result *result = smtp_client_result(caller->client);
    size_t results = caller->accepted + caller->refused + caller->unanswered;
    /* A connection that has carried messages may end between two of them at any time: that is
     * no answer to this one, which goes by the next connection. */
    if (caller->messages > 0 && result->was_connection && results == 0 &&
        !caller->sender->is_killing)
        caller->is_put_back = true;
    if (caller->is_put_back)
        return;
    struct bench_ids *ids = caller->sender->settings.ids;
    if (result->outcome == DELIVERED) {
        caller->accepted++;
        caller->answered_us = instant_steady_us();
        if (ids)
            bench_ids_accept(ids, caller->id, result->recipient);
        return;
    }
    if (result->code)
        caller->refused++;
    else
        caller->unanswered++;
    bench_tally_reply(tally_of(caller), result->code, result->reply);
}

static void finish_message(struct caller *caller)
{
    struct bench_tally *tally = tally_of(caller);
    size_t all = (size_t)plan_of(caller)->recipients;
    tally->ended_us = instant_steady_us();
    tally->recipients += caller->accepted;
    tally->recipients_failed += all - caller->accepted;
    if (caller->accepted == all)
        tally->accepted++;
    else if (caller->refused)
        tally->refused++;
    else
        tally->unanswered++;
    if (caller->accepted) {
        tally->bytes += caller->size;
        histogram_add(&tally->reply, caller->answered_us - caller->since_us);
    }
    caller->has_message = caller->has_begun = false;
    caller->messages++;
}

/* It was never sent: the connection it waited for could not be made. */
static void give_message_up(struct caller *caller, const char *reason)
{
    if (!caller->has_message)
        return;
    bench_tally_reply(tally_of(caller), 0, bytes_of(reason));
    finish_message(caller);
}

/* --- The end -----------------------------------------------------------------------------------
 */

static void finish(struct caller *caller)
{
    struct bench_sender *sender = caller->sender;
    timer_clear(&caller->timer);
    caller->phase = FINISHED;
    if (--sender->unfinished > 0 || sender->has_finished)
        return;
    sender->has_finished = true;
    timer_clear(&sender->end);
    sender->settings.finished(sender->settings.context);
}

static void kill_caller(struct caller *caller)
{
    static const char reason[] = "stopped before it was answered";
    switch (caller->phase) {
    case FINISHED: return;
    case CLOSED:
    case PAUSING: break;
    case CONNECTING:
        stream_close(caller->stream);
        caller->stream = NULL;
        break;
    case TALKING:
    case SECURING:
    case IDLE:
        list_remove(&caller->link);
        caller->phase = TALKING;
        smtp_client_hangup(caller->client, BYTES("stopped"));
        run(caller);
        return;
    }
    list_remove(&caller->link);
    give_message_up(caller, reason);
    finish(caller);
}

void bench_sender_end(struct bench_sender *sender)
{
    sender->is_killing = sender->is_ending;
    sender->is_ending = true;
    /* Before the server's name is looked up, that is waited for. */
    if (!sender->is_started)
        return;
    timer_set(&sender->end, loop_now_ms(sender->settings.loop) + sender->settings.plan->timeout_ms);
    for (size_t i = 0; i < sender->caller_count; i++) {
        struct caller *caller = &sender->callers[i];
        if (sender->is_killing || (caller->phase == PAUSING && !caller->has_message)) {
            kill_caller(caller);
        } else if (caller->phase == IDLE || caller->phase == CLOSED) {
            list_remove(&caller->link);
            next(caller);
            run(caller);
        }
    }
}

static void on_end(void *context)
{
    bench_sender_end(context);
}

static void stop_early(struct bench_sender *sender, const char *reason)
{
    struct bench_tally *tally = sender->settings.tally;
    if (!tally->trouble[0])
        snprintf(tally->trouble, sizeof tally->trouble, "%s", reason);
    if (!sender->is_ending)
        bench_sender_end(sender);
}

/* --- Connections -------------------------------------------------------------------------------
 */

static void hang_up(struct caller *caller)
{
    timer_clear(&caller->timer);
    if (caller->stream)
        stream_close(caller->stream);
    caller->stream = NULL;
    smtp_client_free(caller->client);
    caller->client = NULL;
    caller->phase = CLOSED;
}

static void pause_caller(struct caller *caller, int64_t pause_ms)
{
    caller->phase = PAUSING;
    timer_set(&caller->timer, now_ms(caller) + pause_ms);
}

/* The connection could not be made, or was not greeted. */
static void connect_failed(struct caller *caller, const char *reason)
{
    struct bench_sender *sender = caller->sender;
    char text[BENCH_SAMPLE];
    snprintf(text, sizeof text, "cannot connect to %s: %s", plan_of(caller)->server.text, reason);
    hang_up(caller);
    sender->opening--;
    /* The first that fails moves all of them to the next address. */
    if (!sender->was_greeted && caller->address == sender->address &&
        sender->address + 1 < sender->address_count)
        sender->address++;
    bool has_another = caller->address < sender->address;
    if (!has_another) {
        tally_of(caller)->connections_failed++;
        sender->failures++;
    }
    bool is_hopeless = !has_another && (!sender->was_greeted || sender->failures >= FAILURES_LIMIT);
    if (is_hopeless || sender->is_ending) {
        give_message_up(caller, text);
        finish(caller);
        if (is_hopeless && !sender->is_ending)
            stop_early(sender, text);
        return;
    }
    pause_caller(caller, has_another ? 0 : PAUSE_MS);
}

static void open_next(struct bench_sender *sender)
{
    while (sender->opened < sender->caller_count && sender->opening < OPENING_LIMIT &&
           !sender->is_ending)
        connect_caller(&sender->callers[sender->opened++]);
}

static void greeted(struct caller *caller)
{
    struct bench_sender *sender = caller->sender;
    struct bench_tally *tally = tally_of(caller);
    caller->was_greeted = sender->was_greeted = true;
    sender->failures = 0;
    sender->opening--;
    tally->connections++;
    if (!is_holding(sender))
        return;
    tally->held++;
    tally->ended_us = instant_steady_us();
    open_next(sender);
}

/* The session has ended, by a QUIT or otherwise. */
static void closed(struct caller *caller)
{
    struct delivery_result failure;
    char reason[BENCH_SAMPLE] = "the connection was closed";
    bool has_failed = smtp_client_failure(caller->client, &failure);
    if (has_failed)
        snprintf(reason, sizeof reason, "%.*s", BYTES_ARGS(failure.reply));
    if (!caller->was_greeted) {
        connect_failed(caller, reason);
        return;
    }
    hang_up(caller);
    if (is_holding(caller->sender)) {
        tally_of(caller)->held--;
        tally_of(caller)->held_lost += has_failed;
        finish(caller);
        return;
    }
    if (caller->has_message && caller->has_begun && !caller->is_put_back)
        finish_message(caller);
    next(caller);
}

/* Goes on with the message it has, takes the next, waits for one, or ends. Connects and quits as
 * that needs. */
static void next(struct caller *caller)
{
    struct bench_sender *sender = caller->sender;
    const struct bench_plan *plan = plan_of(caller);
    bool is_connected = caller->client != NULL;
    if (is_connected) {
        bool is_used_up =
            caller->messages >= smtp_client_mail_max(caller->client) ||
            (plan->messages_per_session && caller->messages >= plan->messages_per_session);
        if (is_used_up || caller->is_put_back || (is_over(sender) && !caller->has_message)) {
            caller->phase = TALKING;
            smtp_client_quit(caller->client);
            return;
        }
    }
    if (!caller->has_message && is_work_due(sender))
        take_work(caller);
    if (caller->has_message && is_connected) {
        caller->phase = TALKING;
        begin_message(caller);
    } else if (caller->has_message) {
        connect_caller(caller);
    } else if (is_over(sender)) {
        finish(caller);
    } else {
        caller->phase = is_connected ? IDLE : CLOSED;
        if (is_connected)
            list_prepend(&sender->idle, &caller->link);
        else
            list_append(&sender->idle, &caller->link);
    }
}

/* --- Talking -----------------------------------------------------------------------------------
 */

/* Sends what the machine has to say; false while the kernel will not take all of it. */
static bool flush(struct caller *caller)
{
    struct bytes output = smtp_client_output(caller->client);
    if (output.len && caller->stream)
        smtp_client_sent(caller->client, stream_send(caller->stream, output), now_ms(caller));
    if (smtp_client_output(caller->client).len)
        return false;
    if (caller->has_begun && caller->left == 0 && !caller->is_text_out) {
        /* The end of the data: without a schedule, latency counts from here. */
        struct bench_ids *ids = caller->sender->settings.ids;
        caller->is_text_out = true;
        if (!caller->sender->alarm)
            caller->since_us = instant_steady_us();
        if (ids)
            ids->since_us[caller->id] = caller->since_us;
    }
    return true;
}

static void start_tls(struct caller *caller)
{
    caller->phase = SECURING;
    timer_set(&caller->timer, now_ms(caller) + plan_of(caller)->timeout_ms);
    stream_start_tls(caller->stream,
                     tls_client_new(caller->sender->tls, &(struct tls_target){.name_count = 0}));
}

static void hand_text(struct caller *caller)
{
    struct bench_sender *sender = caller->sender;
    struct bytes text;
    if (caller->left == UINT64_MAX) {
        struct bytes to = caller->envelope.recipients[0].address;
        caller->size = bench_letter_begin(sender->letters, caller->id, buf_view(&caller->from), to,
                                          loop_wall_ms(sender->settings.loop), caller->size, &text);
        caller->left = caller->size;
    } else {
        text = bench_letter_more(sender->letters, caller->left);
    }
    caller->left -= text.len;
    smtp_client_text(caller->client, text, caller->left == 0, now_ms(caller));
}

static void ready(struct caller *caller)
{
    if (!caller->was_greeted)
        greeted(caller);
    if (caller->has_begun && !caller->is_put_back)
        finish_message(caller);
    next(caller);
}

/* Does what the machine asks for until it waits. */
static void run(struct caller *caller)
{
    while (caller->phase == TALKING) {
        switch (smtp_client_step(caller->client)) {
        case CLIENT_READY: ready(caller); continue;
        case CLIENT_RESULT: take_result(caller); continue;
        case CLIENT_WANT_TEXT:
            if (flush(caller)) {
                hand_text(caller);
                continue;
            }
            timer_set(&caller->timer, smtp_client_deadline(caller->client));
            return;
        case CLIENT_WANT_DOWNGRADE: /* never: the messages are ASCII */
            smtp_client_unfit(caller->client, BYTES("bench sends messages as they are"));
            continue;
        case CLIENT_START_TLS: start_tls(caller); return;
        case CLIENT_WANT_CREDENTIAL: /* never: no login is asked for */
            smtp_client_no_credential(caller->client, BYTES("bench does not log in"));
            continue;
        case CLIENT_WANT_INPUT:
            flush(caller);
            timer_set(&caller->timer, smtp_client_deadline(caller->client));
            return;
        case CLIENT_CLOSE:
            flush(caller);
            closed(caller);
            return;
        }
    }
    if (caller->phase == IDLE)
        timer_clear(&caller->timer);
}

static void on_secured(void *context)
{
    struct caller *caller = context;
    caller->phase = TALKING;
    smtp_client_secured(caller->client, now_ms(caller));
    run(caller);
}

static void on_input(void *context, struct bytes input)
{
    struct caller *caller = context;
    smtp_client_input(caller->client, input, now_ms(caller));
    list_remove(&caller->link);
    caller->phase = TALKING;
    run(caller);
}

static void on_writable(void *context)
{
    struct caller *caller = context;
    if (caller->phase == CONNECTING) {
        caller->client = smtp_client_new(&caller->sender->client_settings, now_ms(caller));
        caller->phase = TALKING;
    }
    if (caller->phase == TALKING)
        run(caller);
}

static void on_ended(void *context, int os)
{
    struct caller *caller = context;
    const char *reason = os == EPROTO ? stream_failure(caller->stream)
                         : os         ? strerror(os)
                                      : "the other side closed the connection";
    if (caller->phase == CONNECTING) {
        connect_failed(caller, reason);
        return;
    }
    smtp_client_hangup(caller->client, bytes_of(reason));
    stream_close(caller->stream);
    caller->stream = NULL;
    list_remove(&caller->link);
    caller->phase = TALKING;
    run(caller);
}

static const struct stream_events events = {on_input, on_writable, on_ended, on_secured};

static void on_timer(void *context)
{
    struct caller *caller = context;
    switch (caller->phase) {
    case PAUSING: connect_caller(caller); return;
    case CONNECTING: connect_failed(caller, "no answer (timed out)"); return;
    case TALKING: smtp_client_expire(caller->client, now_ms(caller)); break;
    case SECURING:
        caller->phase = TALKING;
        smtp_client_unsecured(caller->client, BYTES("the handshake takes too long"));
        break;
    case CLOSED:
    case IDLE:
    case FINISHED: return;
    }
    run(caller);
}

static void connect_caller(struct caller *caller)
{
    struct bench_sender *sender = caller->sender;
    const struct bench_place *server = &plan_of(caller)->server;
    struct error err = {0};
    caller->phase = CONNECTING;
    caller->was_greeted = caller->is_put_back = caller->has_begun = false;
    caller->messages = 0;
    caller->address = sender->address;
    sender->opening++;
    caller->stream =
        server->unix_path
            ? stream_connect_unix(sender->settings.loop, bytes_of(server->unix_path), &events,
                                  caller, &err)
            : stream_connect(sender->settings.loop, &sender->addresses[caller->address], &events,
                             caller, &err);
    if (!caller->stream)
        connect_failed(caller, err.text);
    else
        timer_set(&caller->timer, now_ms(caller) + CONNECT_TIMEOUT_MS);
}

/* --- The whole ---------------------------------------------------------------------------------
 */

static void on_alarm(void *context, unsigned events_ready)
{
    struct bench_sender *sender = context;
    uint64_t times;
    if (read(watch_fd(sender->alarm), &times, sizeof times) < 0)
        return;
    while (!list_is_empty(&sender->idle) && is_work_due(sender)) {
        struct caller *caller = LIST_FIRST(&sender->idle, struct caller, link);
        list_remove(&caller->link);
        next(caller);
        run(caller);
    }
}

static bool is_loopback(const struct lookup_address *address)
{
    struct sockaddr_storage place;
    memcpy(&place, address->storage, sizeof address->storage);
    if (place.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&place;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&place;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

static bool may_send(const struct bench_sender *sender)
{
    for (size_t i = 0; i < sender->address_count; i++)
        if (!is_loopback(&sender->addresses[i]))
            return sender->settings.plan->is_ours;
    return true;
}

static bool begin_schedule(struct bench_sender *sender, struct error *err)
{
    const struct bench_plan *plan = sender->settings.plan;
    if (!plan->rate_milli)
        return true;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "a timer for the schedule");
    sender->alarm = watch_open(sender->settings.loop, fd, on_alarm, sender, err);
    if (!sender->alarm)
        return false;
    watch_want(sender->alarm, WATCH_READ);
    /* Processes take turns: each has every so manieth arrival of an even schedule. */
    uint64_t rate_milli = plan->rate_milli / plan->processes;
    int64_t gap_us = (int64_t)(1000000000 / plan->rate_milli);
    bench_schedule_init(&sender->schedule, plan->arrivals, rate_milli ? rate_milli : 1,
                        instant_steady_us() + (int64_t)sender->settings.share * gap_us,
                        plan->seed + sender->settings.share);
    sender->due_us = bench_schedule_next(&sender->schedule);
    return true;
}

/* All that have not begun yet begin, or are finished, where it is over already. */
static void start_callers(struct bench_sender *sender)
{
    for (size_t i = 0; i < sender->caller_count; i++)
        if (sender->callers[i].phase == CLOSED && list_is_empty(&sender->callers[i].link))
            next(&sender->callers[i]);
}

static void begin(struct bench_sender *sender)
{
    const struct bench_plan *plan = sender->settings.plan;
    struct error err = {0};
    sender->is_started = true;
    if (!may_send(sender)) {
        stop_early(sender, "the server is not on this machine's loopback: --i-own-it says that it "
                           "is yours to load");
    } else if (!begin_schedule(sender, &err)) {
        stop_early(sender, err.text);
    } else {
        sender->settings.tally->began_us = instant_steady_us();
        timer_set(&sender->end, loop_now_ms(sender->settings.loop) + plan->duration_ms);
    }
    if (is_holding(sender) && !sender->is_ending) {
        open_next(sender);
        return;
    }
    start_callers(sender);
}

static void looked_up(void *context, const struct lookup_address *addresses, size_t count,
                      const char *failure)
{
    struct bench_sender *sender = context;
    if (failure) {
        char text[BENCH_SAMPLE];
        snprintf(text, sizeof text, "cannot find %s: %s", sender->settings.plan->server.text,
                 failure);
        sender->is_started = true;
        stop_early(sender, text);
        start_callers(sender);
        return;
    }
    memcpy(sender->addresses, addresses, count * sizeof *addresses);
    sender->address_count = count;
    begin(sender);
}

static void init_callers(struct bench_sender *sender)
{
    const struct bench_plan *plan = sender->settings.plan;
    uint64_t all = plan->idle ? plan->idle : plan->sessions, share = sender->settings.share;
    sender->caller_count = (size_t)(all / plan->processes + (share < all % plan->processes));
    sender->unfinished = sender->caller_count;
    sender->callers = memory_new(sender->caller_count + 1, sizeof *sender->callers);
    for (size_t i = 0; i < sender->caller_count; i++) {
        struct caller *caller = &sender->callers[i];
        caller->sender = sender;
        list_init(&caller->link);
        timer_init(&caller->timer, sender->settings.loop, on_timer, caller);
        buf_init(&caller->from, PATH_LIMIT);
        buf_init(&caller->to, SIZE_MAX);
    }
}

struct bench_sender *bench_sender_new(const struct bench_sender_settings *settings)
{
    struct bench_sender *sender = NEW(struct bench_sender);
    const struct bench_plan *plan = settings->plan;
    sender->settings = *settings;
    sender->client_settings = (struct smtp_client_settings){
        .dialect = plan->is_lmtp ? DIALECT_LMTP : DIALECT_SMTP,
        .tls = plan->has_tls ? CLIENT_TLS_FORCED : CLIENT_TLS_NONE,
        .hostname = BYTES("bench.invalid"),
        .greeting_timeout_ms = plan->timeout_ms,
        .command_timeout_ms = plan->timeout_ms,
        .data_begin_timeout_ms = plan->timeout_ms,
        .data_block_timeout_ms = plan->timeout_ms,
        .data_end_timeout_ms = plan->timeout_ms,
    };
    sender->tls = plan->has_tls ? bench_tls_client() : NULL;
    sender->letters = bench_letters_new(settings->run, settings->letter);
    sender->next_id = settings->share;
    sender->seed = plan->seed + settings->share;
    sender->places = memory_new((size_t)plan->recipients, sizeof *sender->places);
    for (size_t i = 0; i < plan->recipients; i++)
        sender->places[i] = i;
    list_init(&sender->idle);
    timer_init(&sender->end, settings->loop, on_end, sender);
    init_callers(sender);
    /* A Unix socket is looked up as what it is: this machine. */
    loop_lookup(settings->loop, bytes_of(plan->server.unix_path ? "127.0.0.1" : plan->server.host),
                plan->server.port, looked_up, sender);
    return sender;
}

void bench_sender_free(struct bench_sender *sender)
{
    timer_clear(&sender->end);
    if (sender->alarm)
        watch_close(sender->alarm);
    for (size_t i = 0; i < sender->caller_count; i++) {
        struct caller *caller = &sender->callers[i];
        buf_done(&caller->from);
        buf_done(&caller->to);
        free(caller->envelope.recipients);
    }
    free(sender->callers);
    free(sender->places);
    bench_letters_free(sender->letters);
    tls_context_free(sender->tls);
    free(sender);
}
