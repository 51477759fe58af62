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

static int digit_of(uint8_t byte, enum base64_alphabet alphabet)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52;
    if (byte == (alphabet == BASE64_URL ? '-' : '+'))
        return 62;
    return byte == (alphabet == BASE64_URL ? '_' : '/') ? 63 : -1;
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

bool base64_scan(struct buf *out, struct bytes text, enum base64_alphabet alphabet)
{
    size_t before = out->len;
    if (!padding_strip(&text, alphabet) || !buf_reserve(out, text.len * 6 / 8))
        return false;
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.at[i], alphabet);
        if (digit < 0) {
            out->len = before;
            return false;
        }
        bits = bits << 6 | (unsigned)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        buf_add_byte(out, (uint8_t)(bits >> count));
        bits &= (1U << count) - 1;
    }
    if (bits)
        out->len = before;
    return !bits;
}
