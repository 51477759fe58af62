#include "daemon/outbound.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/memory.h"
#include "daemon/outbound_hosts.h"
#include "daemon/outbound_login.h"
#include "daemon/outbound_text.h"
#include "daemon/outbound_tls.h"

/* A handshake takes a few round trips, and the other side's computations. */
enum { HANDSHAKE_MS = 60 * 1000 };

struct outbound {
    struct list link;
    struct worker *worker;
    struct generation *generation;
    struct lane *lane;
    struct smtp_client_settings settings;
    struct smtp_client *client;
    struct stream *stream;
    struct timer timer; /* connecting, the machine's deadline, or idleness */
    struct outbound_hosts *hosts;
    struct outbound_tls tls;
    struct outbound_login *login; /* while the keeper is asked */
    enum { CONNECTING, SECURING, ASKING, TALKING, IDLE, READING } phase;
    bool was_greeted, is_shut, is_killed;
    char lost_reason[128]; /* while a read is under way */
    size_t deliveries;     /* done */
    /* The delivery under way. */
    struct queue_delivery *delivery;
    bool has_result, has_deferred, is_put_back;
    size_t deferred; /* a recipient of those */
    struct smtp_client_message message;
    struct outbound_text *text; /* NULL: none was asked for yet */
};

static void run(struct outbound *outbound);
static void connect_next(struct outbound *outbound);
static void connect_again(struct outbound *outbound);

/* The recipient that an attempt was deferred for, and when there is another. */
struct wait {
    size_t recipient;
    int64_t next_ms; /* 0: never */
};

static bool find_wait(void *context, const struct queue_entry *entry)
{
    struct wait *wait = context;
    if (wait->recipient < entry->recipient_count)
        wait->next_ms = entry->recipients[wait->recipient].next_ms;
    return true;
}

/* The queue settles it when the attempt is over; all that was deferred in it has the same. */
static void log_retry(const struct outbound *outbound, uint64_t id)
{
    uint8_t room[32];
    struct buf next = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct wait wait = {.recipient = outbound->deferred};
    if (!queue_show(outbound->worker->queue, id, find_wait, &wait) || wait.next_ms <= 0)
        return;
    instant_print(&next, wait.next_ms);
    log_info("retry", LOG_ID(id), LOG_BYTES("lane", lane_endpoint(outbound->lane)->name),
             LOG_BYTES("next", buf_view(&next)));
}

static void end_delivery(struct outbound *outbound)
{
    if (!outbound->delivery)
        return;
    uint64_t id = outbound->delivery->id;
    outbound_text_close(outbound->text);
    outbound->text = NULL;
    int64_t now_ms = loop_wall_ms(outbound->worker->loop);
    if (outbound->is_put_back)
        queue_put_back(outbound->worker->queue, outbound->delivery, now_ms);
    else
        queue_finish(outbound->worker->queue, outbound->delivery, now_ms);
    outbound->delivery = NULL;
    if (outbound->has_deferred)
        log_retry(outbound, id);
    outbound->has_result = outbound->has_deferred = outbound->is_put_back = false;
    outbound->deliveries++;
}

static void outbound_end(struct outbound *outbound, const struct delivery_result *failure)
{
    struct worker *worker = outbound->worker;
    struct bytes name = lane_endpoint(outbound->lane)->name;
    /* That we stop says nothing of the destination. */
    if (outbound->is_killed)
        failure = NULL;
    if (failure)
        log_warning("connect-failed", LOG_BYTES("lane", name), LOG_BYTES("host", failure->remote),
                    LOG_TEXT("status", failure->status), LOG_BYTES("reason", failure->reply));
    end_delivery(outbound);
    outbound_login_cancel(outbound->login);
    timer_clear(&outbound->timer);
    if (outbound->stream)
        stream_close(outbound->stream);
    queue_disconnected(worker->queue, outbound->lane, failure, loop_wall_ms(worker->loop));
    outbound_hosts_close(outbound->hosts);
    outbound_tls_done(&outbound->tls);
    smtp_client_free(outbound->client);
    list_remove(&outbound->link);
    generation_leave(outbound->generation);
    free(outbound);
}

/* A host that cannot be reached, or does not want to talk (RFC 5321, 5.1): the next one may. */
static void host_failed(struct outbound *outbound, struct delivery_result *failure)
{
    failure->remote = outbound_hosts_remote(outbound->hosts);
    if (!outbound->is_killed)
        outbound_hosts_failed(outbound->hosts);
    if (outbound->is_killed || !outbound_hosts_has_next(outbound->hosts)) {
        outbound_end(outbound, failure);
        return;
    }
    log_info("host-failed", LOG_BYTES("lane", lane_endpoint(outbound->lane)->name),
             LOG_BYTES("host", failure->remote), LOG_BYTES("reason", failure->reply));
    if (outbound->stream)
        stream_close(outbound->stream);
    outbound->stream = NULL;
    connect_next(outbound);
}

/* Does what kept it from connecting say whether the way to the host's network is open? */
static void note_way(struct outbound *outbound, int os)
{
    if (os == ETIMEDOUT || os == ENETUNREACH || os == EHOSTUNREACH)
        outbound_hosts_missed(outbound->hosts);
    else if (os == ECONNREFUSED || os == ECONNRESET)
        outbound_hosts_reached(outbound->hosts);
}

static void cannot_connect(struct outbound *outbound, int os, const char *reason)
{
    note_way(outbound, os);
    struct bytes remote = outbound_hosts_remote(outbound->hosts);
    size_t tried = outbound_hosts_tried(outbound->hosts);
    char text[REPLY_LIMIT], others[64] = "";
    if (tried > 1)
        snprintf(others, sizeof others, " (%zu addresses tried)", tried);
    snprintf(text, sizeof text, "cannot connect to %.*s: %s%s", BYTES_ARGS(remote), reason, others);
    struct delivery_result failure = {
        .outcome = DEFERRED, .status = "4.4.1", .reply = bytes_of(text), .was_connection = true};
    host_failed(outbound, &failure);
}

/* What the text was that went in another form; NULL: it went as it is. */
static const char *downgraded_from(const struct outbound *outbound,
                                   const struct delivery_result *result)
{
    if (result->outcome != DELIVERED || !smtp_client_goal(outbound->client))
        return NULL;
    return outbound->delivery->envelope->body == BODY_BINARYMIME ? "binary" : "8bit";
}

static void log_result(struct outbound *outbound, const struct delivery_result *result)
{
    static const char *const events[] = {"delivered", "deferred", "failed"};
    ASSERT(outbound->delivery);
    const struct envelope *envelope = outbound->delivery->envelope;
    int64_t delay_ms = loop_wall_ms(outbound->worker->loop) - envelope->received_ms;
    log_info(events[result->outcome], LOG_ID(envelope->id),
             LOG_BYTES("to", envelope->recipients[result->recipient].address),
             LOG_BYTES("lane", lane_endpoint(outbound->lane)->name),
             LOG_BYTES("host", result->remote), LOG_INT("code", result->code),
             LOG_TEXT("status", result->status), LOG_BYTES("reply", result->reply),
             LOG_INT("delay_ms", delay_ms), LOG_OPTIONAL("tls", outbound->tls.words),
             LOG_OPTIONAL("downgraded", downgraded_from(outbound, result)));
}

/* A connection that ends says nothing of the message: it goes by the next one, and need not wait.
 * One that has carried other messages may end at any time (the host was tired of waiting). With
 * its first message the host counts as down, and there must be another that does not, so that this
 * comes to an end. */
static bool goes_elsewhere(const struct outbound *outbound, const struct delivery_result *result)
{
    if (outbound->has_result || result->outcome != DEFERRED || !result->was_connection)
        return false;
    return outbound->deliveries > 0 || outbound_hosts_has_other(outbound->hosts);
}

static void take_result(struct outbound *outbound)
{
    struct delivery_result result = *smtp_client_result(outbound->client);
    result.remote = outbound_hosts_remote(outbound->hosts);
    if (!result.was_connection)
        outbound_hosts_worked(outbound->hosts);
    else if (outbound->deliveries == 0)
        outbound_hosts_failed(outbound->hosts);
    if (!outbound->is_put_back && goes_elsewhere(outbound, &result)) {
        outbound->is_put_back = true;
        log_info("connection-ended", LOG_ID(outbound->delivery->id),
                 LOG_BYTES("lane", lane_endpoint(outbound->lane)->name),
                 LOG_BYTES("host", result.remote), LOG_BYTES("reason", result.reply));
    }
    if (outbound->is_put_back)
        return;
    outbound->has_result = true;
    if (result.outcome == DEFERRED) {
        outbound->has_deferred = true;
        outbound->deferred = result.recipient;
    }
    log_result(outbound, &result);
    queue_result(outbound->worker->queue, outbound->delivery, &result,
                 loop_wall_ms(outbound->worker->loop));
}

/* The machine wants the next message: gives it one, lets it wait, or says goodbye. */
static void next_delivery(struct outbound *outbound)
{
    struct worker *worker = outbound->worker;
    end_delivery(outbound);
    if (!outbound->was_greeted) {
        outbound->was_greeted = true;
        outbound_tls_settled(&outbound->tls, smtp_client_security(outbound->client));
        queue_connected(worker->queue, outbound->lane, loop_wall_ms(worker->loop));
    }
    size_t done = smtp_client_messages(outbound->client);
    /* After a reload other certificates may be trusted. */
    bool is_used_up = done >= smtp_client_mail_max(outbound->client) ||
                      done >= queue_connection_messages(worker->queue, outbound->lane) ||
                      outbound->generation != worker->generation;
    if (!outbound->is_shut && !is_used_up)
        outbound->delivery =
            queue_take(worker->queue, outbound->lane, smtp_client_recipient_max(outbound->client),
                       loop_wall_ms(worker->loop));
    if (!outbound->delivery) {
        if (outbound->is_shut || is_used_up)
            smtp_client_quit(outbound->client);
        else
            outbound->phase = IDLE;
        return;
    }
    const struct queue_delivery *delivery = outbound->delivery;
    outbound->message = (struct smtp_client_message){
        .envelope = delivery->envelope,
        .recipients = delivery->recipients,
        .recipient_count = delivery->recipient_count,
        .size = delivery->envelope->size,
        .has_8bit = delivery->envelope->body != BODY_7BIT,
        .by_s = (delivery->envelope->by_ms - loop_wall_ms(worker->loop)) / 1000,
    };
    smtp_client_message(outbound->client, &outbound->message);
}

/* The text has been read, or could not be (failure). False: the client knows, and wants none. */
static bool text_is_wanted(struct outbound *outbound, const char *failure)
{
    outbound->phase = TALKING;
    if (!outbound->stream) {
        smtp_client_hangup(outbound->client, bytes_of(outbound->lost_reason));
        return false;
    }
    if (failure) {
        log_error("spool-error", LOG_ID(outbound->delivery->id), LOG_TEXT("reason", failure));
        smtp_client_abort(outbound->client, bytes_of(failure));
    }
    return !failure;
}

static void text_ready(void *context, const struct outbound_piece *piece)
{
    struct outbound *outbound = context;
    if (text_is_wanted(outbound, piece->failure))
        smtp_client_text(outbound->client, piece->text, piece->is_last,
                         loop_now_ms(outbound->worker->loop));
    run(outbound);
}

static void text_fitted(void *context, const struct outbound_fit *fit)
{
    struct outbound *outbound = context;
    bool is_wanted = text_is_wanted(outbound, fit->failure);
    if (is_wanted && fit->reason.len)
        smtp_client_unfit(outbound->client, fit->reason);
    else if (is_wanted)
        smtp_client_downgraded(outbound->client, fit->size);
    run(outbound);
}

static void text_begin(struct outbound *outbound)
{
    ASSERT(outbound->delivery);
    outbound->phase = READING;
    if (!outbound->text)
        outbound->text =
            outbound_text_open(outbound->worker, outbound->delivery->id, text_ready, outbound);
}

/* Sends what the machine has to say; false while the kernel will not take all of it. */
static bool flush(struct outbound *outbound)
{
    struct bytes output = smtp_client_output(outbound->client);
    if (output.len && outbound->stream)
        smtp_client_sent(outbound->client, stream_send(outbound->stream, output),
                         loop_now_ms(outbound->worker->loop));
    return smtp_client_output(outbound->client).len == 0;
}

/* Sent or not, this was the last word. */
static void closed(struct outbound *outbound)
{
    struct delivery_result failure;
    bool has_failed = smtp_client_failure(outbound->client, &failure);
    if (has_failed && !outbound->was_greeted)
        host_failed(outbound, &failure);
    else
        outbound_end(outbound, NULL);
}

/* --- TLS ---------------------------------------------------------------------------------------
 */

/* This host will not do: outbound->tls.failure says why. */
static void cannot_secure(struct outbound *outbound)
{
    struct bytes reason = bytes_of(outbound->tls.failure);
    if (outbound->client) {
        smtp_client_unsecured(outbound->client, reason);
        outbound->phase = TALKING;
        run(outbound);
        return;
    }
    struct delivery_result failure = {
        .outcome = DEFERRED, .status = "4.7.5", .reply = reason, .was_connection = true};
    host_failed(outbound, &failure);
}

/* Where clear text will do, the same host is connected to once more, for that. */
static void handshake_failed(struct outbound *outbound, const char *reason)
{
    outbound_tls_failed(&outbound->tls, reason);
    if (!outbound_tls_may_be_clear(&outbound->tls)) {
        cannot_secure(outbound);
        return;
    }
    log_warning("tls-failed", LOG_BYTES("lane", lane_endpoint(outbound->lane)->name),
                LOG_BYTES("host", outbound_hosts_remote(outbound->hosts)),
                LOG_TEXT("reason", outbound->tls.failure));
    outbound_hosts_tls_failed(outbound->hosts);
    stream_close(outbound->stream);
    outbound->stream = NULL;
    connect_again(outbound);
}

static void begin_securing(struct outbound *outbound)
{
    outbound->phase = SECURING;
    if (outbound_tls_start(&outbound->tls, outbound->generation->outbound_contexts,
                           outbound->stream))
        timer_set(&outbound->timer, loop_now_ms(outbound->worker->loop) + HANDSHAKE_MS);
    else
        cannot_secure(outbound);
}

/* --- Logging in --------------------------------------------------------------------------------
 */

static void password_given(void *context)
{
    struct outbound *outbound = context;
    outbound->login = NULL;
    outbound->phase = TALKING;
    run(outbound);
}

static void ask_password(struct outbound *outbound)
{
    outbound->login =
        outbound_login_begin(outbound->worker, lane_endpoint(outbound->lane), outbound->stream,
                             outbound->client, password_given, outbound);
    if (outbound->login)
        outbound->phase = ASKING;
}

/* Something happened that the machine is to hear of first. */
static void stop_asking(struct outbound *outbound)
{
    outbound_login_cancel(outbound->login);
    outbound->login = NULL;
    if (outbound->phase == ASKING)
        outbound->phase = TALKING;
}

/* Does what the machine asks for until it waits. May free the outbound. */
static void run(struct outbound *outbound)
{
    while (outbound->phase == TALKING) {
        switch (smtp_client_step(outbound->client)) {
        case CLIENT_READY: next_delivery(outbound); continue;
        case CLIENT_RESULT: take_result(outbound); continue;
        case CLIENT_WANT_TEXT:
            /* What was handed in is sent first: a slow receiver holds up the reading. */
            if (!flush(outbound)) {
                timer_set(&outbound->timer, smtp_client_deadline(outbound->client));
                return;
            }
            text_begin(outbound);
            outbound_text_read(outbound->text);
            return;
        case CLIENT_START_TLS: begin_securing(outbound); return;
        case CLIENT_WANT_CREDENTIAL: ask_password(outbound); continue;
        case CLIENT_WANT_DOWNGRADE:
            text_begin(outbound);
            outbound_text_downgrade(outbound->text, smtp_client_goal(outbound->client),
                                    text_fitted);
            return;
        case CLIENT_WANT_INPUT:
            flush(outbound);
            timer_set(&outbound->timer, smtp_client_deadline(outbound->client));
            return;
        case CLIENT_CLOSE:
            flush(outbound);
            closed(outbound);
            return;
        }
    }
    if (outbound->phase == IDLE)
        timer_set(&outbound->timer, loop_now_ms(outbound->worker->loop) +
                                        outbound->generation->config->limits.client_idle_ms);
}

static void on_input(void *context, struct bytes input)
{
    struct outbound *outbound = context;
    stop_asking(outbound);
    /* A server that speaks while it reads a message, or unasked, is the machine's to judge. */
    smtp_client_input(outbound->client, input, loop_now_ms(outbound->worker->loop));
    if (outbound->phase == IDLE)
        outbound->phase = TALKING;
    run(outbound);
}

static void talk(struct outbound *outbound)
{
    outbound->client = smtp_client_new(&outbound->settings, loop_now_ms(outbound->worker->loop));
    outbound->phase = TALKING;
}

static void on_writable(void *context)
{
    struct outbound *outbound = context;
    if (outbound->phase == CONNECTING)
        outbound_hosts_reached(outbound->hosts);
    if (outbound->phase == CONNECTING && outbound->settings.is_secure) {
        begin_securing(outbound);
        return;
    }
    if (outbound->phase == CONNECTING)
        talk(outbound);
    run(outbound);
}

static void on_secured(void *context)
{
    struct outbound *outbound = context;
    if (!outbound_tls_judge(&outbound->tls, outbound->stream)) {
        cannot_secure(outbound);
        return;
    }
    if (outbound->client)
        smtp_client_secured(outbound->client, loop_now_ms(outbound->worker->loop));
    else
        talk(outbound);
    outbound->phase = TALKING;
    run(outbound);
}

static void lose_stream(struct outbound *outbound, const char *reason)
{
    stop_asking(outbound);
    stream_close(outbound->stream);
    outbound->stream = NULL;
    snprintf(outbound->lost_reason, sizeof outbound->lost_reason, "%s", reason);
    /* A read under way uses the delivery: text_is_wanted() goes on from here. */
    if (outbound->phase == READING)
        return;
    smtp_client_hangup(outbound->client, bytes_of(outbound->lost_reason));
    outbound->phase = TALKING;
    run(outbound);
}

static void on_ended(void *context, int os)
{
    struct outbound *outbound = context;
    if (outbound->phase == CONNECTING)
        cannot_connect(outbound, os, strerror(os));
    else if (outbound->phase == SECURING)
        handshake_failed(outbound, os == EPROTO ? stream_failure(outbound->stream)
                                   : os         ? strerror(os)
                                                : "the other side closed the connection");
    else
        lose_stream(outbound, os ? strerror(os) : "the other side closed the connection");
}

static const struct stream_events events = {
    .input = on_input, .writable = on_writable, .ended = on_ended, .secured = on_secured};

static void on_timer(void *context)
{
    struct outbound *outbound = context;
    switch (outbound->phase) {
    case CONNECTING: cannot_connect(outbound, ETIMEDOUT, "no answer (timed out)"); return;
    case SECURING: handshake_failed(outbound, "no answer (timed out)"); return;
    case ASKING: /* it always answers */
    case READING: return;
    case IDLE:
        outbound->phase = TALKING;
        outbound->is_shut = true;
        run(outbound);
        return;
    case TALKING:
        smtp_client_expire(outbound->client, loop_now_ms(outbound->worker->loop));
        run(outbound);
        return;
    }
}

static enum smtp_client_login login_mode(const struct outbound *outbound)
{
    if (!lane_endpoint(outbound->lane)->user.len)
        return CLIENT_LOGIN_NONE;
    return outbound_hosts_is_here(outbound->hosts) ? CLIENT_LOGIN_ANYWHERE : CLIENT_LOGIN_IN_TLS;
}

/* To the next host, or to the same one once more. */
static void connect_to(struct outbound *outbound, bool is_again)
{
    struct error err;
    smtp_client_free(outbound->client);
    outbound->client = NULL;
    outbound->phase = CONNECTING;
    outbound->stream = is_again ? outbound_hosts_again(outbound->hosts, &events, outbound, &err)
                                : outbound_hosts_connect(outbound->hosts, &events, outbound, &err);
    outbound_tls_choose(&outbound->tls, outbound_hosts_name(outbound->hosts),
                        outbound_hosts_remote(outbound->hosts),
                        outbound_hosts_is_clear(outbound->hosts));
    outbound->settings.tls = outbound_tls_mode(&outbound->tls);
    outbound->settings.login = login_mode(outbound);
    if (outbound->stream)
        timer_set(&outbound->timer,
                  loop_now_ms(outbound->worker->loop) + outbound_hosts_timeout_ms(outbound->hosts));
    else
        cannot_connect(outbound, err.os, err.text);
}

static void connect_next(struct outbound *outbound)
{
    connect_to(outbound, false);
}

static void connect_again(struct outbound *outbound)
{
    connect_to(outbound, true);
}

static void hosts_found(void *context)
{
    struct outbound *outbound = context;
    if (outbound_hosts_has_next(outbound->hosts)) {
        connect_next(outbound);
        return;
    }
    struct delivery_result failure = {.outcome = DEFERRED,
                                      .reply = outbound_hosts_failure(outbound->hosts),
                                      .was_connection = true};
    snprintf(failure.status, sizeof failure.status, "%s", outbound_hosts_status(outbound->hosts));
    outbound_end(outbound, &failure);
}

void outbound_open(struct worker *worker, struct lane *lane)
{
    struct outbound *outbound = NEW(struct outbound);
    bool is_lmtp = lane_endpoint(lane)->kind == ENDPOINT_LMTP;
    outbound->worker = worker;
    outbound->generation = generation_use(worker->generation);
    outbound->lane = lane;
    outbound->settings = worker->generation->config->client;
    outbound->settings.dialect = is_lmtp ? DIALECT_LMTP : DIALECT_SMTP;
    outbound->settings.is_secure = lane_endpoint(lane)->is_implicit_tls;
    outbound_tls_init(&outbound->tls, lane_endpoint(lane));
    outbound->hosts = outbound_hosts_open(worker, outbound->generation, lane);
    timer_init(&outbound->timer, worker->loop, on_timer, outbound);
    list_append(&worker->outbounds, &outbound->link);
    outbound_hosts_find(outbound->hosts, hosts_found, outbound);
}

bool outbound_wake_idle(struct worker *worker)
{
    bool has_woken = false;
    LIST_EACH (&worker->outbounds, struct outbound, link, outbound) {
        if (outbound->phase != IDLE || !queue_has_ready(worker->queue, outbound->lane))
            continue;
        has_woken = true;
        outbound->phase = TALKING;
        run(outbound);
    }
    return has_woken;
}

static void outbound_kill(struct outbound *outbound)
{
    outbound->is_killed = true;
    if (outbound->phase == CONNECTING || outbound->phase == SECURING)
        outbound_end(outbound, NULL);
    else if (outbound->stream)
        lose_stream(outbound, "stopped");
}

void outbound_shut_all(struct worker *worker)
{
    LIST_EACH (&worker->outbounds, struct outbound, link, outbound) {
        outbound->is_shut = true;
        /* Nothing is under way on one that was not greeted yet: no host's silence is waited for. */
        if (!outbound->was_greeted) {
            outbound_kill(outbound);
        } else if (outbound->phase == IDLE) {
            outbound->phase = TALKING;
            run(outbound);
        }
    }
}

void outbound_kill_all(struct worker *worker)
{
    LIST_EACH (&worker->outbounds, struct outbound, link, outbound)
        outbound_kill(outbound);
}
