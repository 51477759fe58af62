/* Numbers and strings in few bytes, as they are kept on disk and in memory. There is one way only
 * to write each: a number is base-128 with the low seven bits first and no needless byte; one of
 * fixed size is eight bytes, little-endian; a string is its length and its bytes. */
#pragma once

#include "base/buf.h"

void packed_add_number(struct buf *out, uint64_t number);
void packed_add_fixed(struct buf *out, uint64_t number);
void packed_add_string(struct buf *out, struct bytes string);

/* Each takes one from the front of *rest. False, with *rest somewhere in it, for what is not
 * written so, and for more than the most that is given. Any bytes are safe to give. */
MUST_CHECK bool packed_take_byte(struct bytes *rest, uint8_t most, uint8_t *out);
MUST_CHECK bool packed_take_number(struct bytes *rest, uint64_t most, uint64_t *out);
MUST_CHECK bool packed_take_fixed(struct bytes *rest, uint64_t *out);
/* A view into *rest, of at most so many bytes. */
MUST_CHECK bool packed_take_string(struct bytes *rest, size_t most, struct bytes *out);
