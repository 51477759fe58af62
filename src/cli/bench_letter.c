#include "cli/bench_letter.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/bench_token.h"
#include "mail/date.h"

enum {
    LINE = 64,              /* bytes of a line of filler, CRLF included */
    FILLER = 64 * 1024,     /* whole lines */
    HEADER_LIMIT = 4 * 1024 /* two addresses of 1,000 bytes in it */
};

struct bench_letters {
    uint64_t run;
    int64_t date_s; /* of the date below */
    struct buf date, header;
    struct buf given; /* room for a token, then the message to send; empty: it is made up */
    uint8_t text[HEADER_LIMIT + FILLER]; /* room for a header, then the filler */
};

static void fill_line(uint8_t *at)
{
    /* 62 letters: any tail of the line may begin the body, and none begins with a dot. */
    static const char filler[] =
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij\r\n";
    _Static_assert(sizeof filler == LINE + 1, "a line of filler");
    memcpy(at, filler, LINE);
}

struct bench_letters *bench_letters_new(uint64_t run, struct bytes given)
{
    struct bench_letters *letters = NEW(struct bench_letters);
    letters->run = run;
    letters->date_s = -1;
    buf_init(&letters->date, 64);
    buf_init(&letters->header, HEADER_LIMIT);
    for (size_t at = 0; at < FILLER; at += LINE)
        fill_line(letters->text + HEADER_LIMIT + at);
    buf_init(&letters->given, BENCH_TOKEN_LIMIT + given.len);
    if (given.len && buf_reserve(&letters->given, BENCH_TOKEN_LIMIT))
        buf_grow(&letters->given, BENCH_TOKEN_LIMIT);
    buf_add(&letters->given, given);
    return letters;
}

void bench_letters_free(struct bench_letters *letters)
{
    if (!letters)
        return;
    buf_done(&letters->date);
    buf_done(&letters->header);
    buf_done(&letters->given);
    free(letters);
}

static void write_header(struct bench_letters *letters, uint64_t number, struct bytes from,
                         struct bytes to, int64_t now_ms)
{
    struct buf *header = &letters->header;
    if (now_ms / 1000 != letters->date_s) {
        letters->date_s = now_ms / 1000;
        buf_clear(&letters->date);
        date_print(&letters->date, now_ms);
    }
    buf_clear(header);
    buf_add(header, BYTES("From: <"));
    buf_add(header, from);
    buf_add(header, BYTES(">\r\nTo: <"));
    buf_add(header, to);
    buf_add(header, BYTES(">\r\nDate: "));
    buf_add(header, buf_view(&letters->date));
    buf_addf(header, "\r\nMessage-ID: <%llu.%016llx@bench.invalid>\r\nSubject: message ",
             (unsigned long long)number, (unsigned long long)letters->run);
    buf_add_u64(header, number);
    buf_add(header, BYTES(" of a load test\r\n"));
    bench_token_print(header, letters->run, number);
    buf_add(header, BYTES("\r\n"));
    ASSERT(!header->overflowed);
}

/* Writes the token right in front of the message, over the one of the message before. */
static struct bytes begin_given(struct bench_letters *letters, uint64_t number)
{
    struct buf *header = &letters->header;
    buf_clear(header);
    bench_token_print(header, letters->run, number);
    uint8_t *begin = letters->given.at + BENCH_TOKEN_LIMIT - header->len;
    memcpy(begin, header->at, header->len);
    return (struct bytes){begin, letters->given.len - BENCH_TOKEN_LIMIT + header->len};
}

uint64_t bench_letter_begin(struct bench_letters *letters, uint64_t number, struct bytes from,
                            struct bytes to, int64_t now_ms, uint64_t size, struct bytes *first)
{
    if (letters->given.len) {
        *first = begin_given(letters, number);
        return first->len;
    }
    write_header(letters, number, from, to, now_ms);
    size_t header = letters->header.len;
    uint64_t body = size > header ? size - header : 0;
    /* The body's first line is the tail of one; a lone LF would be none. */
    if (body < 2)
        body = 2;
    if (body % LINE == 1)
        body++;
    size_t cut = (LINE - (size_t)(body % LINE)) % LINE;
    uint8_t *begin = letters->text + HEADER_LIMIT + cut;
    /* The header of the message before may have covered the front of this one's first line. */
    fill_line(letters->text + HEADER_LIMIT);
    memcpy(begin - header, letters->header.at, header);
    size_t run = body < FILLER - cut ? (size_t)body : FILLER - cut;
    *first = (struct bytes){begin - header, header + run};
    return header + body;
}

struct bytes bench_letter_more(const struct bench_letters *letters, uint64_t left)
{
    ASSERT(left % LINE == 0);
    /* The first line may be covered by a header now. */
    size_t room = FILLER - LINE;
    return (struct bytes){letters->text + HEADER_LIMIT + LINE, left < room ? (size_t)left : room};
}
