/* Message text as it comes over the wire: where it ends, dots unstuffed (RFC 5321, 4.5.2), and
 * checked on the way. Incremental, without a buffer: runs of text are views into the input, and
 * a whole message without dots at line starts is one run.
 *
 * Only CRLF ends a line (RFC 5321, 2.3.8). A next hop that also took LF or CR alone could see the
 * end of data, and a second message behind it, where this server saw text: such text is a fault,
 * never repaired. After a fault the rest is swallowed up to the true end of data. */
#pragma once

#include "base/bytes.h"

enum text_form {
    TEXT_DOTTED, /* DATA: dots stuffed, ends with CRLF.CRLF */
    TEXT_COUNTED /* BDAT: as it is; the caller knows where it ends */
};

enum text_fault { TEXT_GOOD, TEXT_BARE_NEWLINE, TEXT_NUL, TEXT_LONG_LINE };

/* Where the next byte stands. */
enum text_position { AT_LINE_START, IN_LINE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR };

/* Plain data: the storage is the caller's, all of it set by dot_init(). */
struct dot {
    size_t line_limit; /* bytes of a line, CRLF included, a stuffed dot not; 0: any */
    size_t line_len;   /* bytes of the line so far */
    enum text_form form;
    enum text_position position;
    enum text_fault fault; /* the first one found */
    bool has_8bit;         /* a byte over 127 was seen */
};

enum dot_event {
    DOT_MORE,  /* all input is consumed */
    DOT_TEXT,  /* *text is the next run, never empty */
    DOT_FAULT, /* dot->fault was found; told once, from then on no text comes */
    DOT_END,   /* the end of data; what is left of the input is no longer text */
};

void dot_init(struct dot *dot, enum text_form form, size_t line_limit);

/* Reads from the front of *input and moves it behind what was read. *text is written for DOT_TEXT
 * only and points into the input. */
enum dot_event dot_next(struct dot *dot, struct bytes *input, struct bytes *text);

/* The counted text ends here: false (and dot->fault) when it ends in a lone CR. */
MUST_CHECK bool dot_finish(struct dot *dot);
