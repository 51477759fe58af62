#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { COMMANDS = LETTER_RECIPIENTS + 6, OUTPUT_LIMIT = 4 << 20, LINE_LIMIT = 2048 };
static const int64_t PATIENCE_MS = 30 * 60000;

/* What a reply is an answer to, in order. */
enum word { WORD_GREETING, WORD_EHLO, WORD_MAIL, WORD_RCPT, WORD_DATA, WORD_TEXT, WORD_QUIT };

struct client {
    struct list link;
    struct loop *loop;
    struct client_plan plan;
    char place[64];
    struct stream *stream;
    struct timer timer;
    struct buf output, line;
    enum word words[COMMANDS];
    size_t word_count, said, heard; /* words[heard] is answered next; said: handed to output */
    size_t rcpt_said, rcpt_heard, rcpt_taken;
};

static void client_end(struct client *client)
{
    timer_clear(&client->timer);
    if (client->stream)
        stream_close(client->stream);
    buf_done(&client->output);
    buf_done(&client->line);
    list_remove(&client->link);
    free(client);
}

static void say(struct client *client)
{
    const struct letter *letter = client->plan.letter;
    size_t i;
    switch (client->words[client->said++]) {
    case WORD_GREETING: return;
    case WORD_EHLO: buf_add(&client->output, BYTES("EHLO client.example\r\n")); return;
    case WORD_MAIL:
        buf_addf(&client->output, "MAIL FROM:<%s>%s\r\n", letter->sender.address,
                 client->plan.mail_options);
        return;
    case WORD_RCPT:
        i = client->rcpt_said++;
        buf_addf(&client->output, "RCPT TO:<%s>%s\r\n", letter->recipients[i].party.address,
                 client->plan.rcpt_options[i]);
        return;
    case WORD_DATA: buf_add(&client->output, BYTES("DATA\r\n")); return;
    /* No line of a letter begins with a dot. */
    case WORD_TEXT:
        buf_add(&client->output, buf_view(&letter->text));
        buf_add(&client->output, BYTES(".\r\n"));
        client->plan.letter->state = LETTER_SENT;
        client->plan.letter->sent_ms = loop_now_ms(client->loop);
        return;
    case WORD_QUIT: buf_add(&client->output, BYTES("QUIT\r\n")); return;
    }
}

static void flush(struct client *client)
{
    buf_drop(&client->output, stream_send(client->stream, buf_view(&client->output)));
}

/* May the next word be said before the earlier ones are answered (RFC 2920, 3.1)? */
static bool may_say(const struct client *client)
{
    if (client->said == client->word_count)
        return false;
    enum word next = client->words[client->said];
    if (client->said == client->heard)
        return true;
    return client->plan.is_pipelined && client->heard > WORD_EHLO && next <= WORD_DATA;
}

static void text_answered(struct client *client, int code)
{
    struct letter *letter = client->plan.letter;
    letter->state = code < 300 ? LETTER_ACCEPTED : code < 500 ? LETTER_DEFERRED : LETTER_REFUSED;
}

/* True: go on. */
static bool answered(struct client *client, int code)
{
    enum word word = client->words[client->heard++];
    bool is_good = code < 400;
    switch (word) {
    case WORD_RCPT:
        client->plan.letter->recipients[client->rcpt_heard++].is_accepted = is_good;
        client->rcpt_taken += is_good;
        return client->rcpt_heard < client->plan.letter->recipient_count || client->rcpt_taken;
    case WORD_TEXT: text_answered(client, code); return true;
    case WORD_QUIT: return false;
    case WORD_GREETING:
    case WORD_EHLO:
    case WORD_MAIL:
    case WORD_DATA: return is_good;
    }
    return false;
}

static void on_input(void *context, struct bytes input)
{
    struct client *client = context;
    for (size_t i = 0; i < input.len; i++) {
        buf_add_byte(&client->line, input.at[i]);
        if (input.at[i] != '\n')
            continue;
        struct bytes line = buf_view(&client->line);
        uint64_t code = 0;
        bool is_last = line.len > 3 && line.at[3] != '-';
        bool is_reply = scan_u64(bytes_sub(line, 0, 3), 999, &code);
        buf_clear(&client->line);
        if (!is_last)
            continue;
        /* 421 may come at any time, as the answer to whatever was asked last. */
        if (!is_reply || client->heard == client->word_count || !answered(client, (int)code)) {
            client_end(client);
            return;
        }
        while (may_say(client))
            say(client);
    }
    flush(client);
}

static void on_writable(void *context)
{
    flush(context);
}

static void on_ended(void *context, int os)
{
    client_end(context);
}

static const struct stream_events events = {on_input, on_writable, on_ended, NULL};

static void on_timer(void *context)
{
    struct client *client = context;
    if (client->stream) {
        client_end(client);
        return;
    }
    client->stream = world_connect(client->loop, "198.51.100.7", client->place, &events, client);
    timer_set(&client->timer, loop_now_ms(client->loop) + PATIENCE_MS);
}

static void add_word(struct client *client, enum word word)
{
    client->words[client->word_count++] = word;
}

void client_begin(struct loop *loop, struct list *clients, const struct client_plan *plan,
                  const char *place, int64_t delay_ms)
{
    struct client *client = NEW(struct client);
    client->loop = loop;
    client->plan = *plan;
    list_append(clients, &client->link);
    snprintf(client->place, sizeof client->place, "%s", place);
    buf_init(&client->output, OUTPUT_LIMIT);
    buf_init(&client->line, LINE_LIMIT);
    add_word(client, WORD_GREETING);
    add_word(client, WORD_EHLO);
    add_word(client, WORD_MAIL);
    for (size_t i = 0; i < plan->letter->recipient_count; i++)
        add_word(client, WORD_RCPT);
    add_word(client, WORD_DATA);
    add_word(client, WORD_TEXT);
    add_word(client, WORD_QUIT);
    client->said = 1; /* the greeting comes by itself */
    timer_init(&client->timer, loop, on_timer, client);
    timer_set(&client->timer, loop_now_ms(loop) + delay_ms);
}

void clients_end(struct list *clients)
{
    LIST_EACH (clients, struct client, link, client)
        client_end(client);
}
