/* Base64 (RFC 4648, 4), and its lines in MIME (RFC 2045, 6.8). */
#pragma once

#include "base/buf.h"

/* Appends the encoded bytes, padded, without line ends. */
void base64_print(struct buf *out, struct bytes bytes);
/* Appends the encoded bytes in lines of 76 with CRLFs; nothing for no bytes. */
void base64_print_lines(struct buf *out, struct bytes bytes);

enum base64_alphabet {
    BASE64_PLAIN, /* RFC 4648, 4: padded */
    BASE64_URL,   /* RFC 4648, 5: "-" and "_", and no padding, as JSON Web Tokens have it */
};

/* Appends what the text stands for. Strict: whole groups, padding as the alphabet wants it, no
 * blanks, no bits behind the last byte. False, with `out` as it was, for anything else and where
 * it does not fit. */
MUST_CHECK bool base64_scan(struct buf *out, struct bytes text, enum base64_alphabet alphabet);
