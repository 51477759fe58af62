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

/* The six bits of a character; 64 for one that is not of the alphabet. */
static unsigned char_value(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return (unsigned)(byte - 'A');
    if (byte >= 'a' && byte <= 'z')
        return (unsigned)(byte - 'a' + 26);
    if (ascii_is_digit(byte))
        return (unsigned)(byte - '0' + 52);
    return byte == '+' ? 62 : byte == '/' ? 63 : 64;
}

/* How many bytes the four characters stand for, in the high bytes of *bits' low 24; 0: none. */
static unsigned quartet_scan(const uint8_t *at, bool is_last, unsigned *bits)
{
    unsigned padding = !is_last || at[3] != '=' ? 0 : at[2] != '=' ? 1 : 2;
    unsigned value = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned six = i < 4 - padding ? char_value(at[i]) : 0;
        if (six > 63)
            return 0;
        value = value << 6 | six;
    }
    /* Bits that no byte takes must be zero, or several texts would stand for the same bytes. */
    if (value & ((1u << padding * 8) - 1))
        return 0;
    *bits = value;
    return 3 - padding;
}

bool base64_scan(struct buf *out, struct bytes text)
{
    unsigned bits;
    if (text.len % 4)
        return false;
    for (size_t i = 0; i < text.len; i += 4)
        if (!quartet_scan(text.at + i, i + 4 == text.len, &bits))
            return false;
    for (size_t i = 0; i < text.len; i += 4) {
        unsigned count = quartet_scan(text.at + i, i + 4 == text.len, &bits);
        for (unsigned k = 0; k < count; k++)
            buf_add_byte(out, (uint8_t)(bits >> (16 - 8 * k)));
    }
    return true;
}
