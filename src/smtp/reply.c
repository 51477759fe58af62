#include "smtp/reply.h"

enum { LINE_LIMIT = 500 }; /* code, status and text; RFC 5321, 4.5.3.1.5 has 512 with CRLF */

bool reply_status_is_valid(struct bytes status)
{
    struct bytes class, rest, subject, detail;
    uint64_t number;
    return bytes_cut(status, '.', &class, &rest) && bytes_cut(rest, '.', &subject, &detail) &&
           class.len == 1 && (class.at[0] == '2' || class.at[0] == '4' || class.at[0] == '5') &&
           subject.len <= 3 && detail.len <= 3 && scan_u64(subject, 999, &number) &&
           scan_u64(detail, 999, &number);
}

static void add_code(struct buf *out, int code)
{
    ASSERT(code >= 200 && code <= 599);
    uint8_t digits[3] = {(uint8_t)('0' + code / 100), (uint8_t)('0' + code / 10 % 10),
                         (uint8_t)('0' + code % 10)};
    buf_add(out, (struct bytes){digits, sizeof digits});
}

/* Control characters would end the line or upset a terminal; bytes over 127 may be sent to those
 * only who asked for SMTPUTF8 (RFC 6531, 3.7.4.2). */
static void add_text(struct buf *out, struct bytes text, size_t room)
{
    text = bytes_sub(text, 0, room);
    uint8_t *to = buf_reserve(out, text.len);
    if (!to)
        return;
    for (size_t i = 0; i < text.len; i++)
        to[i] = text.at[i] >= ' ' && text.at[i] < 127 ? text.at[i] : '?';
    buf_grow(out, text.len);
}

void reply_add(struct buf *out, int code, struct bytes status, struct bytes text)
{
    size_t start = out->len;
    add_code(out, code);
    buf_add_byte(out, ' ');
    if (status.len) {
        uint8_t class = (uint8_t)('0' + code / 100);
        if (status.at[0] == class && reply_status_is_valid(status)) {
            buf_add(out, status);
        } else {
            buf_add_byte(out, class);
            buf_add(out, BYTES(".0.0"));
        }
        buf_add_byte(out, ' ');
    }
    if (!out->overflowed)
        add_text(out, text, LINE_LIMIT - (out->len - start));
    buf_add(out, BYTES("\r\n"));
}

void reply_add_line(struct buf *out, int code, enum reply_place place, struct bytes text)
{
    add_code(out, code);
    buf_add_byte(out, place == REPLY_LAST ? ' ' : '-');
    add_text(out, text, LINE_LIMIT);
    buf_add(out, BYTES("\r\n"));
}
