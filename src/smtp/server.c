#include "smtp/server_state.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#include "base/memory.h"
#include "smtp/reply.h"

enum {
    OUTPUT_HIGH = 64 * 1024, /* replies that may wait before the peer has to read some */
    REPLY_ROOM = 1024,       /* more than any one reply takes */
    ARENA_BASE = 16 * 1024,  /* of the transaction's memory: for MAIL and small transactions, */
    ARENA_RECIPIENT = 512,   /* and for each recipient allowed */
    RATE_GRACE_MS = 60000,
};

struct smtp_server *smtp_server_new(const struct smtp_server_settings *settings, struct bytes peer,
                                    int64_t now_ms, int64_t wall_ms)
{
    ASSERT(settings->recipient_limit <= SIZE_MAX / REPLY_ROOM / 2);
    size_t room = peer.len < SMTP_PEER_LIMIT ? SMTP_PEER_LIMIT : peer.len;
    struct smtp_server *server = memory_new(1, sizeof *server + room);
    server->settings = settings;
    server->now_ms = server->active_ms = now_ms;
    server->wall_ms = wall_ms;
    server->asked = settings->tls == SERVER_TLS_IMPLICIT ? SERVER_START_TLS : SERVER_WANT_INPUT;
    server->arena = arena_new(ARENA_BASE + settings->recipient_limit * ARENA_RECIPIENT);
    buf_init(&server->line, settings->line_limit);
    /* In the LMTP role all recipients' replies may be queued at once. */
    buf_init(&server->output, OUTPUT_HIGH + (settings->recipient_limit + 4) * REPLY_ROOM);
    server->peer_len = peer.len;
    if (peer.len)
        memcpy(server->peer, peer.at, peer.len);
    return server;
}

void smtp_server_free(struct smtp_server *server)
{
    if (!server)
        return;
    server_login_forget(server);
    arena_free(server->arena);
    buf_done(&server->line);
    buf_done(&server->output);
    free((void *)(uintptr_t)server->helo_owned.at);
    free(server);
}

/* While the driver had something to answer, the peer's time stood still. */
static void clock_resume(struct smtp_server *server, int64_t now_ms)
{
    if (!server->clock_stood)
        return;
    server->clock_stood = false;
    server->active_ms = now_ms;
    if (server->text_began_ms)
        server->text_began_ms = now_ms;
}

void smtp_server_input(struct smtp_server *server, struct bytes input, int64_t now_ms,
                       int64_t wall_ms)
{
    ASSERT(server->input.len == 0);
    server->now_ms = now_ms;
    server->wall_ms = wall_ms;
    if (server->is_closing || !input.len)
        return;
    if (!server->has_greeted || server->greeting_left)
        server->peer_flags |= PEER_TALKED_EARLY;
    if (server->owes_silence)
        server->peer_flags |= PEER_PIPELINED_UNASKED;
    if (server->reading != READING_LINES)
        server->active_ms = now_ms;
    clock_resume(server, now_ms);
    server->input = input;
}

struct bytes smtp_server_unread(const struct smtp_server *server)
{
    return server->input;
}

void smtp_server_rebase(struct smtp_server *server, struct bytes same_bytes_and_more)
{
    ASSERT(same_bytes_and_more.len >= server->input.len);
    if (server->is_closing)
        return;
    if (server->owes_silence && same_bytes_and_more.len > server->input.len)
        server->peer_flags |= PEER_PIPELINED_UNASKED;
    server->input = same_bytes_and_more;
}

void server_reply(struct smtp_server *server, int code, const char *status, const char *text)
{
    reply_add(&server->output, code, bytes_of(status), bytes_of(text));
}

void server_count_error(struct smtp_server *server)
{
    if (++server->errors == server->settings->error_limit)
        server_close(server, "errors", "4.7.0",
                     "Too many errors; connect anew when they are mended");
}

void server_refuse_all(struct smtp_server *server, struct bytes verb, struct smtp_answer answer,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        reply_add(&server->output, answer.code, answer.status, answer.text);
    server->refused_verb = verb;
    server->refused_code = answer.code;
    server->refused_text = answer.text;
    server->must_tell = true;
    if (answer.code == 421)
        server_end(server);
    else if (answer.code >= 500)
        server_count_error(server);
}

void server_refuse(struct smtp_server *server, struct bytes verb, struct smtp_answer answer)
{
    server_refuse_all(server, verb, answer, 1);
}

void server_close(struct smtp_server *server, const char *rule, const char *status,
                  const char *text)
{
    server_reply(server, 421, status, text);
    server->closed_rule = bytes_of(rule);
    server->closed_text = bytes_of(text);
    server_end(server);
}

/* It may have held a password. */
static void line_free(struct smtp_server *server)
{
    OPENSSL_cleanse(server->line.at, server->line.cap);
    buf_free(&server->line);
}

void server_end(struct smtp_server *server)
{
    server_drop(server);
    server->is_closing = true;
    server->asked = SERVER_WANT_INPUT;
    server->input = BYTES_NONE;
    line_free(server);
    /* An exchange that did end is still to be told. */
    if (!server->has_login_ended)
        server_login_drop(server);
}

void server_drop(struct smtp_server *server)
{
    server->must_drop |= server->has_begun;
    server->has_begun = false;
}

void server_reset(struct smtp_server *server)
{
    server_drop(server);
    server->transaction = NULL;
    server->recipient_room = 0;
    server->rcpts_tried = 0;
    server->candidate = (struct envelope_recipient){.notify = 0};
    server->declared_size = 0;
    server->failure = (struct smtp_answer){.code = 0};
    server->in_chunks = false;
    server->text_began_ms = 0;
    server->reading = READING_LINES;
    server->active_ms = server->now_ms;
    arena_reset(server->arena);
}

void server_forget(struct smtp_server *server)
{
    server_reset(server);
    server_login_forget(server);
    free((void *)(uintptr_t)server->helo_owned.at);
    server->helo_owned = BYTES_NONE;
    server->is_extended = false;
}

enum phase server_phase(const struct smtp_server *server)
{
    if (!server->helo_owned.len)
        return PHASE_START;
    if (!server->transaction)
        return PHASE_GREETED;
    if (server->in_chunks)
        return PHASE_CHUNKS;
    return server->transaction->recipient_count ? PHASE_RCPT : PHASE_MAIL;
}

/* The line cannot be a command: says so at once (a peer that ends its lines with LF alone would
 * wait for ever), then skips to its CRLF. Nothing of it is ever a command. */
static void line_refuse(struct smtp_server *server, const char *text)
{
    server->line_is_swallowed = true;
    line_free(server);
    if (server->sasl) {
        server_auth_break(server, bytes_of(text));
        return;
    }
    server_refuse(server, BYTES("unknown"),
                  (struct smtp_answer){500, BYTES("5.5.2"), bytes_of(text)});
}

/* The index in the piece of the byte at which a CR or LF proves to stand alone, or SIZE_MAX. A
 * LF can only be the piece's last byte. */
static size_t find_bare_newline(const struct smtp_server *server, struct bytes piece, bool is_end)
{
    if (server->line_after_cr && piece.at[0] != '\n')
        return 0;
    size_t behind = bytes_find(piece, '\r') + 1;
    if (behind < piece.len && piece.at[behind] != '\n')
        return behind;
    if (piece.at[piece.len - 1] == '\n' && !is_end)
        return piece.len - 1;
    return SIZE_MAX;
}

/* Checks the piece as part of a line; false when the line was refused. Which fault is named must
 * not depend on how the input was cut: the one that shows first. */
static bool line_check(struct smtp_server *server, struct bytes piece, bool is_end)
{
    size_t bare = find_bare_newline(server, piece, is_end);
    size_t room = server->line.limit - server->line.len;
    if (bare != SIZE_MAX && bare <= room) {
        server->peer_flags |= PEER_BARE_NEWLINE;
        line_refuse(server, "CR or LF alone; end each line with CRLF (RFC 5321, 2.3.8)");
        return false;
    }
    if (piece.len > room) {
        line_refuse(server, "Line too long; send a shorter one");
        return false;
    }
    return true;
}

/* A whole line, without its CRLF. */
static void take_line(struct smtp_server *server, struct bytes line)
{
    if (server->sasl)
        server_auth_line(server, line);
    else
        server_command(server, line);
}

/* A TLS record's first byte (RFC 8446, 5.1), which begins no command. */
enum { TLS_HANDSHAKE = 22 };

/* The commonest wrong setting of a mail program. What it is told it cannot show, so the log has to
 * know. */
static void refuse_tls(struct smtp_server *server)
{
    server_refuse(server, BYTES("TLS"),
                  (struct smtp_answer){
                      554, BYTES("5.5.1"),
                      BYTES("TLS does not begin at once here; use STARTTLS, or the port for TLS "
                            "from the first byte on (465)")});
    server_end(server);
}

static enum progress read_line(struct smtp_server *server)
{
    if (!server->input.len)
        return PROGRESS_NONE;
    if (server->input.at[0] == TLS_HANDSHAKE && !server->helo_owned.len && !server->line.len &&
        !server->line_is_swallowed) {
        refuse_tls(server);
        return PROGRESS;
    }
    size_t newline = bytes_find(server->input, '\n');
    bool has_newline = newline < server->input.len;
    struct bytes piece = bytes_sub(server->input, 0, newline + 1);
    server->input = bytes_from(server->input, piece.len);
    bool is_end =
        has_newline && (piece.len > 1 ? piece.at[piece.len - 2] == '\r' : server->line_after_cr);
    if (!server->line_is_swallowed && !line_check(server, piece, is_end) && server->is_closing)
        return PROGRESS;
    server->line_after_cr = piece.at[piece.len - 1] == '\r';
    if (!is_end) {
        if (!server->line_is_swallowed)
            buf_add(&server->line, piece);
        return PROGRESS;
    }
    server->active_ms = server->now_ms;
    server->line_after_cr = false;
    if (server->line_is_swallowed) {
        server->line_is_swallowed = false;
        return PROGRESS;
    }
    if (!server->line.len) {
        take_line(server, bytes_sub(piece, 0, piece.len - 2));
        return PROGRESS;
    }
    buf_add(&server->line, piece);
    take_line(server, bytes_sub(buf_view(&server->line), 0, server->line.len - 2));
    line_free(server);
    return PROGRESS;
}

enum smtp_server_effect smtp_server_step(struct smtp_server *server)
{
    server->chunk = BYTES_NONE;
    if (!server->has_greeted && !server->is_closing && server->asked != SERVER_START_TLS)
        server_greet(server);
    for (;;) {
        if (server->must_drop) {
            server->must_drop = false;
            return SERVER_DROP_BODY;
        }
        if (server->has_login_ended) {
            /* Told once: the step after this one goes on without it. */
            if (!server->is_login_told) {
                server->is_login_told = true;
                return SERVER_LOGIN_END;
            }
            server->is_login_told = false;
            server_login_drop(server);
        }
        if (server->is_closing)
            return SERVER_CLOSE;
        if (server->asked == SERVER_START_TLS && server->input.len) {
            server_refuse_injection(server);
            continue;
        }
        if (server->asked != SERVER_WANT_INPUT)
            return server->asked;
        /* Of pipelined commands each that is refused is told. */
        if (server->output.len - server->output_sent > OUTPUT_HIGH || server->must_tell) {
            server->must_tell = false;
            return SERVER_FLUSH;
        }
        if (server->is_shutting && !server->transaction && server->reading == READING_LINES) {
            server_close(server, NULL, "4.3.2", "Going down for a while; try again later");
            continue;
        }
        switch (server->reading == READING_LINES ? read_line(server) : server_read_text(server)) {
        case PROGRESS: break;
        case PROGRESS_NONE: return SERVER_WANT_INPUT;
        case PROGRESS_TEXT: return SERVER_BODY;
        }
    }
}

void smtp_server_answer(struct smtp_server *server, const struct smtp_answer *answer)
{
    if (server->is_closing)
        return; /* the peer went away, or its time was up, before the driver knew */
    enum smtp_server_effect asked = server->asked;
    ASSERT(asked != SERVER_WANT_INPUT && asked != SERVER_START_TLS);
    server->asked = SERVER_WANT_INPUT;
    server->clock_stood = true;
    switch (asked) {
    case SERVER_CHECK_MAIL: server_mail_answered(server, answer); break;
    case SERVER_CHECK_RCPT: server_rcpt_answered(server, answer); break;
    case SERVER_BEGIN_BODY: server_begin_answered(server, answer); break;
    case SERVER_STORE: server_store_answered(server, answer); break;
    case SERVER_NEW_PEER: server_new_peer_answered(server, answer); break;
    case SERVER_WANT_INPUT:
    case SERVER_FLUSH:
    case SERVER_BODY:
    case SERVER_LOGIN:
    case SERVER_LOGIN_END:
    case SERVER_START_TLS:
    case SERVER_DROP_BODY:
    case SERVER_CLOSE: break; /* none of these is ever asked */
    }
    /* RFC 5321, 3.8: 421 announces the end of the session. A failed chunk has its reply later. */
    if (answer->code == 421 && server->reading == READING_LINES)
        server_end(server);
}

void smtp_server_secured(struct smtp_server *server, int64_t now_ms)
{
    if (server->is_closing)
        return;
    ASSERT(server->asked == SERVER_START_TLS && !server->input.len);
    server->asked = SERVER_WANT_INPUT;
    server->is_secure = true;
    server->now_ms = now_ms;
    server->owes_silence = false;
    server_forget(server);
    /* What one may log in with here is another question. */
    server->logins = 0;
}

bool smtp_server_is_secure(const struct smtp_server *server)
{
    return server->is_secure;
}

struct bytes smtp_server_output(const struct smtp_server *server)
{
    return bytes_from(buf_view(&server->output), server->output_sent);
}

void smtp_server_sent(struct smtp_server *server, size_t count)
{
    ASSERT(count <= server->output.len - server->output_sent);
    server->greeting_left -= count < server->greeting_left ? count : server->greeting_left;
    server->output_sent += count;
    if (server->output_sent < server->output.len)
        return;
    buf_free(&server->output);
    server->output_sent = 0;
    if (server->asked == SERVER_WANT_INPUT)
        server->owes_silence = false;
}

/* A message has to come at data_rate_min on the whole, after the grace. */
static int64_t rate_deadline(const struct smtp_server *server)
{
    uint64_t rate = server->settings->data_rate_min;
    uint64_t earned_s = server->text_wire / rate;
    if (earned_s > INT64_MAX / 4000)
        return INT64_MAX;
    int64_t earned_ms = (int64_t)earned_s * 1000;
    return server->text_began_ms + (earned_ms > RATE_GRACE_MS ? earned_ms : RATE_GRACE_MS);
}

int64_t smtp_server_deadline(const struct smtp_server *server)
{
    const struct smtp_server_settings *settings = server->settings;
    if (!server->is_closing && server->asked == SERVER_START_TLS)
        return server->active_ms + settings->handshake_timeout_ms;
    if (server->is_closing || server->asked != SERVER_WANT_INPUT)
        return INT64_MAX;
    int64_t deadline =
        server->active_ms + (server->reading == READING_LINES ? settings->command_timeout_ms
                                                              : settings->data_timeout_ms);
    if (settings->data_rate_min && server->text_began_ms) {
        int64_t rate = rate_deadline(server);
        return rate < deadline ? rate : deadline;
    }
    return deadline;
}

void smtp_server_expire(struct smtp_server *server, int64_t now_ms)
{
    clock_resume(server, now_ms);
    if (now_ms < smtp_server_deadline(server))
        return;
    if (server->asked == SERVER_START_TLS) {
        server_end(server);
        return;
    }
    bool is_slow_text = server->text_began_ms != 0;
    server_close(server, "timeout", "4.4.2",
                 is_slow_text ? "The message comes too slowly; try again"
                              : "Nothing came for too long; connect anew");
}

void smtp_server_shut(struct smtp_server *server)
{
    server->is_shutting = true;
}

void smtp_server_hangup(struct smtp_server *server)
{
    server_end(server);
}

const struct envelope *smtp_server_transaction(const struct smtp_server *server)
{
    return server->transaction;
}

const struct envelope_recipient *smtp_server_recipient(const struct smtp_server *server)
{
    return &server->candidate;
}

uint64_t smtp_server_declared_size(const struct smtp_server *server)
{
    return server->declared_size;
}

struct bytes smtp_server_chunk(const struct smtp_server *server)
{
    return server->chunk;
}

struct bytes smtp_server_helo(const struct smtp_server *server)
{
    return server->helo_owned;
}

/* RFC 3848; RFC 6531, 4.3. SMTP without EHLO has no word of its own for TLS. */
struct bytes smtp_server_protocol(const struct smtp_server *server)
{
    bool is_utf8 = server->transaction && server->transaction->is_smtputf8;
    if (server->settings->role == ROLE_LMTP)
        return is_utf8 ? BYTES("UTF8LMTP") : BYTES("LMTP");
    bool is_user = server->user_owned.len > 0;
    if (!server->is_extended && !is_utf8 && !is_user)
        return BYTES("SMTP");
    if (server->is_secure && is_user)
        return is_utf8 ? BYTES("UTF8SMTPSA") : BYTES("ESMTPSA");
    if (server->is_secure)
        return is_utf8 ? BYTES("UTF8SMTPS") : BYTES("ESMTPS");
    if (is_user)
        return is_utf8 ? BYTES("UTF8SMTPA") : BYTES("ESMTPA");
    return is_utf8 ? BYTES("UTF8SMTP") : BYTES("ESMTP");
}

unsigned smtp_server_peer_flags(const struct smtp_server *server)
{
    return server->peer_flags;
}

bool smtp_server_refused(struct smtp_server *server, struct bytes *verb, int *code,
                         struct bytes *text)
{
    if (server->refused_code) {
        *verb = server->refused_verb;
        *code = server->refused_code;
        *text = server->refused_text;
        server->refused_code = 0;
        return true;
    }
    if (!server->closed_rule.len)
        return false;
    *verb = server->closed_rule;
    *code = 421;
    *text = server->closed_text;
    server->closed_rule = BYTES_NONE;
    return true;
}
