/* The client machine and the server machine talk to each other, under seeds: what arrives is
 * what was sent, byte for byte, and each recipient's result is what the server decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/client.h"
#include "smtp/server.h"

enum { SEEDS = 500, RECIPIENTS_MAX = 250, TEXT_MAX = 3000, TURNS_MAX = 200000 };

struct couple {
    uint64_t random;
    enum smtp_role role;
    struct smtp_client *client;
    struct smtp_server *server;
    struct buf to_server, to_client; /* on the way */
    bool server_is_closed, client_is_closed;

    struct envelope envelope;
    struct smtp_client_message message;
    struct buf text;    /* sent */
    struct buf arrived; /* of the message under way */
    size_t text_at, messages_left, asked_to_store;
    int rcpt_codes[RECIPIENTS_MAX], store_codes[RECIPIENTS_MAX];
    bool has_result[RECIPIENTS_MAX];
    size_t results, stored;
};

static uint32_t roll(struct couple *couple, uint32_t sides)
{
    couple->random = couple->random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(couple->random >> 33) % sides;
}

static int roll_code(struct couple *couple)
{
    static const int codes[] = {250, 250, 250, 250, 250, 250, 550, 450};
    return codes[roll(couple, COUNT(codes))];
}

/* Lines with CRLF ends and many dots; under BINARYMIME, anything. */
static void make_text(struct couple *couple)
{
    static const char pieces[][8] = {".",         "..", "\r\n",  "\r\n.",
                                     "\r\n.\r\n", "a",  "text ", "\xC3\xA5"};
    bool is_binary = couple->envelope.body == BODY_BINARYMIME;
    size_t len = roll(couple, TEXT_MAX);
    buf_clear(&couple->text);
    while (couple->text.len < len) {
        if (is_binary)
            buf_add_byte(&couple->text, (uint8_t)roll(couple, 256));
        else
            buf_add(&couple->text, bytes_of(pieces[roll(couple, COUNT(pieces))]));
    }
    if (!is_binary)
        buf_add(&couple->text, BYTES("\r\n"));
}

static void next_message(struct couple *couple)
{
    struct envelope *envelope = &couple->envelope;
    if (!couple->messages_left) {
        smtp_client_quit(couple->client);
        return;
    }
    couple->messages_left--;
    envelope->body = (enum body_type)roll(couple, 3);
    make_text(couple);
    couple->message.recipient_count =
        1 + roll(couple, roll(couple, 4) ? 5 : (uint32_t)envelope->recipient_count);
    /* What it says of its size decides between DATA and BDAT. */
    couple->message.size = roll(couple, 2) ? couple->text.len : 2 * 1024 * 1024;
    couple->message.has_8bit = !bytes_is_ascii(buf_view(&couple->text));
    couple->text_at = 0;
    couple->results = 0;
    memset(couple->has_result, 0, sizeof couple->has_result);
    for (size_t i = 0; i < couple->message.recipient_count; i++) {
        couple->rcpt_codes[i] = roll_code(couple);
        couple->store_codes[i] = roll_code(couple);
        if (couple->role != ROLE_LMTP)
            couple->store_codes[i] = couple->store_codes[0];
    }
    smtp_client_message(couple->client, &couple->message);
}

static void take_result(struct couple *couple)
{
    const struct delivery_result *result = smtp_client_result(couple->client);
    size_t at = result->recipient;
    assert_true(at < couple->message.recipient_count && !couple->has_result[at]);
    couple->has_result[at] = true;
    couple->results++;
    int code = couple->rcpt_codes[at] == 250 ? couple->store_codes[at] : couple->rcpt_codes[at];
    assert_int_equal(result->code, code);
    assert_int_equal(result->outcome, code == 250 ? DELIVERED : code == 450 ? DEFERRED : FAILED);
}

static void give_text(struct couple *couple)
{
    size_t left = couple->text.len - couple->text_at;
    size_t len = roll(couple, 3) ? roll(couple, (uint32_t)left + 1) : left;
    smtp_client_text(couple->client, bytes_sub(buf_view(&couple->text), couple->text_at, len),
                     len == left, 0);
    couple->text_at += len;
}

static void flush_client(struct couple *couple)
{
    struct bytes output = smtp_client_output(couple->client);
    size_t count = roll(couple, (uint32_t)output.len + 1);
    if (!roll(couple, 3))
        count = output.len;
    buf_add(&couple->to_server, bytes_sub(output, 0, count));
    smtp_client_sent(couple->client, count, 0);
}

static void run_client(struct couple *couple)
{
    for (;;) {
        switch (smtp_client_step(couple->client)) {
        case CLIENT_WANT_INPUT: flush_client(couple); return;
        case CLIENT_READY:
            assert_int_equal(couple->results, couple->message.recipient_count);
            next_message(couple);
            continue;
        case CLIENT_WANT_TEXT:
            give_text(couple);
            flush_client(couple);
            if (roll(couple, 2))
                return;
            continue;
        case CLIENT_START_TLS: fail_msg("TLS is not asked for"); continue;
        case CLIENT_WANT_CREDENTIAL: fail_msg("no login is asked for"); continue;
        case CLIENT_WANT_DOWNGRADE: fail_msg("the server takes anything"); continue;
        case CLIENT_RESULT: take_result(couple); continue;
        case CLIENT_CLOSE: couple->client_is_closed = true; return;
        }
    }
}

static void answer(struct couple *couple, int code)
{
    struct smtp_answer answer = {code, BYTES("2.0.0"), BYTES("so be it")};
    if (code != 250)
        answer.status = code == 450 ? BYTES("4.2.0") : BYTES("5.1.1");
    smtp_server_answer(couple->server, &answer);
}

/* The addresses are "N@a.example". */
static size_t recipient_number(struct bytes address)
{
    uint64_t number;
    struct bytes digits, rest;
    bytes_cut(address, '@', &digits, &rest);
    assert_true(scan_u64(digits, RECIPIENTS_MAX - 1, &number));
    return (size_t)number;
}

static void store(struct couple *couple)
{
    const struct envelope *transaction = smtp_server_transaction(couple->server);
    const struct envelope_recipient *recipient = &transaction->recipients[couple->asked_to_store];
    assert_int_equal(couple->arrived.len, couple->text.len);
    if (couple->text.len)
        assert_memory_equal(couple->arrived.at, couple->text.at, couple->text.len);
    size_t number = recipient_number(recipient->address);
    assert_int_equal(couple->rcpt_codes[number], 250);
    bool is_last =
        couple->role != ROLE_LMTP || ++couple->asked_to_store == transaction->recipient_count;
    if (is_last) {
        couple->asked_to_store = 0;
        buf_clear(&couple->arrived);
        couple->stored++;
    }
    answer(couple, couple->store_codes[number]);
}

static void run_server(struct couple *couple)
{
    for (;;) {
        switch (smtp_server_step(couple->server)) {
        case SERVER_WANT_INPUT: return;
        case SERVER_FLUSH:
        case SERVER_CLOSE: {
            struct bytes output = smtp_server_output(couple->server);
            couple->server_is_closed = !output.len;
            buf_add(&couple->to_client, output);
            smtp_server_sent(couple->server, output.len);
            if (couple->server_is_closed)
                return;
            continue;
        }
        case SERVER_CHECK_MAIL:
        case SERVER_BEGIN_BODY: answer(couple, 250); continue;
        case SERVER_CHECK_RCPT:
            answer(couple, couple->rcpt_codes[recipient_number(
                               smtp_server_recipient(couple->server)->address)]);
            continue;
        case SERVER_BODY: buf_add(&couple->arrived, smtp_server_chunk(couple->server)); continue;
        case SERVER_STORE: store(couple); continue;
        case SERVER_START_TLS: fail(); continue;
        case SERVER_NEW_PEER: fail(); continue;
        case SERVER_DROP_BODY: buf_clear(&couple->arrived); continue;
        case SERVER_LOGIN:
        case SERVER_LOGIN_END: continue; /* AUTH is not offered */
        }
    }
}

/* A part of what is on the way arrives, at the end of a block of its own. */
static uint8_t *take_some(struct couple *couple, struct buf *way, struct bytes *out)
{
    size_t len = roll(couple, 4) ? 1 + roll(couple, (uint32_t)way->len) : way->len;
    uint8_t *block = malloc(len);
    memcpy(block, way->at, len);
    buf_drop(way, len);
    *out = (struct bytes){block, len};
    return block;
}

static void turn(struct couple *couple)
{
    struct bytes some;
    if (couple->to_server.len && !couple->server_is_closed) {
        uint8_t *block = take_some(couple, &couple->to_server, &some);
        smtp_server_input(couple->server, some, 0, 0);
        run_server(couple);
        free(block);
    }
    struct bytes output = smtp_server_output(couple->server);
    buf_add(&couple->to_client, output);
    smtp_server_sent(couple->server, output.len);
    if (couple->to_client.len) {
        uint8_t *block = take_some(couple, &couple->to_client, &some);
        smtp_client_input(couple->client, some, 0);
        free(block);
    }
    run_client(couple);
}

static const struct smtp_server_settings server_settings = {
    .hostname = BYTES_INIT("mx.example"),
    .role = ROLE_MX,
    .size_limit = 50 << 20,
    .line_limit = 4096,
    .recipient_limit = 1000,
    .error_limit = 1000000,
    .command_timeout_ms = 300000,
    .data_timeout_ms = 300000,
};
static const struct smtp_client_settings client_settings = {
    .dialect = DIALECT_SMTP,
    .hostname = BYTES_INIT("me.example"),
    .greeting_timeout_ms = 1000,
    .command_timeout_ms = 1000,
    .data_begin_timeout_ms = 1000,
    .data_block_timeout_ms = 1000,
    .data_end_timeout_ms = 1000,
};

static void envelope_fill(struct couple *couple)
{
    static struct envelope_recipient recipients[RECIPIENTS_MAX];
    static size_t indexes[RECIPIENTS_MAX];
    static char addresses[RECIPIENTS_MAX][16];
    for (size_t i = 0; i < RECIPIENTS_MAX; i++) {
        snprintf(addresses[i], sizeof addresses[i], "%zu@a.example", i);
        recipients[i].address = bytes_of(addresses[i]);
        indexes[i] = i;
    }
    couple->envelope = (struct envelope){.reverse_path = BYTES("me@me.example"),
                                         .recipients = recipients,
                                         .recipient_count = RECIPIENTS_MAX};
    couple->message =
        (struct smtp_client_message){.envelope = &couple->envelope, .recipients = indexes};
}

/* Gives how many messages were stored. */
static size_t couple_run(uint64_t seed, enum smtp_role role)
{
    struct smtp_server_settings its = server_settings;
    struct smtp_client_settings ours = client_settings;
    struct couple couple = {.random = seed, .role = role, .messages_left = 4};
    struct buf *const bufs[] = {&couple.to_server, &couple.to_client, &couple.text,
                                &couple.arrived};
    for (size_t i = 0; i < COUNT(bufs); i++)
        buf_init(bufs[i], SIZE_MAX);
    envelope_fill(&couple);
    its.role = role;
    ours.dialect = role == ROLE_LMTP ? DIALECT_LMTP : DIALECT_SMTP;
    couple.server = smtp_server_new(&its, BYTES("192.0.2.1"), 0, 0);
    couple.client = smtp_client_new(&ours, 0);
    run_server(&couple);
    for (size_t turns = 0; !couple.client_is_closed; turns++) {
        assert_true(turns < TURNS_MAX);
        turn(&couple);
    }
    struct delivery_result failure;
    assert_false(smtp_client_failure(couple.client, &failure));
    assert_int_equal(smtp_client_messages(couple.client), 4);
    smtp_client_free(couple.client);
    smtp_server_free(couple.server);
    for (size_t i = 0; i < COUNT(bufs); i++)
        buf_done(bufs[i]);
    return couple.stored;
}

static void run_seeds(enum smtp_role role)
{
    size_t stored = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        stored += couple_run(seed, role);
    assert_true(stored > 2 * SEEDS);
}

static void test_smtp(void **state)
{
    run_seeds(ROLE_MX);
}

static void test_lmtp(void **state)
{
    run_seeds(ROLE_LMTP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smtp),
        cmocka_unit_test(test_lmtp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
