/* The client machine against any server. The first byte chooses dialect, messages and what befalls
 * the connection at the end, the second how the input is cut, whether to log in, and what is done
 * about TLS; the rest is what the server says.
 *
 * Each recipient gets exactly one result whatever comes; what is said is commands of the right
 * form and, in its place, the whole message text; nothing goes in clear where TLS is forced; memory
 * stays bounded. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail/base64.h"
#include "smtp/client.h"

enum { RECIPIENTS = 130, PENDING_LIMIT = 128 * 1024, LINE_LIMIT = 2048, MESSAGES = 3 };

struct run {
    struct smtp_client *client;
    struct smtp_client_message message;
    struct bytes text;
    size_t text_at, piece, messages_left;
    size_t results;
    uint8_t has_result[RECIPIENTS];
    struct buf said;
    size_t checked;            /* of what was said */
    size_t chunk_left;         /* of a BDAT's text */
    bool is_in_data, was_data; /* text is being said; the last command was DATA */
    bool is_over, is_forced, is_secure, logs_in, is_in_login;
};

static struct envelope_recipient recipients[RECIPIENTS];
static size_t places[RECIPIENTS];
static const struct bytes plain_text = BYTES_INIT(".a\r\n..\r\n.\r\n\r\n.b");

static bool is_command(struct bytes line)
{
    static const char *const verbs[] = {"EHLO ",     "HELO ",    "LHLO ", "MAIL FROM:<",
                                        "RCPT TO:<", "DATA",     "BDAT ", "RSET",
                                        "QUIT",      "STARTTLS", "AUTH "};
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] < ' ' || line.at[i] == 0x7F)
            return false;
    for (size_t i = 0; i < COUNT(verbs); i++)
        if (bytes_starts(line, bytes_of(verbs[i])))
            return line.len < LINE_LIMIT;
    return false;
}

static bool is_login_line(struct bytes line)
{
    struct buf value;
    buf_init(&value, LINE_LIMIT);
    bool is_base64 = base64_scan(&value, line, BASE64_PLAIN);
    buf_done(&value);
    return is_base64;
}

static void check_command(struct run *run, struct bytes line)
{
    run->is_in_login |= bytes_starts(line, BYTES("AUTH "));
    ASSERT(run->logs_in || !run->is_in_login);
    if (run->is_in_login && is_login_line(line))
        return;
    ASSERT(is_command(line) || (run->was_data && bytes_equal(line, BYTES("."))));
    ASSERT(!run->is_forced || run->is_secure || !bytes_starts(line, BYTES("MAIL")));
    run->was_data = bytes_equal(line, BYTES("DATA"));
    if (!bytes_starts(line, BYTES("BDAT ")))
        return;
    uint64_t size;
    struct bytes number, rest;
    bytes_cut(bytes_from(line, 5), ' ', &number, &rest);
    ASSERT(scan_u64(number, PENDING_LIMIT, &size));
    ASSERT(!rest.len || bytes_equal(rest, BYTES("LAST")));
    run->chunk_left = (size_t)size;
}

/* Reads what was said so far as a server would. */
static void check_said(struct run *run)
{
    for (;;) {
        struct bytes left = bytes_from(buf_view(&run->said), run->checked);
        if (run->chunk_left) {
            size_t len = left.len < run->chunk_left ? left.len : run->chunk_left;
            run->chunk_left -= len;
            run->checked += len;
            if (run->chunk_left)
                return;
            continue;
        }
        size_t end = left.len ? bytes_search(left, BYTES("\r\n")) : 0;
        if (end == left.len)
            return;
        struct bytes line = bytes_sub(left, 0, end);
        run->checked += end + 2;
        if (!run->is_in_data)
            check_command(run, line);
        else if (bytes_equal(line, BYTES(".")))
            run->is_in_data = false;
        else
            ASSERT(!line.len || line.at[0] != '.' || line.at[1] == '.');
    }
}

static void flush(struct run *run)
{
    struct bytes output = smtp_client_output(run->client);
    ASSERT(output.len < PENDING_LIMIT);
    buf_add(&run->said, output);
    smtp_client_sent(run->client, output.len, 0);
    check_said(run);
}

static void finish_message(struct run *run)
{
    ASSERT(run->results == run->message.recipient_count);
    ASSERT(!run->is_in_data || run->is_over);
}

static void next_message(struct run *run)
{
    ASSERT(run->is_in_login == run->logs_in);
    finish_message(run);
    if (!run->messages_left) {
        smtp_client_quit(run->client);
        return;
    }
    run->messages_left--;
    run->results = 0;
    memset(run->has_result, 0, sizeof run->has_result);
    run->text_at = 0;
    smtp_client_message(run->client, &run->message);
}

static void give_text(struct run *run)
{
    flush(run);
    if (run->was_data) {
        run->is_in_data = true;
        run->was_data = false;
    }
    struct bytes piece = bytes_sub(run->text, run->text_at, run->piece);
    run->text_at += piece.len;
    smtp_client_text(run->client, piece, run->text_at == run->text.len, 0);
}

static void take_result(struct run *run)
{
    const struct delivery_result *result = smtp_client_result(run->client);
    ASSERT(result->recipient < RECIPIENTS && !run->has_result[result->recipient]);
    ASSERT(result->reply.len <= REPLY_LIMIT);
    ASSERT(result->code == 0 || (result->code >= 200 && result->code <= 599));
    ASSERT(result->outcome != DELIVERED || result->code / 100 == 2);
    ASSERT(result->status[0] == (result->outcome == DELIVERED  ? '2'
                                 : result->outcome == DEFERRED ? '4'
                                                               : '5'));
    for (size_t i = 0; i < result->reply.len; i++)
        ASSERT(result->reply.at[i] >= ' ' && result->reply.at[i] != 0x7F);
    run->has_result[result->recipient] = 1;
    run->results++;
}

static void start_tls(struct run *run)
{
    flush(run);
    ASSERT(!run->is_secure);
    run->is_secure = run->message.recipient_count == 2;
    if (run->is_secure)
        smtp_client_secured(run->client, 0);
    else
        smtp_client_unsecured(run->client, BYTES("no"));
}

static void log_in(struct run *run)
{
    const struct sasl_credential credential = {
        .user = BYTES("user"),
        .password = BYTES("pencil"),
        .nonce = BYTES("rOprNGfwEbeRWgbNEkqO"),
        .binding = run->is_secure ? SASL_TLS_EXPORTER : SASL_UNBOUND,
        .binding_data = BYTES("exported"),
    };
    if (run->piece & 1)
        smtp_client_credential(run->client, &credential);
    else
        smtp_client_no_credential(run->client, BYTES("no"));
}

static void run_on(struct run *run)
{
    while (!run->is_over) {
        switch (smtp_client_step(run->client)) {
        case CLIENT_WANT_INPUT: flush(run); return;
        case CLIENT_READY: next_message(run); break;
        case CLIENT_WANT_TEXT: give_text(run); break;
        case CLIENT_START_TLS: start_tls(run); break;
        case CLIENT_WANT_CREDENTIAL: log_in(run); break;
        case CLIENT_WANT_DOWNGRADE:
            ASSERT(smtp_client_goal(run->client));
            if (run->piece & 1)
                smtp_client_downgraded(run->client, run->text.len);
            else
                smtp_client_unfit(run->client, BYTES("it is signed"));
            break;
        case CLIENT_RESULT: take_result(run); break;
        case CLIENT_CLOSE:
            flush(run);
            run->is_over = true;
            finish_message(run);
            break;
        }
    }
}

static void feed(struct run *run, struct bytes input, uint8_t seed)
{
    while (input.len) {
        size_t len = seed ? 1 + input.len * 31 % seed : input.len;
        struct bytes piece = bytes_sub(input, 0, len);
        uint8_t *exact = malloc(piece.len);
        memcpy(exact, piece.at, piece.len);
        smtp_client_input(run->client, (struct bytes){exact, piece.len}, 0);
        free(exact);
        run_on(run);
        input = bytes_from(input, piece.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct smtp_client_settings settings = {
        .dialect = data[0] & 1 ? DIALECT_LMTP : DIALECT_SMTP,
        .tls = (enum smtp_client_tls)((data[1] >> 6) % 3),
        .is_secure = data[1] >> 6 == 3,
        .login = data[1] & 32 ? CLIENT_LOGIN_ANYWHERE : CLIENT_LOGIN_NONE,
        .hostname = BYTES("me.example"),
        .greeting_timeout_ms = 1,
        .command_timeout_ms = 1,
        .data_begin_timeout_ms = 1,
        .data_block_timeout_ms = 1,
        .data_end_timeout_ms = 1,
    };
    for (size_t i = 0; i < RECIPIENTS; i++) {
        recipients[i] = (struct envelope_recipient){BYTES("ann@a.example"), BYTES("rfc822;a@b"),
                                                    NOTIFY_SUCCESS};
        places[i] = i;
    }
    const struct envelope envelope = {.reverse_path = BYTES("me@me.example"),
                                      .envid = BYTES("id"),
                                      .body = data[0] & 2 ? BODY_BINARYMIME : BODY_8BITMIME,
                                      .is_smtputf8 = (data[0] & 4) != 0,
                                      .by_mode = data[0] & 128 ? BY_RETURN : BY_NOTIFY,
                                      .by_trace = true,
                                      .recipients = recipients,
                                      .recipient_count = RECIPIENTS};
    struct run run = {.message = {.envelope = &envelope,
                                  .recipients = places,
                                  .recipient_count = data[0] & 8 ? RECIPIENTS : 2,
                                  .size = data[0] & 16 ? 2 << 20 : 10,
                                  .by_s = 120},
                      .text = plain_text,
                      .piece = data[0] & 32 ? 3 : 100,
                      .messages_left = MESSAGES,
                      .is_forced = settings.tls == CLIENT_TLS_FORCED,
                      .is_secure = settings.is_secure,
                      .logs_in = settings.login != CLIENT_LOGIN_NONE};
    buf_init(&run.said, SIZE_MAX);
    run.client = smtp_client_new(&settings, 0);
    run.results = run.message.recipient_count; /* none is under way */
    run_on(&run);
    feed(&run, (struct bytes){data + 2, size - 2}, data[1] & 31);
    if (data[0] & 64)
        smtp_client_expire(run.client, INT64_MAX - 1);
    else
        smtp_client_hangup(run.client, BYTES("gone"));
    run_on(&run);
    ASSERT(run.is_over);
    smtp_client_free(run.client);
    buf_done(&run.said);
    return 0;
}
