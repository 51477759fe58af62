/* Header fields in ASCII: what a field with bytes over 127 becomes for a host that knows 7-bit
 * header sections only.
 *
 * Plain text, display names and comments become encoded words (RFC 2047), parameters of MIME
 * fields extended ones (RFC 2231): as UTF-8 where they are that, else as "unknown-8bit"
 * (RFC 1428), which every reader shows as it showed the bytes before. What has no such form (an
 * address, a message id, the date) has none here either. Lines that are too long are folded. */
#pragma once

#include "mail/header.h"

/* Must the field be rewritten for a host that takes bytes over 127, or does not? Lines that are too
 * long nobody need take. */
bool ascii_field_is_needed(const struct header_field *field, bool takes_8bit);
/* Appends the whole field, CRLF included; ASCII and with no line over 998 bytes. False, and what
 * was appended is worthless: it has no such form. At most ASCII_FIELD_GROWTH times the field's
 * length, and ASCII_FIELD_MORE bytes. */
enum { ASCII_FIELD_GROWTH = 16, ASCII_FIELD_MORE = 1024 };
MUST_CHECK bool ascii_field_print(struct buf *out, const struct header_field *field);
