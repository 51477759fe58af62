#include "daemon/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

struct session {
    const struct session_host *host;
    uint64_t number;
    struct smtp_server *smtp;
    struct stream *stream; /* NULL: the peer is gone */
    struct timer deadline;
    uint8_t *held; /* input that could not be consumed yet */
    enum { RUNNING, SECURING, WAITING_STORE, WAITING_TEXT, WAITING_LOGIN } phase;
    bool is_stepping, is_ended, is_closing, is_paused;
    void *data;
    char *tls; /* owned; NULL: in clear text */
    char peer[PEER_TEXT];
};

static void run(struct session *session);

static int64_t now_ms(const struct session *session)
{
    return loop_now_ms(session->host->loop);
}

/* What honest peers do not do; worth a line, once a session. */
static void log_oddities(const struct session *session)
{
    unsigned flags = smtp_server_peer_flags(session->smtp);
    if (!flags)
        return;
    log_info("peer-odd", LOG_SESSION(session->number), LOG_BYTES("client", session_peer(session)),
             LOG_BYTES("helo", smtp_server_helo(session->smtp)),
             LOG_INT("talked_early", flags & PEER_TALKED_EARLY ? 1 : 0),
             LOG_INT("pipelined_unasked", flags & PEER_PIPELINED_UNASKED ? 1 : 0),
             LOG_INT("bare_newline", flags & PEER_BARE_NEWLINE ? 1 : 0));
}

/* What the machine refused by itself; the host logs what it refuses. */
static void log_refusals(struct session *session)
{
    const struct session_host *host = session->host;
    struct smtp_answer answer = {.code = 0};
    struct bytes verb;
    while (smtp_server_refused(session->smtp, &verb, &answer.code, &answer.text)) {
        if (host->refused)
            host->refused(host->context, session, verb, &answer);
        else
            log_info("refused", LOG_BYTES("client", session_peer(session)),
                     LOG_BYTES("helo", smtp_server_helo(session->smtp)), LOG_BYTES("rule", verb),
                     LOG_INT("code", answer.code), LOG_BYTES("text", answer.text));
    }
}

static void session_free(struct session *session)
{
    log_oddities(session);
    session->host->closed(session->host->context, session);
    timer_clear(&session->deadline);
    if (session->stream)
        stream_close(session->stream);
    smtp_server_free(session->smtp);
    free(session->held);
    free(session->tls);
    free(session);
}

/* Sends what the machine has to say; false while the kernel will not take all of it. */
static bool flush(struct session *session)
{
    struct bytes output = smtp_server_output(session->smtp);
    if (output.len == 0 || !session->stream)
        return true;
    smtp_server_sent(session->smtp, stream_send(session->stream, output));
    return smtp_server_output(session->smtp).len == 0;
}

static void pause_reading(struct session *session, bool is_paused)
{
    if (!session->stream || session->is_paused == is_paused)
        return;
    session->is_paused = is_paused;
    if (is_paused)
        stream_pause(session->stream);
    else
        stream_resume(session->stream);
}

/* The machine must wait: what it has not consumed lies in a buffer that is about to go, so it
 * moves to one of our own. Nothing more is read until the machine goes on. */
static void hold_input(struct session *session)
{
    struct bytes unread = smtp_server_unread(session->smtp);
    if (unread.len == 0 || unread.at == session->held)
        return;
    uint8_t *held = memory_new(unread.len, 1);
    memcpy(held, unread.at, unread.len);
    free(session->held);
    session->held = held;
    smtp_server_rebase(session->smtp, (struct bytes){held, unread.len});
}

/* The machine's reply, if there is one, is sent before anything of the handshake is. */
static void start_tls(struct session *session)
{
    if (!flush(session) || !session->stream)
        return;
    session->phase = SECURING;
    stream_start_tls(session->stream, session->host->tls(session->host->context, session));
}

static void rename_peer(struct session *session)
{
    struct bytes peer = smtp_server_new_peer(session->smtp);
    struct smtp_answer answer = session->host->new_peer(session->host->context, session, peer);
    if (answer.code / 100 == 2 && peer.len)
        snprintf(session->peer, sizeof session->peer, "%.*s", BYTES_ARGS(peer));
    smtp_server_answer(session->smtp, &answer);
}

/* Does what the machine asks for until it waits: for input, for the host, or for the peer to
 * read. */
static void step(struct session *session)
{
    const struct session_host *host = session->host;
    struct smtp_answer answer;
    for (;;) {
        enum smtp_server_effect effect = smtp_server_step(session->smtp);
        log_refusals(session);
        switch (effect) {
        case SERVER_CHECK_MAIL:
            answer = host->mail(host->context, session);
            smtp_server_answer(session->smtp, &answer);
            continue;
        case SERVER_CHECK_RCPT:
            answer = host->rcpt(host->context, session);
            smtp_server_answer(session->smtp, &answer);
            continue;
        case SERVER_BEGIN_BODY:
            answer = host->begin(host->context, session);
            smtp_server_answer(session->smtp, &answer);
            continue;
        case SERVER_BODY:
            if (host->text(host->context, session, smtp_server_chunk(session->smtp)))
                continue;
            session->phase = WAITING_TEXT;
            return;
        case SERVER_STORE:
            session->phase = WAITING_STORE;
            host->store(host->context, session);
            if (session->phase == RUNNING)
                continue;
            return;
        case SERVER_LOGIN:
            session->phase = WAITING_LOGIN;
            host->login(host->context, session);
            if (session->phase == RUNNING)
                continue;
            return;
        case SERVER_LOGIN_END: host->logged(host->context, session); continue;
        case SERVER_START_TLS: start_tls(session); return;
        case SERVER_NEW_PEER: rename_peer(session); continue;
        case SERVER_DROP_BODY: host->drop(host->context, session); continue;
        case SERVER_FLUSH:
            if (flush(session))
                continue;
            return;
        case SERVER_WANT_INPUT: return;
        case SERVER_CLOSE: session->is_closing = true; return;
        }
    }
}

/* Steps, sends and settles what to wait for. May free the session: nothing may be done with it
 * after. */
static void run(struct session *session)
{
    if (session->is_stepping)
        return;
    /* A peer that does not read its replies gets no further commands done. */
    if (session->phase == RUNNING && !session->is_closing && flush(session)) {
        session->is_stepping = true;
        step(session);
        session->is_stepping = false;
    }
    bool is_flushed = flush(session);
    /* A peer that does not even take our last words is not waited for. */
    if (session->is_closing && session->phase == RUNNING) {
        session_free(session);
        return;
    }
    bool must_hold = session->phase != RUNNING || !is_flushed;
    if (must_hold)
        hold_input(session);
    else if (smtp_server_unread(session->smtp).len == 0) {
        free(session->held);
        session->held = NULL;
    }
    /* Reading is stopped only when bytes came that cannot be used yet: a client that waits for
     * its reply sends none, and so costs no call. */
    if (!must_hold)
        pause_reading(session, false);
    else if (smtp_server_unread(session->smtp).len)
        pause_reading(session, true);
    timer_set(&session->deadline,
              session->phase == WAITING_STORE ? INT64_MAX : smtp_server_deadline(session->smtp));
}

static void on_input(void *context, struct bytes input)
{
    struct session *session = context;
    struct bytes unread = smtp_server_unread(session->smtp);
    if (unread.len == 0) {
        smtp_server_input(session->smtp, input, now_ms(session), loop_wall_ms(session->host->loop));
    } else {
        uint8_t *joined = memory_new(unread.len + input.len, 1);
        memcpy(joined, unread.at, unread.len);
        memcpy(joined + unread.len, input.at, input.len);
        free(session->held);
        session->held = joined;
        smtp_server_rebase(session->smtp, (struct bytes){joined, unread.len + input.len});
    }
    run(session);
}

static void on_writable(void *context)
{
    run(context);
}

static void log_tls(const struct session *session, const struct tls_facts *facts)
{
    char fingerprint[2 * TLS_HASH_SIZE + 1] = "";
    for (size_t i = 0; facts->has_peer_certificate && i < TLS_HASH_SIZE; i++)
        snprintf(fingerprint + 2 * i, 3, "%02x", facts->peer_certificate[i]);
    log_info("tls", LOG_SESSION(session->number), LOG_BYTES("client", session_peer(session)),
             LOG_TEXT("version", facts->version), LOG_TEXT("cipher", facts->cipher),
             LOG_OPTIONAL("sni", facts->server_name), LOG_INT("resumed", facts->was_resumed),
             LOG_OPTIONAL("client_certificate", fingerprint));
}

static void log_tls_failed(const struct session *session, const char *reason)
{
    log_info("tls-failed", LOG_SESSION(session->number), LOG_BYTES("client", session_peer(session)),
             LOG_TEXT("reason", reason));
}

static void on_secured(void *context)
{
    enum { ROOM = 96 };
    struct session *session = context;
    struct tls_facts facts;
    bool is_secured = stream_tls_facts(session->stream, &facts);
    ASSERT(is_secured && session->phase == SECURING);
    session->tls = memory_new(ROOM, 1);
    snprintf(session->tls, ROOM, "%s %s %d", facts.version, facts.cipher, facts.bits);
    log_tls(session, &facts);
    session->phase = RUNNING;
    smtp_server_secured(session->smtp, now_ms(session));
    if (session->host->secured)
        session->host->secured(session->host->context, session);
    run(session);
}

static void lose_stream(struct session *session)
{
    if (session->phase == SECURING)
        session->phase = RUNNING;
    stream_close(session->stream);
    session->stream = NULL;
    smtp_server_hangup(session->smtp);
    /* Whether it would have been let in is of no interest any more. */
    if (session->phase == WAITING_LOGIN)
        session->phase = RUNNING;
}

static void on_ended(void *context, int os)
{
    struct session *session = context;
    if (session->phase == SECURING)
        log_tls_failed(session, os == EPROTO ? stream_failure(session->stream)
                                : os         ? strerror(os)
                                             : "the other side closed the connection");
    lose_stream(session);
    run(session);
}

static void on_deadline(void *context)
{
    struct session *session = context;
    smtp_server_expire(session->smtp, now_ms(session));
    /* A peer that has not read its replies all this time will not read the last one either. (A
     * machine that has not expired has a deadline still.) */
    bool has_expired = smtp_server_deadline(session->smtp) == INT64_MAX;
    if (has_expired && session->phase == SECURING) {
        log_tls_failed(session, "the handshake takes too long");
        lose_stream(session);
    }
    if (has_expired && session->stream && !flush(session))
        lose_stream(session);
    run(session);
}

static const struct stream_events events = {on_input, on_writable, on_ended, on_secured};

struct session *session_open(const struct session_host *host, int fd_owned,
                             const struct smtp_server_settings *settings, void *data,
                             struct error *err)
{
    struct session *session = NEW(struct session);
    session->host = host;
    session->data = data;
    session->number = host->number ? host->number(host->context) : 0;
    struct bytes peer = host->peer ? host->peer(host->context, data) : BYTES_NONE;
    if (peer.len)
        snprintf(session->peer, sizeof session->peer, "%.*s", BYTES_ARGS(peer));
    else
        stream_peer(fd_owned, session->peer);
    session->stream = stream_open(host->loop, fd_owned, &events, session, err);
    if (!session->stream) {
        free(session);
        return NULL;
    }
    timer_init(&session->deadline, host->loop, on_deadline, session);
    session->smtp = smtp_server_new(settings, session_peer(session), loop_now_ms(host->loop),
                                    loop_wall_ms(host->loop));
    /* No step() ends in a close before the peer has sent a byte. */
    run(session);
    return session;
}

struct smtp_server *session_smtp(const struct session *session)
{
    return session->smtp;
}

uint64_t session_number(const struct session *session)
{
    return session->number;
}

struct bytes session_peer(const struct session *session)
{
    return bytes_of(session->peer);
}

bool session_tls_facts(const struct session *session, struct tls_facts *out)
{
    return session->stream && stream_tls_facts(session->stream, out);
}

struct bytes session_tls(const struct session *session)
{
    return bytes_of(session->tls);
}

void *session_data(const struct session *session)
{
    return session->data;
}

void session_answer(struct session *session, const struct smtp_answer *answers, size_t count)
{
    ASSERT(session->phase == WAITING_STORE);
    for (size_t i = 0; i < count; i++)
        smtp_server_answer(session->smtp, &answers[i]);
    session->phase = RUNNING;
    run(session);
}

void session_login_answer(struct session *session, const struct sasl_answer *answer)
{
    ASSERT(session->phase == WAITING_LOGIN);
    smtp_server_login_answer(session->smtp, answer);
    session->phase = RUNNING;
    run(session);
}

void session_go_on(struct session *session)
{
    ASSERT(session->phase == WAITING_TEXT);
    session->phase = RUNNING;
    run(session);
}

bool session_is_lost(const struct session *session)
{
    return !session->stream;
}

void session_shut(struct session *session)
{
    smtp_server_shut(session->smtp);
    run(session);
}

void session_kill(struct session *session)
{
    if (session->stream)
        lose_stream(session);
    run(session);
}
