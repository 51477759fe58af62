/* Message text made ready for DATA: a dot at the start of a line is doubled, and the end of data
 * is put behind the last line (RFC 5321, 4.5.2). Incremental; copies runs of any length at once. */
#pragma once

#include "base/buf.h"

/* Plain data; all of it set by stuff_init(). */
struct stuff {
    bool is_line_start; /* the next byte begins a line */
    bool is_after_cr;   /* the text so far ends in CR */
    bool is_ended;      /* the text so far ends in CRLF, or is empty */
};

void stuff_init(struct stuff *stuff);
void stuff_add(struct stuff *stuff, struct buf *out, struct bytes text);
/* Ends the text: CRLF, if it does not end in one, and the final dot. */
void stuff_end(struct stuff *stuff, struct buf *out);
