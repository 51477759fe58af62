#include "cli/paint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const codes[] = {
    [PAINT_NONE] = "",     [PAINT_BOLD] = "1", [PAINT_GREEN] = "32",
    [PAINT_YELLOW] = "33", [PAINT_RED] = "31",
};

bool paint_is_on(void)
{
    const char *refusal = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(refusal && refusal[0]);
}

void paint_print(enum paint paint, const char *text)
{
    if (paint == PAINT_NONE || !paint_is_on())
        fputs(text, stdout);
    else
        printf("\x1b[%sm%s\x1b[0m", codes[paint], text);
}

void paint_add(struct buf *out, struct bytes text)
{
    bool is_utf8 = bytes_is_utf8(text);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        bool is_control = byte < ' ' || byte == 0x7F;
        /* U+0080 to U+009F are controls too. */
        bool is_c1 = byte == 0xC2 && i + 1 < text.len && text.at[i + 1] < 0xA0;
        if (is_control || is_c1 || (byte >= 0x80 && !is_utf8))
            buf_add_byte(out, '?');
        else
            buf_add_byte(out, byte);
        i += is_utf8 && is_c1;
    }
}

void paint_number(struct buf *out, uint64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            buf_add_byte(out, ',');
        buf_add_byte(out, (uint8_t)digits[i]);
    }
}

void paint_size(struct buf *out, uint64_t size)
{
    static const char units[] = "BKMGT";
    size_t unit = 0;
    double value = (double)size;
    while (value >= 1024 && unit < sizeof units - 2) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        buf_addf(out, "%llu", (unsigned long long)size);
    else
        buf_addf(out, "%.1f%c", value, units[unit]);
}

void paint_duration(struct buf *out, int64_t duration_ms)
{
    static const struct {
        const char *name;
        int64_t length_ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
    for (size_t i = 0; i < COUNT(units); i++)
        /* 90 minutes say more than 1 hour: a unit is used from two of it on. */
        if (duration_ms >= 2 * units[i].length_ms ||
            (i + 1 == COUNT(units) && duration_ms >= units[i].length_ms)) {
            buf_addf(out, "%lld%s", (long long)(duration_ms / units[i].length_ms), units[i].name);
            return;
        }
    buf_addf(out, "%lldms", (long long)duration_ms);
}

void paint_word(struct buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:@%+=,-";
    if (word[strspn(word, plain)] == 0) {
        buf_add(out, bytes_of(word));
        return;
    }
    buf_add_byte(out, '\'');
    for (; *word; word++)
        buf_add(out, *word == '\'' ? BYTES("'\\''") : (struct bytes){(const uint8_t *)word, 1});
    buf_add_byte(out, '\'');
}
