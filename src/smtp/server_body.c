/* DATA and BDAT: the text of a message. */
#include "smtp/server_state.h"

#include "smtp/reply.h"

static const struct smtp_answer too_large = {
    552, BYTES_INIT("5.3.4"),
    BYTES_INIT("Message larger than the SIZE this server offers; send a smaller one")};

static struct bytes verb_of(const struct smtp_server *server)
{
    return server->reading == READING_DATA ? BYTES("DATA") : BYTES("BDAT");
}

static struct smtp_answer fault_answer(enum text_fault fault)
{
    switch (fault) {
    case TEXT_GOOD: break;
    case TEXT_BARE_NEWLINE:
        return (struct smtp_answer){550, BYTES("5.6.11"),
                                    BYTES("CR or LF alone in the message; end each line with CRLF "
                                          "(RFC 5321, 2.3.8)")};
    case TEXT_NUL:
        return (struct smtp_answer){554, BYTES("5.6.0"),
                                    BYTES("NUL byte in the message; encode it (RFC 2045), or use "
                                          "BODY=BINARYMIME")};
    case TEXT_LONG_LINE:
        return (struct smtp_answer){554, BYTES("5.6.0"),
                                    BYTES("Line too long in the message; encode it with shorter "
                                          "lines (RFC 2045)")};
    }
    return (struct smtp_answer){.code = 0};
}

static void fail(struct smtp_server *server, struct smtp_answer failure)
{
    server->failure = failure;
    server_drop(server);
}

static void fault_found(struct smtp_server *server)
{
    if (server->dot.fault == TEXT_BARE_NEWLINE)
        server->peer_flags |= PEER_BARE_NEWLINE;
    fail(server, fault_answer(server->dot.fault));
}

static void text_begin(struct smtp_server *server, enum text_form form)
{
    dot_init(&server->dot, form, server->settings->text_line_limit);
    server->text_size = 0;
    server->text_wire = 0;
    server->text_began_ms = 0;
    server->failure = (struct smtp_answer){.code = 0};
    server->is_driver_failure = false;
}

void server_data(struct smtp_server *server, struct bytes argument)
{
    if (server->transaction->body == BODY_BINARYMIME) {
        server_refuse(server, BYTES("DATA"),
                      (struct smtp_answer){503, BYTES("5.5.1"),
                                           BYTES("BODY=BINARYMIME needs BDAT (RFC 3030); say RSET "
                                                 "and begin anew")});
        return;
    }
    text_begin(server, TEXT_DOTTED);
    server->reading = READING_DATA;
    server->asked = SERVER_BEGIN_BODY;
}

/* size [SP "LAST"] (RFC 3030, 2) */
static bool bdat_scan(struct bytes argument, uint64_t *size, bool *is_last)
{
    struct bytes number, word;
    bytes_cut(argument, ' ', &number, &word);
    word = bytes_trim(word);
    if (word.len && !bytes_equal_nocase(word, BYTES("LAST")))
        return false;
    *is_last = word.len > 0;
    return scan_u64(number, INT64_MAX, size);
}

void server_bdat(struct smtp_server *server, struct bytes argument)
{
    static const struct smtp_answer no_transaction = {
        503, BYTES_INIT("5.5.1"),
        BYTES_INIT("No message is open; begin with MAIL and RCPT, and say RSET before it")};
    static const struct smtp_answer no_recipient = {
        503, BYTES_INIT("5.5.1"), BYTES_INIT("No recipient was accepted; say RSET and begin anew")};
    if (!bdat_scan(argument, &server->chunk_left, &server->chunk_is_last)) {
        server_refuse(
            server, BYTES("BDAT"),
            (struct smtp_answer){501, BYTES("5.5.4"), BYTES("Write BDAT size, or BDAT size LAST")});
        return;
    }
    server->reading = READING_CHUNK;
    bool is_first = !server->in_chunks;
    if (is_first)
        text_begin(server, TEXT_COUNTED);
    server->in_chunks = server->transaction != NULL;
    if (!server->transaction)
        server->failure = no_transaction;
    else if (!server->transaction->recipient_count)
        server->failure = no_recipient;
    else if (!server->failure.code &&
             server->chunk_left > server->settings->size_limit - server->text_size)
        fail(server, too_large);
    else if (is_first)
        server->asked = SERVER_BEGIN_BODY;
}

void server_begin_answered(struct smtp_server *server, const struct smtp_answer *answer)
{
    if (answer->code / 100 == 2) {
        server->has_begun = true;
        if (server->reading == READING_DATA)
            reply_add(&server->output, 354, BYTES_NONE,
                      BYTES("Send the message; end it with CRLF.CRLF"));
        return;
    }
    if (server->reading == READING_DATA) {
        reply_add(&server->output, answer->code, answer->status, answer->text);
        server_reset(server);
        return;
    }
    /* The chunk is on its way already: swallow it, then say so. */
    server->is_driver_failure = true;
    server->failure = (struct smtp_answer){answer->code, BYTES_NONE, BYTES_NONE};
    if (!arena_copy(server->arena, answer->status, &server->failure.status) ||
        !arena_copy(server->arena, answer->text, &server->failure.text))
        server->failure.status = BYTES("4.3.1");
}

static void failure_reply(struct smtp_server *server, size_t count)
{
    if (!server->is_driver_failure) {
        server_refuse_all(server, verb_of(server), server->failure, count);
        return;
    }
    /* The driver's own answer is no news to it, and its text goes with the transaction. */
    for (size_t i = 0; i < count; i++)
        reply_add(&server->output, server->failure.code, server->failure.status,
                  server->failure.text);
    if (server->failure.code == 421)
        server_end(server);
}

/* The text is complete: to the driver with it, or the reply that says what was wrong. In LMTP
 * each recipient has a reply of its own (RFC 2033, 4.2). */
static void text_complete(struct smtp_server *server)
{
    bool is_lmtp = server->settings->role == ROLE_LMTP;
    size_t recipients = server->transaction ? server->transaction->recipient_count : 0;
    if (server->failure.code) {
        failure_reply(server, is_lmtp && recipients ? recipients : 1);
        server_reset(server);
        return;
    }
    ASSERT(server->transaction);
    /* What the text is, whatever BODY= said: many send 8-bit text undeclared, and text that was
     * declared without need would not get to a next hop that lacks 8BITMIME. */
    if (server->transaction->body != BODY_BINARYMIME)
        server->transaction->body = server->dot.has_8bit ? BODY_8BITMIME : BODY_7BIT;
    server->has_begun = false;
    server->stores_left = is_lmtp ? recipients : 1;
    server->asked = SERVER_STORE;
}

void server_store_answered(struct smtp_server *server, const struct smtp_answer *answer)
{
    reply_add(&server->output, answer->code, answer->status, answer->text);
    server->stores_left--;
    if (answer->code / 100 == 2)
        server->errors = 0; /* long sessions that deliver are not to end by old slips */
    if (server->stores_left)
        server->asked = SERVER_STORE;
    else
        server_reset(server);
}

static void chunk_complete(struct smtp_server *server)
{
    if (server->chunk_is_last) {
        if (!server->failure.code && server->transaction->body != BODY_BINARYMIME &&
            !dot_finish(&server->dot))
            fault_found(server);
        text_complete(server);
        return;
    }
    if (server->failure.code)
        failure_reply(server, 1);
    else
        server_reply(server, 250, "2.0.0", "Chunk taken");
    server->reading = READING_LINES;
    server->active_ms = server->now_ms;
    if (!server->transaction)
        server->failure = (struct smtp_answer){.code = 0};
}

/* A run of text goes to the driver, unless the message has grown too large by it. */
static enum progress text_take(struct smtp_server *server, struct bytes text)
{
    if (text.len > server->settings->size_limit - server->text_size) {
        fail(server, too_large);
        return PROGRESS;
    }
    server->text_size += text.len;
    server->chunk = text;
    return PROGRESS_TEXT;
}

static void text_consume(struct smtp_server *server, size_t count)
{
    server->input = bytes_from(server->input, count);
    server->text_wire += count;
    if (!server->text_began_ms)
        server->text_began_ms = server->now_ms;
}

static enum progress read_data(struct smtp_server *server)
{
    /* Not further than to the byte that is too many, so that which fault of several is named
     * does not depend on how the input was cut. */
    uint64_t room = server->settings->size_limit - server->text_size;
    struct bytes front = server->input, text;
    if (!server->failure.code && front.len > room)
        front.len = (size_t)room + 1;
    size_t before = front.len;
    enum dot_event event = dot_next(&server->dot, &front, &text);
    text_consume(server, before - front.len);
    switch (event) {
    case DOT_MORE: return server->input.len ? PROGRESS : PROGRESS_NONE;
    case DOT_TEXT: return server->failure.code ? PROGRESS : text_take(server, text);
    case DOT_FAULT:
        if (!server->failure.code)
            fault_found(server);
        return PROGRESS;
    case DOT_END: text_complete(server); return PROGRESS;
    }
    return PROGRESS;
}

static enum progress read_chunk(struct smtp_server *server)
{
    if (!server->chunk_left) {
        chunk_complete(server);
        return PROGRESS;
    }
    if (!server->input.len)
        return PROGRESS_NONE;
    size_t count = server->input.len;
    if (count > server->chunk_left)
        count = (size_t)server->chunk_left;
    struct bytes piece = bytes_sub(server->input, 0, count), text = piece;
    text_consume(server, count);
    server->chunk_left -= count;
    if (server->failure.code)
        return PROGRESS;
    if (server->transaction->body != BODY_BINARYMIME &&
        dot_next(&server->dot, &piece, &text) == DOT_FAULT) {
        fault_found(server);
        return PROGRESS;
    }
    return text_take(server, text);
}

enum progress server_read_text(struct smtp_server *server)
{
    return server->reading == READING_DATA ? read_data(server) : read_chunk(server);
}
