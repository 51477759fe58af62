/* Content transfer encodings, written as the content comes (RFC 2045, 6.7 and 6.8).
 *
 * Text in quoted-printable keeps its line ends (CRLF); a CR or LF alone is a byte like any other
 * and is encoded. What is written never has a line over TRANSFER_LINE_MOST, nor a byte over 127
 * or a NUL, and no line of it can pass for a delimiter that was not one before. */
#pragma once

#include "base/buf.h"

enum transfer_form {
    TRANSFER_AS_IS,
    TRANSFER_QUOTED,      /* content to quoted-printable */
    TRANSFER_BASE64,      /* content to base64 */
    TRANSFER_MEND_QUOTED, /* quoted-printable with faults: what it may not hold is encoded in it */
    TRANSFER_MEND_BASE64, /* base64 with long lines or strange line ends: in lines anew */
};

enum { TRANSFER_LINE_MOST = 998 }; /* bytes of a line without its CRLF (RFC 5322, 2.1.1) */

/* Plain data: the storage is the caller's, all of it set by transfer_init(). */
struct transfer_writer {
    enum transfer_form form;
    size_t column;      /* of the line being written */
    uint8_t held[3];    /* base64: bytes that do not make a group yet */
    size_t held_count;  /* quoted-printable: 1 while held[0] is a blank */
    bool has_cr;        /* quoted-printable: a CR was read, what follows decides */
    bool is_continued;  /* the line began behind a soft break */
    size_t from_match;  /* how much of "From" the line is so far */
    size_t since_equal; /* mending: bytes since the last "=" */
};

void transfer_init(struct transfer_writer *writer, enum transfer_form form);
/* Appends what the run gives; how the content is cut makes no difference. */
void transfer_add(struct transfer_writer *writer, struct buf *out, struct bytes run);
/* The content ends: appends what was held. No line end is added. */
void transfer_end(struct transfer_writer *writer, struct buf *out);

/* Are there lines over TRANSFER_LINE_MOST in a text? Zeroes begin. */
struct transfer_lines {
    size_t length; /* of the line under way */
    bool has_cr;   /* that is its last byte */
    bool has_long;
};
/* The next piece of the text. */
void transfer_measure(struct transfer_lines *lines, struct bytes text);
