/* A growing buffer of bytes with a ceiling. Sticky: an append beyond the ceiling is dropped and
 * sets `overflowed`, so that a writer appends freely and tests once at the end. */
#pragma once

#include "base/bytes.h"

struct buf {
    uint8_t *at;
    size_t len, cap, limit; /* bytes */
    bool overflowed;
};

/* An empty buffer that grows to at most limit bytes; allocates nothing yet. */
void buf_init(struct buf *buf, size_t limit);
void buf_done(struct buf *buf);

/* Appends a copy. */
void buf_add(struct buf *buf, struct bytes bytes);
void buf_add_byte(struct buf *buf, uint8_t byte);
/* Appends the number in decimal. */
void buf_add_u64(struct buf *buf, uint64_t number);
/* Appends formatted text; the whole of it or, beyond the ceiling, nothing. */
void buf_addf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Room for at least `more` bytes behind the content, for the caller to write to and then to
 * claim with buf_grow(); NULL (and overflowed) beyond the ceiling. */
uint8_t *buf_reserve(struct buf *buf, size_t more);
/* Claims `more` bytes that were written to the room reserved. */
void buf_grow(struct buf *buf, size_t more);

/* The content; borrowed until the buffer next changes. */
struct bytes buf_view(const struct buf *buf);
/* Forgets the content and the overflow, keeps the memory. */
void buf_clear(struct buf *buf);
/* Forgets the content and frees the memory. */
void buf_free(struct buf *buf);
/* Removes the first count bytes (at most all). */
void buf_drop(struct buf *buf, size_t count);
