#include "base/packed.h"

enum { FIXED_BYTES = 8, NUMBER_BITS = 64 };

void packed_add_number(struct buf *out, uint64_t number)
{
    for (; number > 0x7F; number >>= 7)
        buf_add_byte(out, (uint8_t)(number | 0x80));
    buf_add_byte(out, (uint8_t)number);
}

void packed_add_fixed(struct buf *out, uint64_t number)
{
    for (int i = 0; i < FIXED_BYTES; i++, number >>= 8)
        buf_add_byte(out, (uint8_t)(number & 0xFF));
}

void packed_add_string(struct buf *out, struct bytes string)
{
    packed_add_number(out, string.len);
    buf_add(out, string);
}

bool packed_take_byte(struct bytes *rest, uint8_t most, uint8_t *out)
{
    if (rest->len == 0 || rest->at[0] > most)
        return false;
    *out = rest->at[0];
    *rest = bytes_from(*rest, 1);
    return true;
}

bool packed_take_number(struct bytes *rest, uint64_t most, uint64_t *out)
{
    uint64_t number = 0;
    uint8_t byte;
    for (unsigned shift = 0; shift < NUMBER_BITS; shift += 7) {
        if (!packed_take_byte(rest, UINT8_MAX, &byte))
            return false;
        uint64_t bits = byte & 0x7F;
        /* The tenth byte has room for one bit. */
        if (bits << shift >> shift != bits)
            return false;
        number |= bits << shift;
        if (byte & 0x80)
            continue;
        if ((byte == 0 && shift > 0) || number > most)
            return false;
        *out = number;
        return true;
    }
    return false;
}

bool packed_take_fixed(struct bytes *rest, uint64_t *out)
{
    if (rest->len < FIXED_BYTES)
        return false;
    uint64_t number = 0;
    for (int i = FIXED_BYTES - 1; i >= 0; i--)
        number = number << 8 | rest->at[i];
    *out = number;
    *rest = bytes_from(*rest, FIXED_BYTES);
    return true;
}

bool packed_take_string(struct bytes *rest, size_t most, struct bytes *out)
{
    uint64_t len;
    if (!packed_take_number(rest, most, &len) || len > rest->len)
        return false;
    *out = bytes_sub(*rest, 0, (size_t)len);
    *rest = bytes_from(*rest, (size_t)len);
    return true;
}
