#include "auth/canonical.h"

#include <endian.h>
#include <string.h>

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* Writes the value unfolded, runs of blanks as one space, none at either end; gives how many bytes,
 * no more than it has. */
static size_t relax_value(uint8_t *out, struct bytes value)
{
    size_t len = 0;
    bool has_blank = false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];
        if (byte == '\r' && i + 1 < value.len && value.at[i + 1] == '\n') {
            i++; /* a fold: header_next() ends a field at any other CRLF */
            continue;
        }
        if (is_blank(byte)) {
            has_blank = true;
            continue;
        }
        if (has_blank && len)
            out[len++] = ' ';
        out[len++] = byte;
        has_blank = false;
    }
    return len;
}

static void relax_field(struct buf *out, const struct header_field *field)
{
    size_t len = field->name.len;
    uint8_t *room = buf_reserve(out, len + field->value.len + 3);
    if (!room)
        return;
    for (size_t i = 0; i < len; i++)
        room[i] = ascii_lower(field->name.at[i]);
    room[len++] = ':';
    len += relax_value(room + len, field->value);
    room[len++] = '\r';
    room[len++] = '\n';
    buf_grow(out, len);
}

void canonical_field(struct buf *out, enum canonical_form form, const struct header_field *field)
{
    switch (form) {
    case CANONICAL_SIMPLE:
        buf_add(out, field->whole);
        if (!bytes_ends_nocase(field->whole, BYTES("\r\n")))
            buf_add(out, BYTES("\r\n"));
        return;
    case CANONICAL_RELAXED: relax_field(out, field); return;
    }
}

void canonical_body_init(struct canonical_body *body, enum canonical_form form)
{
    *body = (struct canonical_body){.form = form};
}

/* Where the form is written to. */
struct room {
    uint8_t *at;
    size_t len, size;
};

/* Writes what was held back; false: there was no room for all of it, and the rest is held. */
static bool put_held(struct canonical_body *body, struct room *room)
{
    while (body->lines) {
        if (room->size - room->len < 2)
            return false;
        memcpy(room->at + room->len, "\r\n", 2);
        room->len += 2;
        body->lines--;
    }
    if (body->has_blank) {
        if (room->len == room->size)
            return false;
        room->at[room->len++] = ' ';
        body->has_blank = false;
    }
    return true;
}

/* Writes a byte behind what was held back; false: no room, and it is not written. */
static bool put(struct canonical_body *body, struct room *room, uint8_t byte)
{
    body->is_begun = true;
    if (!put_held(body, room) || room->len == room->size)
        return false;
    room->at[room->len++] = byte;
    return true;
}

/* How much of the front stays as it is in the simple form: all but a CR that does not end a line
 * with something behind it. */
static size_t plain_simple(const uint8_t *text, size_t len)
{
    size_t at = 0;
    for (;;) {
        at += bytes_find((struct bytes){text + at, len - at}, '\r');
        if (len - at < 3 || text[at + 1] != '\n' || text[at + 2] == '\r')
            return at;
        at += 2;
    }
}

static bool needs_care(uint8_t byte)
{
    return byte == '\r' || is_blank(byte);
}

/* How much of the front has no blanks and no controls, eight bytes at a time: where a byte is not
 * greater than a space, the subtraction borrows into its top bit. */
static size_t run_of_letters(const uint8_t *text, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t at = 0;
    for (uint64_t eight; len - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        eight = le64toh(eight);
        uint64_t low = (eight - (' ' + 1) * ones) & ~eight & 0x80 * ones;
        if (low)
            return at + (size_t)__builtin_ctzll(low) / 8;
    }
    while (at < len && text[at] > ' ')
        at++;
    return at;
}

/* The same in the relaxed form: single spaces between words may stay as well. */
static size_t plain_relaxed(const uint8_t *text, size_t len)
{
    size_t at = 0;
    while ((at += run_of_letters(text + at, len - at)) < len) {
        if (!needs_care(text[at]))
            at++;
        else if (text[at] == ' ' && len - at > 1 && !needs_care(text[at + 1]))
            at += 2;
        else if (text[at] == '\r' && len - at > 2 && text[at + 1] == '\n' &&
                 !needs_care(text[at + 2]))
            at += 3;
        else
            break;
    }
    return at;
}

/* Copies what needs no care from the front of *text. */
static void copy_plain(enum canonical_form form, struct bytes *text, struct room *room)
{
    size_t most = room->size - room->len, len = 0;
    if (most > text->len)
        most = text->len;
    switch (form) {
    case CANONICAL_SIMPLE: len = plain_simple(text->at, most); break;
    case CANONICAL_RELAXED: len = plain_relaxed(text->at, most); break;
    }
    memcpy(room->at + room->len, text->at, len);
    room->len += len;
    *text = bytes_from(*text, len);
}

/* Takes one byte, and those behind it that are as plain; false: there is no room. */
static bool take(struct canonical_body *body, struct bytes *text, struct room *room)
{
    uint8_t byte = text->at[0];
    if (body->has_cr) {
        if (byte != '\n') {
            if (!put(body, room, '\r')) /* it was one alone */
                return false;
            body->has_cr = false;
            return true;
        }
        body->has_cr = body->has_blank = false;
        body->lines++;
    } else if (byte == '\r') {
        body->has_cr = true;
    } else if (body->form == CANONICAL_RELAXED && is_blank(byte)) {
        body->has_blank = true;
    } else {
        if (!put(body, room, byte))
            return false;
        *text = bytes_from(*text, 1);
        copy_plain(body->form, text, room);
        return true;
    }
    *text = bytes_from(*text, 1);
    return true;
}

size_t canonical_body_add(struct canonical_body *body, struct bytes *text, uint8_t *out,
                          size_t room_size)
{
    struct room room = {out, 0, room_size};
    ASSERT(room_size >= CANONICAL_ROOM);
    while (text->len && take(body, text, &room))
        ;
    return room.len;
}

size_t canonical_body_end(struct canonical_body *body, uint8_t *out, size_t room_size)
{
    struct room room = {out, 0, room_size};
    ASSERT(room_size >= CANONICAL_ROOM);
    if (body->has_cr && !put(body, &room, '\r')) /* one alone */
        return room.len;
    body->has_cr = false;
    /* One CRLF ends the last line, whether it had one or not; without a line at all only the
     * simple form has it. Blanks before it are gone in the relaxed form. */
    if (body->is_begun || body->form == CANONICAL_SIMPLE) {
        if (room.size - room.len < 2)
            return room.len;
        memcpy(room.at + room.len, "\r\n", 2);
        room.len += 2;
    }
    canonical_body_init(body, CANONICAL_RELAXED); /* which has nothing more to say */
    return room.len;
}
