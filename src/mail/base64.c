#include "mail/base64.h"

enum { LINE_BYTES = 57 }; /* give 76 characters, the most that RFC 2045, 6.8 allows */

static const char alphabet[64] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/"};

void base64_print(struct buf *out, struct bytes bytes)
{
    for (; bytes.len; bytes = bytes_from(bytes, 3)) {
        unsigned bits = (unsigned)bytes.at[0] << 16;
        if (bytes.len > 1)
            bits |= (unsigned)bytes.at[1] << 8;
        if (bytes.len > 2)
            bits |= bytes.at[2];
        buf_add_byte(out, (uint8_t)alphabet[bits >> 18]);
        buf_add_byte(out, (uint8_t)alphabet[bits >> 12 & 63]);
        buf_add_byte(out, bytes.len > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : '=');
        buf_add_byte(out, bytes.len > 2 ? (uint8_t)alphabet[bits & 63] : '=');
    }
}

void base64_print_lines(struct buf *out, struct bytes bytes)
{
    for (; bytes.len; bytes = bytes_from(bytes, LINE_BYTES)) {
        base64_print(out, bytes_sub(bytes, 0, LINE_BYTES));
        buf_add(out, BYTES("\r\n"));
    }
}
