/* Messages a second through the server machine alone, no I/O: the dialogue MAIL, RCPT, DATA and
 * a message of 4 KiB, and the scanner of message text by itself. Prints one figure a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "smtp/dot.h"
#include "smtp/server.h"

enum { TEXT_SIZE = 4096, LINE_SIZE = 72, MESSAGES = 500000 };

static const struct smtp_server_settings settings = {
    .hostname = BYTES_INIT("mx.example.org"),
    .role = ROLE_MX,
    .size_limit = 50 << 20,
    .line_limit = 4096,
    .text_line_limit = 2048,
    .recipient_limit = 1000,
    .error_limit = 20,
    .command_timeout_ms = 300000,
    .data_timeout_ms = 300000,
};

/* Message text of TEXT_SIZE bytes, then the end of data. */
static void add_text(struct buf *out)
{
    size_t start = out->len;
    while (out->len - start < TEXT_SIZE) {
        size_t line = TEXT_SIZE - (out->len - start);
        if (line > LINE_SIZE + 2)
            line = LINE_SIZE;
        for (size_t i = 0; i < line - 2; i++)
            buf_add_byte(out, (uint8_t)('a' + i % 26));
        buf_add(out, BYTES("\r\n"));
    }
    buf_add(out, BYTES(".\r\n"));
}

static void say(struct smtp_server *server, struct bytes input, uint64_t *stored, uint64_t *bytes)
{
    static const struct smtp_answer yes = {250, BYTES_INIT("2.0.0"), BYTES_INIT("Fine")};
    smtp_server_input(server, input, 0, 0);
    for (;;) {
        switch (smtp_server_step(server)) {
        case SERVER_STORE:
            ++*stored;
            smtp_server_answer(server, &yes);
            continue;
        case SERVER_CHECK_MAIL:
        case SERVER_CHECK_RCPT:
        case SERVER_BEGIN_BODY: smtp_server_answer(server, &yes); continue;
        case SERVER_BODY: *bytes += smtp_server_chunk(server).len; continue;
        case SERVER_LOGIN:
        case SERVER_LOGIN_END:
        case SERVER_DROP_BODY: continue;
        case SERVER_FLUSH:
        case SERVER_WANT_INPUT:
        case SERVER_CLOSE: smtp_server_sent(server, smtp_server_output(server).len); return;
        }
    }
}

static double seconds_since(int64_t start_ms)
{
    return (double)(instant_steady_ms() - start_ms + 1) / 1000;
}

static void bench_dialogue(struct bytes text)
{
    uint64_t stored = 0, bytes = 0;
    struct smtp_server *server = smtp_server_new(&settings, BYTES("192.0.2.1"), 0, 0);
    say(server, BYTES("EHLO client.example\r\n"), &stored, &bytes);
    int64_t start = instant_steady_ms();
    for (int i = 0; i < MESSAGES; i++) {
        say(server, BYTES("MAIL FROM:<ann@example.net>\r\n"), &stored, &bytes);
        say(server, BYTES("RCPT TO:<bob@example.org>\r\n"), &stored, &bytes);
        say(server, BYTES("DATA\r\n"), &stored, &bytes);
        say(server, text, &stored, &bytes);
    }
    printf("messages_per_second=%.0f\n", (double)stored / seconds_since(start));
    ASSERT(bytes == stored * TEXT_SIZE);
    smtp_server_free(server);
}

static void bench_scanner(struct bytes text)
{
    uint64_t bytes = 0;
    int64_t start = instant_steady_ms();
    for (int i = 0; i < MESSAGES * 2; i++) {
        struct dot dot;
        struct bytes input = text, run;
        dot_init(&dot, TEXT_DOTTED, settings.text_line_limit);
        while (dot_next(&dot, &input, &run) == DOT_TEXT)
            bytes += run.len;
    }
    printf("scanner_gigabytes_per_second=%.2f\n", (double)bytes / 1e9 / seconds_since(start));
}

int main(void)
{
    struct buf text;
    buf_init(&text, TEXT_SIZE * 2);
    add_text(&text);
    bench_dialogue(buf_view(&text));
    bench_scanner(buf_view(&text));
    buf_done(&text);
}
