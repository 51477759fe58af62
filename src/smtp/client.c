#include "smtp/client_state.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#include "base/memory.h"

enum {
    /* Replies unread: more than a full pipeline's, were each of them of many lines. */
    INPUT_LIMIT = 256 * 1024,
    /* A buffer that grew larger is not kept between two runs of text. */
    OUTPUT_KEPT = 64 * 1024,
    /* The server has nothing to do for QUIT, and nothing depends on its reply; but while it is
     * awaited, the connection takes a place that another could have. The same holds for what a
     * server may say after 421. */
    QUIT_TIMEOUT_MS = 5 * 1000,
};

struct smtp_client *smtp_client_new(const struct smtp_client_settings *settings, int64_t now_ms)
{
    struct bytes hostname = settings->hostname;
    struct smtp_client *client = memory_new(1, sizeof *client + hostname.len);
    client->settings = *settings;
    client->settings.hostname = (struct bytes){client->hostname, hostname.len};
    if (hostname.len)
        memcpy(client->hostname, hostname.at, hostname.len);
    client->stage = STAGE_GREETING;
    client->awaited = 1;
    client->progress_ms = now_ms;
    client->security = settings->is_secure ? CLIENT_IN_TLS : CLIENT_IN_CLEAR;
    extensions_init(&client->extensions);
    reply_scan_begin(&client->scan);
    buf_init(&client->input, INPUT_LIMIT);
    /* What is handed in between two flushes is the driver's to bound. */
    buf_init(&client->output, SIZE_MAX);
    buf_init(&client->lost_reason, REPLY_LIMIT);
    buf_init(&client->farewell_text, REPLY_LIMIT);
    return client;
}

void smtp_client_free(struct smtp_client *client)
{
    if (!client)
        return;
    buf_done(&client->input);
    buf_done(&client->output);
    buf_done(&client->lost_reason);
    buf_done(&client->farewell_text);
    client_login_end(client);
    free(client->transfer);
    free(client);
}

/* --- Bytes ------------------------------------------------------------------------------------ */

static struct bytes unread(const struct smtp_client *client)
{
    return bytes_from(buf_view(&client->input), client->input_at);
}

static void buffers_trim(struct smtp_client *client)
{
    if (client->input_at == client->input.len && !client->input.overflowed) {
        buf_free(&client->input);
        client->input_at = 0;
    }
    if (client->output_at == client->output.len) {
        bool is_small = client->stage == STAGE_TEXT && client->output.cap <= OUTPUT_KEPT;
        /* It may have held a password. */
        if (client->stage == STAGE_AUTH)
            OPENSSL_cleanse(client->output.at, client->output.cap);
        if (is_small)
            buf_clear(&client->output);
        else
            buf_free(&client->output);
        client->output_at = 0;
    }
}

/* Time passed: now_ms is the first that is known since the session's last rest. */
static void clock_go(struct smtp_client *client, int64_t now_ms)
{
    if (client->clock_stands)
        client->progress_ms = now_ms;
    client->clock_stands = false;
}

void smtp_client_input(struct smtp_client *client, struct bytes input, int64_t now_ms)
{
    if (client->stage == STAGE_CLOSED || !input.len)
        return;
    clock_go(client, now_ms);
    /* Only lines are progress: a server that hands out bytes one by one is as silent as another. */
    if (bytes_find(input, '\n') < input.len)
        client->progress_ms = now_ms;
    buf_drop(&client->input, client->input_at);
    client->input_at = 0;
    buf_add(&client->input, input);
    client->was_heard = true;
}

struct bytes smtp_client_output(const struct smtp_client *client)
{
    return bytes_from(buf_view(&client->output), client->output_at);
}

void smtp_client_sent(struct smtp_client *client, size_t count, int64_t now_ms)
{
    ASSERT(count <= client->output.len - client->output_at);
    clock_go(client, now_ms);
    if (!count)
        return;
    client->progress_ms = now_ms;
    client->output_at += count;
    buffers_trim(client);
}

/* --- Time ------------------------------------------------------------------------------------- */

static int64_t timeout_ms(const struct smtp_client *client)
{
    const struct smtp_client_settings *settings = &client->settings;
    bool is_sending = client->output.len > client->output_at;
    if (client->is_leaving)
        return QUIT_TIMEOUT_MS;
    switch (client->stage) {
    case STAGE_GREETING: return settings->greeting_timeout_ms;
    case STAGE_EHLO:
    case STAGE_HELO:
    case STAGE_STARTTLS:
    case STAGE_HANDSHAKE:
    case STAGE_AUTH: return settings->command_timeout_ms;
    case STAGE_ENVELOPE:
        return client->transfer->is_data_asked && client->awaited == 1
                   ? settings->data_begin_timeout_ms
                   : settings->command_timeout_ms;
    case STAGE_TEXT: return settings->data_block_timeout_ms;
    case STAGE_CHUNKS:
    case STAGE_END:
    case STAGE_EMPTY:
        return is_sending || !client->awaited ? settings->data_block_timeout_ms
                                              : settings->data_end_timeout_ms;
    case STAGE_QUIT: return QUIT_TIMEOUT_MS;
    case STAGE_CREDENTIAL:
    case STAGE_READY:
    case STAGE_DOWNGRADE:
    case STAGE_CLOSED: return INT64_MAX;
    }
    return INT64_MAX;
}

int64_t smtp_client_deadline(const struct smtp_client *client)
{
    int64_t timeout = timeout_ms(client);
    return timeout > INT64_MAX - client->progress_ms ? INT64_MAX : client->progress_ms + timeout;
}

void smtp_client_expire(struct smtp_client *client, int64_t now_ms)
{
    clock_go(client, now_ms);
    if (now_ms < smtp_client_deadline(client))
        return;
    if (client->stage == STAGE_QUIT) {
        client->stage = STAGE_CLOSED;
        return;
    }
    if (client->is_leaving) {
        client_end(client, &client->farewell);
        return;
    }
    struct buf text;
    buf_init(&text, REPLY_LIMIT);
    buf_addf(&text, "timed out %s", client_deed(client));
    client_break(client, "4.4.2", buf_view(&text));
    buf_done(&text);
}

void smtp_client_hangup(struct smtp_client *client, struct bytes reason)
{
    if (client->stage == STAGE_CLOSED || client->is_lost)
        return;
    client->is_lost = true;
    buf_add(&client->lost_reason, bytes_sub(reason, 0, REPLY_LIMIT));
}

/* --- Steps ------------------------------------------------------------------------------------ */

static void lose(struct smtp_client *client)
{
    if (client->stage == STAGE_QUIT) {
        client->stage = STAGE_CLOSED;
        return;
    }
    if (client->is_leaving) {
        client_end(client, &client->farewell);
        return;
    }
    struct buf text;
    buf_init(&text, 2 * REPLY_LIMIT);
    buf_add(&text, buf_view(&client->lost_reason));
    buf_addf(&text, " (%s)", client_deed(client));
    client_break(client, client->was_heard ? "4.4.2" : "4.4.1", buf_view(&text));
    buf_done(&text);
}

/* A whole reply has been read. */
static void reply_heard(struct smtp_client *client)
{
    bool is_farewell = client->scan.code == 421 && client->stage != STAGE_QUIT;
    if (is_farewell && !client_text_has_others(client)) {
        struct delivery_result verdict = client_judge(client, AT_SESSION);
        buf_free(&client->output);
        client->output_at = 0;
        client_end(client, &verdict);
        return;
    }
    switch (client->stage) {
    case STAGE_GREETING:
    case STAGE_EHLO:
    case STAGE_HELO:
    case STAGE_STARTTLS:
    case STAGE_QUIT: client_session_reply(client); return;
    case STAGE_AUTH: client_login_reply(client); return;
    case STAGE_ENVELOPE: client_mail_reply(client); return;
    case STAGE_TEXT:
    case STAGE_CHUNKS:
    case STAGE_END:
    case STAGE_EMPTY: client_text_reply(client); return;
    case STAGE_HANDSHAKE:
    case STAGE_CREDENTIAL:
    case STAGE_READY:
    case STAGE_DOWNGRADE:
    case STAGE_CLOSED: return; /* nothing is awaited */
    }
}

static enum reply_scan_event scan_line(struct smtp_client *client)
{
    struct bytes rest = unread(client), words;
    enum reply_scan_event event = reply_scan_next(&client->scan, &rest, &words);
    bool is_line = event == SCAN_LINE || event == SCAN_REPLY;
    if (is_line && client->stage == STAGE_EHLO && client->scan.code < 300 &&
        client->scan.line_count > 1)
        extensions_add(&client->extensions, words);
    if (event == SCAN_REPLY && client->stage == STAGE_AUTH) {
        buf_clear(&client->challenge);
        buf_add(&client->challenge, words);
    }
    client->input_at = client->input.len - rest.len;
    return event;
}

/* Reads one reply; false when it is not here yet. */
static bool hear(struct smtp_client *client)
{
    for (;;) {
        switch (scan_line(client)) {
        case SCAN_MORE:
            if (!client->input.overflowed)
                return false;
            client_breach(client, "more replies than commands", BYTES_NONE);
            return true;
        case SCAN_LINE: continue;
        case SCAN_REPLY: reply_heard(client); return true;
        case SCAN_BAD:
            if (client->stage == STAGE_QUIT)
                client->stage = STAGE_CLOSED;
            else
                client_breach(client, client->scan.fault, unread(client));
            return true;
        }
    }
}

/* The server speaks, and nothing was asked: it says goodbye, or somebody put words into the
 * connection that are to pass for replies, in TLS perhaps (the client's side of CVE-2011-0411). */
static void hear_unasked(struct smtp_client *client)
{
    struct bytes words, heard = unread(client), rest = heard;
    enum reply_scan_event event;
    if (client->stage == STAGE_HANDSHAKE) {
        client_breach(client, "it speaks in clear behind its reply to STARTTLS", heard);
        return;
    }
    reply_scan_begin(&client->scan);
    do {
        event = reply_scan_next(&client->scan, &rest, &words);
    } while (event == SCAN_LINE);
    if (event == SCAN_REPLY && client->scan.code == 421)
        reply_heard(client);
    else
        client_breach(client, "it speaks unasked", heard);
}

/* Is there nothing left to do for the message? */
static bool is_over(const struct smtp_client *client)
{
    if (client->awaited)
        return false;
    switch (client->stage) {
    case STAGE_ENVELOPE:
    case STAGE_CHUNKS: return !client->transfer->open;
    case STAGE_END:
    case STAGE_EMPTY: return true;
    case STAGE_GREETING:
    case STAGE_EHLO:
    case STAGE_HELO:
    case STAGE_STARTTLS:
    case STAGE_HANDSHAKE:
    case STAGE_CREDENTIAL:
    case STAGE_AUTH:
    case STAGE_READY:
    case STAGE_DOWNGRADE:
    case STAGE_TEXT:
    case STAGE_QUIT:
    case STAGE_CLOSED: return false;
    }
    return false;
}

static void ask(struct smtp_client *client)
{
    if (client->stage == STAGE_ENVELOPE)
        client_mail_ask(client);
    else if (!client->awaited)
        client_session_ask(client);
}

static void transfer_drop(struct smtp_client *client)
{
    if (client->transfer)
        client->is_reset_due |= client->transfer->is_kept;
    free(client->transfer);
    client->transfer = NULL;
}

enum smtp_client_effect smtp_client_step(struct smtp_client *client)
{
    for (;;) {
        if (client_next_result(client))
            return CLIENT_RESULT;
        if (client->stage == STAGE_CLOSED) {
            transfer_drop(client);
            return CLIENT_CLOSE;
        }
        if (is_over(client) && client->is_leaving) {
            client_end(client, &client->farewell);
            continue;
        }
        if (is_over(client)) {
            client->stage = STAGE_READY;
            transfer_drop(client);
        }
        if (!client->awaited && client->stage != STAGE_TEXT && unread(client).len) {
            hear_unasked(client);
            continue;
        }
        if (!client->is_lost)
            ask(client);
        if (client->has_result || hear(client))
            continue;
        buffers_trim(client);
        if (client->is_lost)
            lose(client);
        else if (client->stage == STAGE_HANDSHAKE)
            return CLIENT_START_TLS;
        else if (client->stage == STAGE_CREDENTIAL)
            return CLIENT_WANT_CREDENTIAL;
        else if (client->stage == STAGE_DOWNGRADE)
            return CLIENT_WANT_DOWNGRADE;
        else if (client_text_is_wanted(client))
            return CLIENT_WANT_TEXT;
        else
            return client->stage == STAGE_READY ? CLIENT_READY : CLIENT_WANT_INPUT;
    }
}

/* --- The driver's words ------------------------------------------------------------------------
 */

void smtp_client_secured(struct smtp_client *client, int64_t now_ms)
{
    ASSERT(client->stage == STAGE_HANDSHAKE);
    extensions_init(&client->extensions);
    client->security = CLIENT_IN_TLS;
    client->stage = STAGE_EHLO;
    client->progress_ms = now_ms;
}

void smtp_client_unsecured(struct smtp_client *client, struct bytes reason)
{
    ASSERT(client->stage == STAGE_HANDSHAKE);
    client_break(client, "4.7.5", reason);
}

void smtp_client_quit(struct smtp_client *client)
{
    ASSERT(client->stage == STAGE_READY);
    buf_add(&client->output, BYTES("QUIT\r\n"));
    client->stage = STAGE_QUIT;
    client->awaited = 1;
    client->clock_stands = true;
}

const struct delivery_result *smtp_client_result(const struct smtp_client *client)
{
    return &client->result;
}

bool smtp_client_failure(const struct smtp_client *client, struct delivery_result *out)
{
    if (client->has_failed)
        *out = client->failure;
    return client->has_failed;
}

enum client_security smtp_client_security(const struct smtp_client *client)
{
    return client->security;
}

size_t smtp_client_messages(const struct smtp_client *client)
{
    return client->messages;
}

size_t smtp_client_mail_max(const struct smtp_client *client)
{
    return client->extensions.mail_max;
}

size_t smtp_client_recipient_max(const struct smtp_client *client)
{
    return client->extensions.rcpt_max;
}
