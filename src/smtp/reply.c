#include "smtp/reply.h"

#include <string.h>

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

/* The writers put a line into room reserved once: most commands cost little but their reply. */
static uint8_t *put(uint8_t *to, struct bytes bytes)
{
    if (bytes.len)
        memcpy(to, bytes.at, bytes.len);
    return to + bytes.len;
}

static uint8_t *put_code(uint8_t *to, int code)
{
    ASSERT(code >= 200 && code <= 599);
    *to++ = (uint8_t)('0' + code / 100);
    *to++ = (uint8_t)('0' + code / 10 % 10);
    *to++ = (uint8_t)('0' + code % 10);
    *to++ = ' ';
    return to;
}

/* Control characters would end the line or upset a terminal; bytes over 127 may be sent to those
 * only who asked for SMTPUTF8 (RFC 6531, 3.7.4.2). */
static uint8_t *put_text(uint8_t *to, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        *to++ = text.at[i] >= ' ' && text.at[i] < 127 ? text.at[i] : '?';
    return put(to, BYTES("\r\n"));
}

void reply_add(struct buf *out, int code, struct bytes status, struct bytes text)
{
    uint8_t fallback[] = {(uint8_t)('0' + code / 100), '.', '0', '.', '0'};
    if (status.len && (status.at[0] != fallback[0] || !reply_status_is_valid(status)))
        status = (struct bytes){fallback, sizeof fallback};
    size_t head = status.len ? 4 + status.len + 1 : 4;
    text = bytes_sub(text, 0, LINE_LIMIT - head);
    size_t len = head + text.len + 2;
    uint8_t *to = buf_reserve(out, len);
    if (!to)
        return;
    to = put_code(to, code);
    if (status.len) {
        to = put(to, status);
        *to++ = ' ';
    }
    put_text(to, text);
    buf_grow(out, len);
}
