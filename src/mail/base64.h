/* Base64 (RFC 4648, 4), and its lines in MIME (RFC 2045, 6.8). */
#pragma once

#include "base/buf.h"

/* Appends the encoded bytes, padded, without line ends. */
void base64_print(struct buf *out, struct bytes bytes);
/* Appends the encoded bytes in lines of 76 with CRLFs; nothing for no bytes. */
void base64_print_lines(struct buf *out, struct bytes bytes);
