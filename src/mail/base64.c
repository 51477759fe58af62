#include "mail/base64.h"

enum { LINE_BYTES = 57 }; /* give 76 characters, the most that RFC 2045, 6.8 allows */

static const char digits[64] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789+/"};

void base64_print(struct buf *out, struct bytes bytes)
{
    for (; bytes.len; bytes = bytes_from(bytes, 3)) {
        unsigned bits = (unsigned)bytes.at[0] << 16;
        if (bytes.len > 1)
            bits |= (unsigned)bytes.at[1] << 8;
        if (bytes.len > 2)
            bits |= bytes.at[2];
        buf_add_byte(out, (uint8_t)digits[bits >> 18]);
        buf_add_byte(out, (uint8_t)digits[bits >> 12 & 63]);
        buf_add_byte(out, bytes.len > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=');
        buf_add_byte(out, bytes.len > 2 ? (uint8_t)digits[bits & 63] : '=');
    }
}

void base64_print_lines(struct buf *out, struct bytes bytes)
{
    for (; bytes.len; bytes = bytes_from(bytes, LINE_BYTES)) {
        base64_print(out, bytes_sub(bytes, 0, LINE_BYTES));
        buf_add(out, BYTES("\r\n"));
    }
}

enum { NO_DIGIT = 0x80, XX = NO_DIGIT };

/* What each ASCII byte stands for in the plain alphabet. */
static const uint8_t values[128] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62,
    XX, XX, XX, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX, XX, 0,
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, XX, XX, XX, XX, XX, XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
    39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
};

/* The value of a digit, or NO_DIGIT. */
static uint32_t value_of(uint8_t byte, enum base64_alphabet alphabet)
{
    if (alphabet == BASE64_URL) {
        if (byte == '+' || byte == '/')
            return NO_DIGIT;
        byte = byte == '-' ? '+' : byte == '_' ? '/' : byte;
    }
    return byte < sizeof values ? values[byte] : NO_DIGIT;
}

/* The text without its padding, where that is right. */
static bool padding_strip(struct bytes *text, enum base64_alphabet alphabet)
{
    if (alphabet == BASE64_URL)
        return text->len % 4 != 1;
    if (text->len % 4)
        return false;
    for (int i = 0; i < 2 && text->len && text->at[text->len - 1] == '='; i++)
        text->len--;
    return true;
}

/* Up to four digits as the first bits of 24; at has what is there of them. */
static bool take_digits(const uint8_t *at, size_t count, enum base64_alphabet alphabet,
                        uint32_t *bits)
{
    uint32_t all = 0;
    *bits = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t value = value_of(at[i], alphabet);
        all |= value;
        *bits |= value << (18 - 6 * i);
    }
    return !(all & NO_DIGIT);
}

bool base64_scan(struct buf *out, struct bytes text, enum base64_alphabet alphabet)
{
    if (!padding_strip(&text, alphabet))
        return false;
    size_t len = text.len / 4 * 3 + text.len % 4 * 6 / 8, at = 0;
    uint8_t *to = buf_reserve(out, len);
    uint32_t bits;
    if (!to)
        return false;
    for (; text.len - at >= 4; at += 4) {
        if (!take_digits(text.at + at, 4, alphabet, &bits))
            return false;
        *to++ = (uint8_t)(bits >> 16);
        *to++ = (uint8_t)(bits >> 8);
        *to++ = (uint8_t)bits;
    }
    size_t rest = text.len - at;
    /* Bits that are left over must be 0, so that there is one way only to write each text; of one
     * digit all are. */
    static const uint32_t left_over[] = {0, 0xFFFFFF, 0xFFFF, 0xFF};
    if (rest && (!take_digits(text.at + at, rest, alphabet, &bits) || (bits & left_over[rest])))
        return false;
    if (rest > 1)
        *to++ = (uint8_t)(bits >> 16);
    if (rest > 2)
        *to = (uint8_t)(bits >> 8);
    buf_grow(out, len);
    return true;
}
