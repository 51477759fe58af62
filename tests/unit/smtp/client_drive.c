#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client_drive.h"

enum { START_MS = 1000, STEP_LIMIT = 100000 };

struct run {
    const struct drive *drive;
    struct smtp_client *client;
    struct buf said, *out;
    size_t messages_left, text_at, fed;
    bool is_closed, wants_text, is_holding;
};

static void note_result(struct buf *out, const struct delivery_result *result)
{
    static const char *const outcomes[] = {"delivered", "deferred", "failed"};
    buf_addf(out, "%s %d %s%s%s%s: %.*s\n", outcomes[result->outcome], result->code, result->status,
             result->was_connection ? " connection" : "", result->has_dsn ? " dsn" : "",
             result->has_by ? " by" : "", BYTES_ARGS(result->reply));
}

static void give_text(struct run *run)
{
    const struct drive *drive = run->drive;
    struct bytes text = bytes_from(drive->text, run->text_at);
    if (drive->text_piece)
        text = bytes_sub(text, 0, drive->text_piece);
    run->text_at += text.len;
    /* Views end where an allocation ends. */
    uint8_t *exact = malloc(text.len ? text.len : 1);
    memcpy(exact, text.at, text.len);
    smtp_client_text(run->client, (struct bytes){exact, text.len}, run->text_at == drive->text.len,
                     START_MS);
    free(exact);
}

static void flush(struct run *run)
{
    struct bytes output = smtp_client_output(run->client);
    buf_add(&run->said, output);
    smtp_client_sent(run->client, output.len, START_MS);
}

static void ready(struct run *run)
{
    if (run->messages_left) {
        run->messages_left--;
        run->text_at = 0;
        smtp_client_message(run->client, run->drive->message);
    } else {
        smtp_client_quit(run->client);
    }
}

static void downgrade(struct run *run)
{
    const struct downgrade_goal *goal = smtp_client_goal(run->client);
    buf_addf(run->out, "downgrade to %s%s\n", goal->body == BODY_7BIT ? "7bit" : "8bit",
             goal->has_8bit_fields ? "" : ", ASCII fields");
    if (run->drive->unfit)
        smtp_client_unfit(run->client, bytes_of(run->drive->unfit));
    else
        smtp_client_downgraded(run->client, run->drive->text.len);
}

/* Steps until the machine waits for the server. */
static void run_on(struct run *run)
{
    for (size_t steps = 0; steps < STEP_LIMIT && !run->is_closed; steps++) {
        run->wants_text = false;
        switch (smtp_client_step(run->client)) {
        case CLIENT_WANT_INPUT: flush(run); return;
        case CLIENT_READY: ready(run); break;
        case CLIENT_START_TLS:
            flush(run);
            buf_add(run->out, BYTES("handshake\n"));
            return;
        case CLIENT_WANT_CREDENTIAL:
            if (run->drive->credential)
                smtp_client_credential(run->client, run->drive->credential);
            else
                smtp_client_no_credential(run->client, BYTES("the file is gone"));
            break;
        case CLIENT_WANT_DOWNGRADE: downgrade(run); break;
        case CLIENT_WANT_TEXT:
            flush(run);
            run->wants_text = true;
            if (run->is_holding)
                return;
            give_text(run);
            break;
        case CLIENT_RESULT:
            buf_addf(run->out, "%zu ", smtp_client_result(run->client)->recipient);
            note_result(run->out, smtp_client_result(run->client));
            break;
        case CLIENT_CLOSE: flush(run); run->is_closed = true;
        }
    }
    assert_true(run->is_closed);
}

static void feed_piece(struct run *run, struct bytes piece)
{
    uint8_t *exact = malloc(piece.len ? piece.len : 1);
    memcpy(exact, piece.at, piece.len);
    smtp_client_input(run->client, (struct bytes){exact, piece.len}, START_MS);
    free(exact);
    run_on(run);
}

static void feed(struct run *run, struct bytes words)
{
    size_t cut = run->drive->server_cut;
    if (cut == SIZE_MAX) {
        for (size_t i = 0; i < words.len; i++)
            feed_piece(run, bytes_sub(words, i, 1));
    } else if (cut > run->fed && cut < run->fed + words.len) {
        feed_piece(run, bytes_sub(words, 0, cut - run->fed));
        feed_piece(run, bytes_from(words, cut - run->fed));
    } else {
        feed_piece(run, words);
    }
    run->fed += words.len;
}

static void befall(struct run *run, struct bytes what)
{
    if (bytes_equal(what, BYTES("hangup"))) {
        smtp_client_hangup(run->client, BYTES("the line is dead"));
    } else if (bytes_equal(what, BYTES("expire"))) {
        smtp_client_expire(run->client, smtp_client_deadline(run->client));
    } else if (bytes_equal(what, BYTES("secured"))) {
        smtp_client_secured(run->client, START_MS);
    } else if (bytes_equal(what, BYTES("unsecured"))) {
        smtp_client_unsecured(run->client, BYTES("the certificate has expired"));
    } else {
        assert_true(bytes_equal(what, BYTES("abort")) && run->wants_text);
        smtp_client_abort(run->client, BYTES("the disk is gone"));
    }
    run_on(run);
}

/* All server lines from here to the next of another kind, as they go over the wire. */
static void take_server_lines(struct bytes *transcript, struct buf *out)
{
    while (transcript->len && transcript->at[0] == 'S') {
        struct bytes line;
        bytes_cut(*transcript, '\n', &line, transcript);
        buf_add(out, bytes_from(line, 3));
        if (line.at[1] == ':')
            buf_add(out, BYTES("\r"));
        if (line.at[1] != '_')
            buf_add(out, BYTES("\n"));
    }
}

static void check_said(struct run *run, struct buf *wanted)
{
    buf_add_byte(&run->said, 0);
    buf_add_byte(wanted, 0);
    assert_string_equal((const char *)run->said.at, (const char *)wanted->at);
    buf_clear(&run->said);
    buf_clear(wanted);
}

static void play(struct run *run, struct bytes transcript)
{
    struct buf words;
    buf_init(&words, SIZE_MAX);
    while (transcript.len) {
        struct bytes line;
        if (transcript.at[0] == 'S') {
            take_server_lines(&transcript, &words);
            run->is_holding =
                bytes_starts(transcript, BYTES("X: ")) || bytes_starts(transcript, BYTES("H:"));
            feed(run, buf_view(&words));
            buf_clear(&words);
            continue;
        }
        while (transcript.len && transcript.at[0] == 'C') {
            bytes_cut(transcript, '\n', &line, &transcript);
            buf_add(&words, bytes_from(line, 3));
            if (line.at[1] == ':')
                buf_add(&words, BYTES("\r\n"));
        }
        check_said(run, &words);
        if (transcript.len && transcript.at[0] == 'X') {
            bytes_cut(transcript, '\n', &line, &transcript);
            befall(run, bytes_from(line, 3));
        } else if (transcript.len && transcript.at[0] == 'H') {
            /* The server speaks while the text is being read. */
            bytes_cut(transcript, '\n', &line, &transcript);
        }
    }
    check_said(run, &words);
    buf_done(&words);
}

void drive_transcript(const struct drive *drive, const char *transcript, struct buf *out)
{
    const struct smtp_client_settings settings = {
        .dialect = drive->dialect,
        .tls = drive->tls,
        .is_secure = drive->is_secure,
        .login = drive->login,
        .hostname = BYTES("me.example"),
        .greeting_timeout_ms = 300000,
        .command_timeout_ms = 300000,
        .data_begin_timeout_ms = 120000,
        .data_block_timeout_ms = 180000,
        .data_end_timeout_ms = 600000,
    };
    struct run run = {.drive = drive, .out = out, .messages_left = drive->message_count};
    buf_init(&run.said, SIZE_MAX);
    run.client = smtp_client_new(&settings, START_MS);
    run_on(&run);
    play(&run, bytes_of(transcript));
    static const char *const securities[] = {[CLIENT_IN_CLEAR] = "",
                                             [CLIENT_NOT_OFFERED] = "not offered, ",
                                             [CLIENT_TLS_REFUSED] = "refused, ",
                                             [CLIENT_IN_TLS] = "in TLS, "};
    buf_add(out, bytes_of(securities[smtp_client_security(run.client)]));
    struct delivery_result failure;
    if (!run.is_closed) {
        buf_add(out, BYTES("open\n"));
    } else if (smtp_client_failure(run.client, &failure)) {
        buf_add(out, BYTES("end "));
        note_result(out, &failure);
    } else {
        buf_add(out, BYTES("end\n"));
    }
    buf_add_byte(out, 0);
    smtp_client_free(run.client);
    buf_done(&run.said);
}
