/* Addresses that a field shows to people, wherever in it they stand: in a display name, quoted or
 * not, in encoded words (RFC 2047), joined from several of these, in a comment. Most readers show
 * the name alone, and there an address passes for the sender's: From: "ceo@bank.example"
 * <x@evil.example>.
 *
 * The text is read as the most obliging reader would: encoded words count within quotes and
 * without blanks between them, too; what cannot be seen (zero-width characters, say) is passed
 * over; other forms of "@" and "." are these. Charsets in which ASCII is not written as ASCII
 * (UTF-7) are not decoded. */
#pragma once

#include "base/buf.h"

/* Appends the value's text as people see it, which is never longer. */
void shown_address_decode(struct bytes value, struct buf *out);

struct shown_address {
    struct bytes text;   /* views into the text */
    struct bytes domain; /* as it stands there: has a dot, and no dot at its ends; perhaps no domain
                            that there can be */
};
/* The next address of such a text, and *text what is behind it; false: there is none. */
bool shown_address_next(struct bytes *text, struct shown_address *out);
