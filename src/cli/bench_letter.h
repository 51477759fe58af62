/* The text of the messages that the load generator sends: a header with the token, and lines of
 * filler up to the size asked for; or a message that was given, with the token's field in front.
 * One block of filler serves all messages; a header is written right in front of it, so that the
 * most of a message goes out by one call and is never put together. */
#pragma once

#include "base/buf.h"

struct bench_letters;

/* run: for the tokens. given: the message to send, with CRLF, which is copied; empty: made up. */
struct bench_letters *bench_letters_new(uint64_t run, struct bytes given);
void bench_letters_free(struct bench_letters *letters);

/* Begins a message of size bytes or, where its header needs more, as few as that takes: returns
 * the size it has (an empty line and a line of filler at the least come behind the header). One
 * that was given has its own size and its own header, and comes in one run. from and to are
 * addresses. *first is the first run of the text, valid until the next call. */
uint64_t bench_letter_begin(struct bench_letters *letters, uint64_t number, struct bytes from,
                            struct bytes to, int64_t now_ms, uint64_t size, struct bytes *first);
/* The next run of a message of which `left` bytes are still to come. */
struct bytes bench_letter_more(const struct bench_letters *letters, uint64_t left);
