/* The server machine under any input. The first byte chooses role and extensions, the second how
 * the input is cut and what the driver answers; the rest comes over the wire.
 *
 * Replies are lines of the right form; text lies inside the input; what is stored from DATA is what
 * a plain reading of the wire gives; and all is the same in one piece and in many. With STARTTLS
 * it is the same when the peer waits for its reply; when it does not, what it sends in clear text
 * is lost with the session. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/server.h"

enum { OUTPUT_LIMIT = 64 << 20, TEXT_LIMIT = 4096, PENDING_LIMIT = 80 * 1024 };

struct run {
    struct smtp_server *smtp;
    struct bytes wire;  /* all of it */
    size_t given;       /* of the wire */
    struct bytes block; /* the copy that the machine reads now */
    uint8_t seed;
    bool is_waiting;  /* the peer sends nothing in one piece behind STARTTLS */
    struct buf trace; /* all replies, and the text of each message stored */
    struct buf text;
    size_t data_at; /* where on the wire the text of DATA began; SIZE_MAX: not in DATA */
    size_t stored;
};

static uint32_t hash(struct bytes bytes, uint32_t seed)
{
    uint32_t hash = 2166136261U ^ seed;
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ bytes.at[i]) * 16777619U;
    return hash ^ hash >> 15;
}

/* Depends on the address alone, not on when it is asked. */
static struct smtp_answer judge(const struct run *run, struct bytes address, uint32_t question)
{
    static const struct smtp_answer answers[] = {
        {250, BYTES_INIT("2.0.0"), BYTES_INIT("Fine")},
        {550, BYTES_INIT("5.1.1"), BYTES_INIT("No\r\n250 such \0\xff mailbox")},
        {450, BYTES_INIT("4.2.0"), BYTES_INIT("Not now")},
        {421, BYTES_INIT("4.3.2"), BYTES_INIT("Going down")},
    };
    uint32_t lot = hash(address, run->seed * 4U + question) % 16;
    return answers[run->seed && lot < COUNT(answers) ? lot : 0];
}

static void check_replies(struct bytes output)
{
    while (output.len) {
        size_t end = bytes_search(output, BYTES("\r\n"));
        ASSERT(end < output.len && end >= 4 && end <= 510);
        ASSERT(output.at[0] >= '2' && output.at[0] <= '5');
        ASSERT(ascii_is_digit(output.at[1]) && ascii_is_digit(output.at[2]));
        ASSERT(output.at[3] == ' ' || output.at[3] == '-');
        for (size_t i = 0; i < end; i++)
            ASSERT(output.at[i] >= ' ' && output.at[i] < 127);
        output = bytes_from(output, end + 2);
    }
}

static void take_output(struct run *run)
{
    struct bytes output = smtp_server_output(run->smtp);
    ASSERT(output.len < PENDING_LIMIT);
    check_replies(output);
    buf_add(&run->trace, output);
    smtp_server_sent(run->smtp, output.len);
}

static size_t wire_position(const struct run *run)
{
    return run->given - smtp_server_unread(run->smtp).len;
}

/* No CR or LF alone, no NUL. */
static void check_text(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        ASSERT(text.at[i] != 0);
        if (text.at[i] == '\n')
            ASSERT(i > 0 && text.at[i - 1] == '\r');
        if (text.at[i] == '\r')
            ASSERT(i + 1 < text.len && text.at[i + 1] == '\n');
    }
}

/* The plainest reading of DATA: lines to CRLF, a first dot taken off, "." the end. */
static void check_data(struct bytes wire, struct bytes text)
{
    for (;;) {
        size_t end = bytes_search(wire, BYTES("\r\n"));
        ASSERT(end < wire.len);
        struct bytes line = bytes_sub(wire, 0, end + 2);
        wire = bytes_from(wire, end + 2);
        if (bytes_equal(line, BYTES(".\r\n")))
            break;
        if (line.at[0] == '.')
            line = bytes_from(line, 1);
        ASSERT(bytes_starts(text, line));
        text = bytes_from(text, line.len);
    }
    ASSERT(wire.len == 0 && text.len == 0);
}

static void store(struct run *run)
{
    const struct envelope *envelope = smtp_server_transaction(run->smtp);
    struct bytes text = buf_view(&run->text);
    ASSERT(envelope->recipient_count > run->stored && text.len <= TEXT_LIMIT);
    if (run->stored == 0) {
        if (envelope->body != BODY_BINARYMIME)
            check_text(text);
        if (run->data_at != SIZE_MAX)
            check_data(bytes_sub(run->wire, run->data_at, wire_position(run) - run->data_at), text);
        buf_add(&run->trace, text);
    }
    struct smtp_answer answer = judge(run, envelope->recipients[run->stored].address, 2);
    if (!bytes_ends_nocase(smtp_server_protocol(run->smtp), BYTES("LMTP")) ||
        ++run->stored == envelope->recipient_count) {
        run->stored = 0;
        run->data_at = SIZE_MAX;
        buf_clear(&run->text);
    }
    smtp_server_answer(run->smtp, &answer);
}

static void begin(struct run *run)
{
    struct smtp_answer answer = judge(run, smtp_server_transaction(run->smtp)->reverse_path, 3);
    take_output(run);
    smtp_server_answer(run->smtp, &answer);
    ASSERT(run->text.len == 0);
    if (bytes_starts(smtp_server_output(run->smtp), BYTES("354")))
        run->data_at = wire_position(run);
}

static void body(struct run *run)
{
    struct bytes chunk = smtp_server_chunk(run->smtp);
    ASSERT(chunk.len > 0 && chunk.at >= run->block.at);
    ASSERT(chunk.at + chunk.len <= run->block.at + run->block.len);
    buf_add(&run->text, chunk);
}

static void new_peer(struct run *run)
{
    struct bytes peer = smtp_server_new_peer(run->smtp);
    ASSERT(peer.len <= SMTP_PEER_LIMIT);
    bool is_fine = hash(peer, run->seed) % 4 > 0;
    struct smtp_answer answer = {is_fine ? 250 : 421, is_fine ? BYTES("2.0.0") : BYTES("4.7.0"),
                                 BYTES("so be it")};
    smtp_server_answer(run->smtp, &answer);
    if (is_fine)
        ASSERT(!smtp_server_transaction(run->smtp) && !smtp_server_helo(run->smtp).len);
}

static void login(struct run *run)
{
    static const uint8_t signature[32];
    const struct sasl_question *question = smtp_server_question(run->smtp);
    struct sasl_answer answer = {.verdict =
                                     (enum sasl_verdict)(hash(question->secret, run->seed) % 3),
                                 .account = BYTES("ann@example.org"),
                                 .salt = BYTES("salt"),
                                 .nonce = BYTES("nonce"),
                                 .iterations = 4096,
                                 .signature = {signature, sizeof signature}};
    if (question->kind == SASL_ASK_SCRAM_PROOF)
        answer.verdict = SASL_GRANTED;
    smtp_server_login_answer(run->smtp, &answer);
}

static bool step(struct run *run)
{
    struct smtp_answer answer;
    enum smtp_server_effect effect = smtp_server_step(run->smtp);
    take_output(run);
    switch (effect) {
    case SERVER_WANT_INPUT: ASSERT(!smtp_server_unread(run->smtp).len); return false;
    case SERVER_CLOSE: return false;
    case SERVER_FLUSH: return true;
    case SERVER_CHECK_MAIL:
        answer = judge(run, smtp_server_transaction(run->smtp)->reverse_path, 0);
        smtp_server_answer(run->smtp, &answer);
        return true;
    case SERVER_CHECK_RCPT:
        answer = judge(run, smtp_server_recipient(run->smtp)->address, 1);
        smtp_server_answer(run->smtp, &answer);
        return true;
    case SERVER_BEGIN_BODY: begin(run); return true;
    case SERVER_BODY: body(run); return true;
    case SERVER_STORE: store(run); return true;
    case SERVER_LOGIN: login(run); return true;
    case SERVER_LOGIN_END:
        ASSERT(smtp_server_login(run->smtp).has_succeeded == (smtp_server_user(run->smtp).len > 0));
        return true;
    case SERVER_START_TLS:
        /* Nothing that came in clear text is left to be read inside TLS. */
        ASSERT(!smtp_server_unread(run->smtp).len);
        smtp_server_secured(run->smtp, (int64_t)run->given);
        ASSERT(!smtp_server_transaction(run->smtp) && !smtp_server_helo(run->smtp).len);
        return true;
    case SERVER_NEW_PEER: new_peer(run); return true;
    case SERVER_DROP_BODY:
        buf_clear(&run->text);
        run->data_at = SIZE_MAX;
        return true;
    }
    return false;
}

/* How much a peer sends that waits for the reply to STARTTLS, wherever that stands; the word may
 * have begun in the pieces before. */
static size_t before_reply(const struct run *run, size_t count)
{
    struct bytes line = BYTES_NONE;
    for (size_t at = 0; at < run->wire.len; at += line.len) {
        struct bytes rest = bytes_from(run->wire, at);
        line = bytes_sub(rest, 0, bytes_find(rest, '\n') + 1);
        size_t end = at + line.len;
        if (end <= run->given)
            continue;
        if (end >= run->given + count)
            break;
        for (size_t i = 0; i < line.len; i++)
            if (bytes_starts_nocase(bytes_from(line, i), BYTES("STARTTLS")))
                return end - run->given;
    }
    return count;
}

static void give(struct run *run, size_t count)
{
    if (run->is_waiting)
        count = before_reply(run, count < run->wire.len ? count : run->wire.len);
    struct bytes piece = bytes_sub(run->wire, run->given, count);
    uint8_t *copy = malloc(piece.len ? piece.len : 1);
    ASSERT(copy);
    if (piece.len)
        memcpy(copy, piece.at, piece.len);
    run->given += piece.len;
    run->block = (struct bytes){copy, piece.len};
    smtp_server_input(run->smtp, run->block, (int64_t)run->given, 0);
    while (step(run))
        continue;
    free(copy);
}

/* In pieces of at most `most` bytes; the trace is the caller's. */
static struct buf play(struct bytes wire, const struct smtp_server_settings *settings, uint8_t seed,
                       size_t most)
{
    struct run run = {.wire = wire, .seed = seed, .is_waiting = !(seed & 128), .data_at = SIZE_MAX};
    buf_init(&run.trace, OUTPUT_LIMIT);
    buf_init(&run.text, OUTPUT_LIMIT);
    run.smtp = smtp_server_new(settings, BYTES("192.0.2.1"), 0, 0);
    smtp_server_allow_login(run.smtp, 127);
    if (seed & 64)
        smtp_server_allow_xclient(run.smtp);
    while (step(&run))
        continue;
    for (uint32_t lot = seed; run.given < wire.len;) {
        lot = lot * 1103515245 + 12345;
        give(&run, most == SIZE_MAX ? most : 1 + (lot >> 16) % most);
    }
    smtp_server_hangup(run.smtp);
    while (step(&run))
        continue;
    smtp_server_free(run.smtp);
    buf_done(&run.text);
    return run.trace;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct smtp_server_settings settings = {
        .hostname = BYTES("mx.example.org"),
        .role = (enum smtp_role)(data[0] % 3),
        .size_limit = TEXT_LIMIT,
        .line_limit = 512,
        .text_line_limit = data[0] & 64 ? 100 : 1000,
        .recipient_limit = 5,
        .error_limit = 50,
        .transaction_limit = 20,
        .tls = (enum smtp_server_tls)(data[0] >> 3 & 3),
        .logins = data[0] & 32 ? 127 : 0,
        .hold_limit_ms = data[0] & 128 ? 1000000 : 0,
        .command_timeout_ms = 300000,
        .data_timeout_ms = 300000,
    };
    struct bytes wire = {data + 2, size - 2};
    struct buf whole = play(wire, &settings, data[1], SIZE_MAX);
    struct buf cut = play(wire, &settings, data[1], data[1] % 2 ? 3 : 40);
    ASSERT(data[1] & 128 || bytes_equal(buf_view(&whole), buf_view(&cut)));
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
