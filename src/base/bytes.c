#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct bytes bytes_of(const char *text)
{
    if (!text)
        return BYTES_NONE;
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

uint8_t ascii_lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

bool ascii_is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

bool ascii_is_alpha(uint8_t byte)
{
    return ascii_lower(byte) >= 'a' && ascii_lower(byte) <= 'z';
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    return a.len == b.len && bytes_starts_nocase(a, b);
}

bool bytes_starts(struct bytes whole, struct bytes start)
{
    return whole.len >= start.len && (start.len == 0 || memcmp(whole.at, start.at, start.len) == 0);
}

bool bytes_starts_nocase(struct bytes whole, struct bytes start)
{
    if (whole.len < start.len)
        return false;
    for (size_t i = 0; i < start.len; i++)
        if (ascii_lower(whole.at[i]) != ascii_lower(start.at[i]))
            return false;
    return true;
}

bool bytes_ends_nocase(struct bytes whole, struct bytes end)
{
    return whole.len >= end.len && bytes_equal_nocase(bytes_from(whole, whole.len - end.len), end);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
    if (order != 0)
        return order;
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

size_t bytes_find(struct bytes whole, uint8_t byte)
{
    if (whole.len == 0)
        return 0;
    const uint8_t *found = memchr(whole.at, byte, whole.len);
    return found ? (size_t)(found - whole.at) : whole.len;
}

size_t bytes_find_last(struct bytes whole, uint8_t byte)
{
    if (whole.len == 0)
        return 0;
    const uint8_t *found = memrchr(whole.at, byte, whole.len);
    return found ? (size_t)(found - whole.at) : whole.len;
}

size_t bytes_search(struct bytes whole, struct bytes part)
{
    if (whole.len == 0 || part.len == 0)
        return whole.len;
    const uint8_t *found = memmem(whole.at, whole.len, part.at, part.len);
    return found ? (size_t)(found - whole.at) : whole.len;
}

struct bytes bytes_sub(struct bytes whole, size_t start, size_t count)
{
    struct bytes rest = bytes_from(whole, start);
    if (rest.len > count)
        rest.len = count;
    return rest;
}

struct bytes bytes_from(struct bytes whole, size_t start)
{
    if (start >= whole.len)
        return (struct bytes){whole.at ? whole.at + whole.len : NULL, 0};
    return (struct bytes){whole.at + start, whole.len - start};
}

bool bytes_cut(struct bytes whole, uint8_t byte, struct bytes *head, struct bytes *tail)
{
    size_t at = bytes_find(whole, byte);
    *head = bytes_sub(whole, 0, at);
    *tail = bytes_from(whole, at + 1);
    return at < whole.len;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct bytes bytes_trim(struct bytes whole)
{
    while (whole.len && is_blank(whole.at[0]))
        whole = bytes_from(whole, 1);
    while (whole.len && is_blank(whole.at[whole.len - 1]))
        whole.len--;
    return whole;
}

struct bytes bytes_word(struct bytes *rest)
{
    size_t start = 0, end;
    while (start < rest->len && is_blank(rest->at[start]))
        start++;
    for (end = start; end < rest->len && !is_blank(rest->at[end]);)
        end++;
    struct bytes word = bytes_sub(*rest, start, end - start);
    *rest = bytes_from(*rest, end);
    return word;
}

struct bytes bytes_own(struct bytes bytes)
{
    uint8_t *copy = memory_new(bytes.len + 1, 1);
    if (bytes.len)
        memcpy(copy, bytes.at, bytes.len);
    return (struct bytes){copy, bytes.len};
}

void bytes_disown(struct bytes owned)
{
    free((void *)(uintptr_t)owned.at);
}

bool bytes_is_ascii(struct bytes whole)
{
    size_t at = 0;
    for (uint64_t word; whole.len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, whole.at + at, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            return false;
    }
    for (; at < whole.len; at++)
        if (whole.at[at] & 0x80)
            return false;
    return true;
}

/* The length of the well-formed UTF-8 sequence that the view begins with, or 0
 * (table 3-7 of the Unicode standard, the same as RFC 3629's grammar). */
static size_t utf8_sequence(struct bytes rest)
{
    uint8_t first = rest.at[0];
    if (first < 0x80)
        return 1;
    size_t len = first >= 0xC2 && first <= 0xDF   ? 2
                 : first >= 0xE0 && first <= 0xEF ? 3
                 : first >= 0xF0 && first <= 0xF4 ? 4
                                                  : 0;
    if (len == 0 || rest.len < len)
        return 0;
    uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (rest.at[1] < low || rest.at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((rest.at[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

bool bytes_is_utf8(struct bytes whole)
{
    while (whole.len) {
        size_t len = utf8_sequence(whole);
        if (len == 0)
            return false;
        whole = bytes_from(whole, len);
    }
    return true;
}

bool scan_u64(struct bytes whole, uint64_t max, uint64_t *out)
{
    if (whole.len == 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < whole.len; i++) {
        if (!ascii_is_digit(whole.at[i]))
            return false;
        uint64_t digit = (uint64_t)(whole.at[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
        if (value > max)
            return false;
    }
    *out = value;
    return true;
}
