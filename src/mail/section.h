/* The header section of a message whose text comes in pieces: keeps them until the section is
 * complete, and says what of them is the body already. However the text is cut, the section is the
 * same. */
#pragma once

#include "base/buf.h"

struct section {
    struct buf text; /* so far */
    size_t length;   /* of the section, once found */
    size_t body_at;  /* where the body begins */
};

enum section_status {
    SECTION_MORE,
    SECTION_FOUND,
    SECTION_LARGE, /* more than the limit; what came last is not kept */
};

/* limit: bytes kept; a piece that holds the section's end must fit as well. */
void section_init(struct section *section, size_t limit);
void section_done(struct section *section);

/* Adds a piece; copies. Not after the section was found. */
MUST_CHECK enum section_status section_add(struct section *section, struct bytes piece);
/* There is no more text: what is there is the section, or, where it begins with what is no field,
 * the body. */
void section_end(struct section *section);

/* Once found: the section, without the blank line that ends it, and what came of the body. A text
 * that begins with what is no field is all body. */
struct bytes section_view(const struct section *section);
struct bytes section_body(const struct section *section);
