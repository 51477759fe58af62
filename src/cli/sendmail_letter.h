/* The message that `sendmail` is given: text with any line ends, perhaps without a header, made one
 * that goes over SMTP; and the recipients that its header names. Pure. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* Line ends made CRLF, and the line that may end it all found. */
struct letter_lines {
    bool ignores_dots;
    bool is_after_cr, is_line_start, has_dot; /* has_dot: the line so far is a dot alone */
    bool has_ended;                           /* by a line with a dot alone: no more counts */
};

void letter_lines_init(struct letter_lines *lines, bool ignores_dots);
/* Appends what the piece becomes. */
void letter_lines_add(struct letter_lines *lines, struct bytes piece, struct buf *out);
/* Nothing more comes. */
void letter_lines_end(struct letter_lines *lines, struct buf *out);

/* Who is written to and from, each address in the form of an envelope, with a NUL behind it. */
struct letter_addresses {
    struct buf texts;
    size_t count;
};

void letter_addresses_init(struct letter_addresses *addresses);
void letter_addresses_done(struct letter_addresses *addresses);

/* Adds an address, or a list with commas as headers have it; a name without "@" gets the domain.
 * False and err: it is no list of addresses. */
MUST_CHECK bool letter_addresses_add(struct letter_addresses *addresses, struct bytes list,
                                     struct bytes domain, struct error *err);
/* Adds all that To, Cc and Bcc name in the header section, or, when there are any, Resent-To,
 * Resent-Cc and Resent-Bcc (RFC 5322, 3.6.6: those of the newest resending stand first). */
MUST_CHECK bool letter_addresses_of(struct letter_addresses *addresses, struct bytes section,
                                    struct bytes domain, struct error *err);

/* What has to stand in front of the text: a From field where there is none (name: may be empty),
 * and a blank line where the text begins with no header at all. An mbox line ("From ann …") at its
 * beginning is to be skipped: *skip bytes. */
void letter_front(struct bytes text, struct bytes name, struct bytes address, struct buf *out,
                  size_t *skip);
