/* The header section of a message, field by field (RFC 5322, 2.2).
 *
 * Only CRLF ends a line; a CR or LF alone is a byte like any other. Lines that are no field are
 * reported as such and never lost: the whole views of all fields, one behind the other, are the
 * section. Knows nothing of what the values mean. */
#pragma once

#include "base/buf.h"

struct header_field {
    struct bytes name;  /* without blanks before the colon; empty for an odd line */
    struct bytes value; /* behind the colon, folds and blanks kept, without the CRLF at the end */
    struct bytes whole; /* all its lines with their CRLFs (the last may lack it at the end of the
                           section) */
    bool is_odd;        /* no colon, no name before it, a name with bytes that names do not have,
                           or a continuation of nothing; value is the whole line then */
};

/* Takes the next field from the front of *rest; views point into the section. False, with *rest
 * where it is, at the blank line that ends the section and at the end of the view. */
bool header_next(struct bytes *rest, struct header_field *out);

/* Finds the end of the header section of a message of which text is the beginning. *length is the
 * section's bytes, the CRLF of its last field included; the blank line follows and then the body.
 * False where the text holds no blank line (yet). */
MUST_CHECK bool header_end(struct bytes text, size_t *length);

/* Appends the value on one line: CRLFs before a blank taken out (RFC 5322, 2.2.3), blanks at both
 * ends dropped. */
void header_unfold(struct buf *out, struct bytes value);

/* Has the section a field of that name (any case)? Looks no further than the first. */
bool header_has(struct bytes section, struct bytes name);
/* How many fields of that name (any case) the section has. */
size_t header_count(struct bytes section, struct bytes name);
