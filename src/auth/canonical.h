/* The canonical forms in which DKIM and ARC hash a message (RFC 6376, 3.4): "simple", which allows
 * next to no change on the way, and "relaxed", which allows for other blanks and folds.
 *
 * Only CRLF ends a line; a CR or LF alone is a byte like any other. Bodies are done as they stream:
 * however the text is cut, the form is the same. Hashes nothing itself. */
#pragma once

#include "mail/header.h"

enum canonical_form { CANONICAL_SIMPLE, CANONICAL_RELAXED };

/* Appends the field (3.4.1, 3.4.2) with its CRLF; in the simple form with one even where the field
 * is the end of a section and lacks it. It grows by at most 3 bytes. */
void canonical_field(struct buf *out, enum canonical_form form, const struct header_field *field);

/* A body on its way (3.4.3, 3.4.4). */
struct canonical_body {
    enum canonical_form form;
    uint64_t lines; /* ended, and not written yet: they may be the empty ones at the end */
    bool has_cr;    /* which may begin a CRLF */
    bool has_blank; /* relaxed: one or more, written as one unless the line ends */
    bool is_begun;  /* something was written, or is to be */
};

enum { CANONICAL_ROOM = 4 }; /* bytes; with less room an end could not be written */

void canonical_body_init(struct canonical_body *body, enum canonical_form form);
/* Takes bytes from the front of *text and writes the form of them to out, which has room for that
 * many bytes (CANONICAL_ROOM at least); gives how many it wrote. To be called until *text is
 * empty: a call that has no more room leaves the rest. */
size_t canonical_body_add(struct canonical_body *body, struct bytes *text, uint8_t *out,
                          size_t room);
/* The body is at its end: writes what is left, gives how many bytes. To be called until it gives
 * 0. */
size_t canonical_body_end(struct canonical_body *body, uint8_t *out, size_t room);
