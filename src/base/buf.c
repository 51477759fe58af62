#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Holds a reply, an envelope or a trace field, as most buffers do, without growing again. */
enum { FIRST_CAP = 256 };

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){.limit = limit};
}

void buf_done(struct buf *buf)
{
    free(buf->at);
    *buf = (struct buf){.limit = 0};
}

uint8_t *buf_reserve(struct buf *buf, size_t more)
{
    if (buf->overflowed || more > buf->limit - buf->len) {
        buf->overflowed = true;
        return NULL;
    }
    if (more > buf->cap - buf->len) {
        size_t cap = buf->cap ? buf->cap : FIRST_CAP;
        if (cap > buf->limit)
            cap = buf->limit;
        while (more > cap - buf->len)
            cap = cap > buf->limit / 2 ? buf->limit : cap * 2;
        buf->at = memory_resize(buf->at, cap, 1);
        buf->cap = cap;
    }
    /* Never NULL on success, so that a caller may test the pointer alone. */
    if (!buf->at) {
        buf->at = memory_resize(NULL, 1, 1);
        buf->cap = buf->limit ? 1 : 0;
    }
    return buf->at + buf->len;
}

void buf_grow(struct buf *buf, size_t more)
{
    ASSERT(more <= buf->cap - buf->len);
    buf->len += more;
}

void buf_add(struct buf *buf, struct bytes bytes)
{
    if (bytes.len == 0)
        return;
    uint8_t *room = buf_reserve(buf, bytes.len);
    if (!room)
        return;
    memcpy(room, bytes.at, bytes.len);
    buf->len += bytes.len;
}

void buf_add_byte(struct buf *buf, uint8_t byte)
{
    if (buf->len < buf->cap && !buf->overflowed)
        buf->at[buf->len++] = byte;
    else
        buf_add(buf, (struct bytes){&byte, 1});
}

void buf_add_u64(struct buf *buf, uint64_t number)
{
    uint8_t digits[20];
    size_t start = sizeof digits;
    do {
        digits[--start] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    buf_add(buf, (struct bytes){digits + start, sizeof digits - start});
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    char shorter[256], *text = shorter;
    va_list values;
    va_start(values, format);
    int len = vsnprintf(shorter, sizeof shorter, format, values);
    va_end(values);
    ASSERT(len >= 0);
    if ((size_t)len > buf->limit - buf->len) {
        buf->overflowed = true;
        return;
    }
    if ((size_t)len >= sizeof shorter) {
        text = memory_new((size_t)len + 1, 1);
        va_start(values, format);
        vsnprintf(text, (size_t)len + 1, format, values);
        va_end(values);
    }
    buf_add(buf, (struct bytes){(const uint8_t *)text, (size_t)len});
    if (text != shorter)
        free(text);
}

struct bytes buf_view(const struct buf *buf)
{
    return (struct bytes){buf->at, buf->len};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->overflowed = false;
}

void buf_free(struct buf *buf)
{
    size_t limit = buf->limit;
    buf_done(buf);
    buf_init(buf, limit);
}

void buf_drop(struct buf *buf, size_t count)
{
    if (count > buf->len)
        count = buf->len;
    if (count && count < buf->len)
        memmove(buf->at, buf->at + count, buf->len - count);
    buf->len -= count;
}
