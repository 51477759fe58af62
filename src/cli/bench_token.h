/* The token by which each message of a run is known again: a header field
 * "X-Bench-Id: RUN.NUMBER", RUN in 16 hexadecimal digits. */
#pragma once

#include "base/buf.h"

enum { BENCH_TOKEN_LIMIT = 64 /* bytes of the field, CRLF included, at most */ };

void bench_token_print(struct buf *out, uint64_t run, uint64_t number);

/* The search through a text that arrives in pieces; plain data, all zero at the start. Nothing is
 * kept of the text but the end of the last piece. */
struct bench_token_search {
    uint8_t tail[BENCH_TOKEN_LIMIT];
    size_t tail_len;
    size_t seen; /* bytes */
    bool is_over;
    bool has_number;
    uint64_t number;
};
/* Looks for a token of this run in the next piece; afterwards has_number says whether one was
 * found so far. Looks at the front of the message only: header fields that relays put in front
 * have room, an endless message costs nothing. */
void bench_token_look(struct bench_token_search *search, uint64_t run, struct bytes text);
