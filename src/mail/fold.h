/* Writes words onto lines of bounded length: folded header fields (RFC 5322, 2.2.3) and
 * wrapped text. */
#pragma once

#include "base/buf.h"

struct fold {
    struct buf *out;
    struct bytes indent; /* what a new line begins with */
    size_t indent_columns;
    size_t column; /* of the line so far */
    bool is_fresh; /* nothing but the indent is on the line */
};

enum { FOLD_COLUMNS = 78 }; /* RFC 5322, 2.1.1: what lines should stay within */

/* A header field that begins with `start` ("Received: from"), which is appended; continuation
 * lines begin with a tab. */
struct fold fold_field(struct buf *out, struct bytes start);
/* A paragraph indented by that many spaces, at most 16. */
struct fold fold_text(struct buf *out, size_t spaces);

/* Appends a word: behind a space, or on a new line where it does not fit. A word that is longer
 * than a line gets one alone. */
void fold_word(struct fold *fold, struct bytes word);
/* Appends a word on a new line. */
void fold_line(struct fold *fold, struct bytes word);
/* Appends the text word by word, split at spaces. */
void fold_words(struct fold *fold, struct bytes text);
