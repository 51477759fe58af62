#include "cli/trace_field.h"

#include <string.h>

#include "base/id.h"
#include "base/instant.h"

static uint8_t hex_value(uint8_t digit)
{
    return ascii_is_digit(digit) ? (uint8_t)(digit - '0')
                                 : (uint8_t)(ascii_lower(digit) - 'a' + 10);
}

/* One escape of base/log.h, behind its backslash; the count of its bytes. */
static size_t unescape(struct bytes rest, struct buf *value)
{
    static const char from[] = "nrt", to[] = "\n\r\t";
    const char *known = rest.len ? memchr(from, rest.at[0], sizeof from - 1) : NULL;
    if (known) {
        buf_add_byte(value, (uint8_t)to[known - from]);
        return 1;
    }
    if (rest.len >= 3 && rest.at[0] == 'x') {
        buf_add_byte(value, (uint8_t)(hex_value(rest.at[1]) << 4 | hex_value(rest.at[2])));
        return 3;
    }
    buf_add(value, bytes_sub(rest, 0, 1));
    return 1;
}

/* Cuts the next field off: its name and its value as written, without quotes. */
static bool cut_field(struct bytes *rest, struct bytes *name, struct bytes *raw)
{
    *rest = bytes_trim(*rest);
    size_t equals = bytes_find(*rest, '=');
    if (equals == 0 || equals == rest->len)
        return false;
    *name = bytes_sub(*rest, 0, equals);
    *rest = bytes_from(*rest, equals + 1);
    if (rest->len == 0 || rest->at[0] != '"') {
        bytes_cut(*rest, ' ', raw, rest);
        return true;
    }
    size_t end = 1;
    while (end < rest->len && rest->at[end] != '"')
        end += rest->at[end] == '\\' ? 2 : 1;
    *raw = bytes_sub(*rest, 1, end - 1);
    *rest = bytes_from(*rest, end + 1);
    return true;
}

bool trace_field(struct bytes *rest, struct bytes *name, struct buf *value)
{
    struct bytes raw;
    buf_clear(value);
    if (!cut_field(rest, name, &raw))
        return false;
    while (raw.len) {
        bool is_escape = raw.at[0] == '\\';
        size_t used = is_escape ? 1 + unescape(bytes_from(raw, 1), value) : 1;
        if (!is_escape)
            buf_add_byte(value, raw.at[0]);
        raw = bytes_from(raw, used);
    }
    return true;
}

bool trace_field_find(struct bytes line, struct bytes wanted, struct buf *value)
{
    struct bytes name;
    while (trace_field(&line, &name, value))
        if (bytes_equal(name, wanted))
            return value->len > 0;
    buf_clear(value);
    return false;
}

/* Field by field, as a value from outside may look like another field. */
struct bytes trace_field_raw(struct bytes line, struct bytes wanted)
{
    struct bytes name, raw;
    while (cut_field(&line, &name, &raw))
        if (bytes_equal(name, wanted))
            return raw;
    return BYTES_NONE;
}

uint64_t trace_field_id(struct bytes line, struct bytes wanted)
{
    uint64_t id = 0;
    return id_scan(trace_field_raw(line, wanted), &id) ? id : 0;
}

bool trace_field_is_event(struct bytes line, struct bytes event)
{
    return bytes_equal(trace_field_raw(line, BYTES("event")), event);
}

bool trace_field_instant(struct bytes line, int64_t *out_ms)
{
    return instant_scan(trace_field_raw(line, BYTES("time")), out_ms);
}
