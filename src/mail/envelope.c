#include "mail/envelope.h"

/* The form on disk. Numbers of eight bytes are little-endian, a string is its length and its
 * bytes, a length is a base-128 number with the low seven bits first and no needless byte, so
 * that there is one way only to write an envelope.
 *
 *     version, id, received, size, ret, body, flags, by mode, by, hold until,
 *     reverse-path, envid, client, helo, user, recipient count,
 *     then for each recipient: notify, address, orcpt */
enum {
    VERSION = 1,
    FLAG_SMTPUTF8 = 1,
    FLAG_BY_TRACE = 2,
    NOTIFY_ALL = NOTIFY_NEVER | NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY,
    RECIPIENT_LEAST = 3, /* bytes on disk: notify and two lengths */
};

static void add_number(struct buf *out, uint64_t number)
{
    for (int i = 0; i < 8; i++, number >>= 8)
        buf_add_byte(out, (uint8_t)(number & 0xFF));
}

static void add_length(struct buf *out, size_t length)
{
    for (; length > 0x7F; length >>= 7)
        buf_add_byte(out, (uint8_t)(length | 0x80));
    buf_add_byte(out, (uint8_t)length);
}

static void add_string(struct buf *out, struct bytes string)
{
    add_length(out, string.len);
    buf_add(out, string);
}

void envelope_print(struct buf *out, const struct envelope *envelope)
{
    buf_add_byte(out, VERSION);
    add_number(out, envelope->id);
    add_number(out, (uint64_t)envelope->received_ms);
    add_number(out, envelope->size);
    buf_add_byte(out, (uint8_t)envelope->ret);
    buf_add_byte(out, (uint8_t)envelope->body);
    buf_add_byte(out, (uint8_t)((envelope->is_smtputf8 ? FLAG_SMTPUTF8 : 0) |
                                (envelope->by_trace ? FLAG_BY_TRACE : 0)));
    buf_add_byte(out, (uint8_t)envelope->by_mode);
    add_number(out, (uint64_t)envelope->by_ms);
    add_number(out, (uint64_t)envelope->hold_until_ms);
    add_string(out, envelope->reverse_path);
    add_string(out, envelope->envid);
    add_string(out, envelope->client);
    add_string(out, envelope->helo);
    add_string(out, envelope->user);
    add_length(out, envelope->recipient_count);
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct envelope_recipient *recipient = &envelope->recipients[i];
        buf_add_byte(out, recipient->notify);
        add_string(out, recipient->address);
        add_string(out, recipient->orcpt);
    }
}

/* Takes one byte of at most max. */
static bool take_byte(struct bytes *rest, uint8_t max, uint8_t *out)
{
    if (rest->len == 0 || rest->at[0] > max)
        return false;
    *out = rest->at[0];
    *rest = bytes_from(*rest, 1);
    return true;
}

static bool take_number(struct bytes *rest, uint64_t *out)
{
    if (rest->len < 8)
        return false;
    uint64_t number = 0;
    for (int i = 7; i >= 0; i--)
        number = number << 8 | rest->at[i];
    *out = number;
    *rest = bytes_from(*rest, 8);
    return true;
}

static bool take_instant(struct bytes *rest, int64_t *out)
{
    uint64_t number;
    if (!take_number(rest, &number))
        return false;
    *out = (int64_t)number;
    return true;
}

static bool take_length(struct bytes *rest, size_t *out)
{
    uint64_t length = 0;
    uint8_t byte = 0;
    /* Nine times seven bits are more than any memory holds. */
    for (unsigned shift = 0; shift < 63; shift += 7) {
        if (!take_byte(rest, UINT8_MAX, &byte))
            return false;
        length |= (uint64_t)(byte & 0x7F) << shift;
        if (byte & 0x80)
            continue;
        if ((byte == 0 && shift > 0) || length > SIZE_MAX)
            return false;
        *out = (size_t)length;
        return true;
    }
    return false;
}

static bool take_string(struct bytes *rest, struct bytes *out)
{
    size_t length;
    if (!take_length(rest, &length) || length > rest->len)
        return false;
    *out = bytes_sub(*rest, 0, length);
    *rest = bytes_from(*rest, length);
    return true;
}

static bool take_modes(struct bytes *rest, struct envelope *out)
{
    uint8_t ret, body, flags, by_mode;
    if (!take_byte(rest, RET_HDRS, &ret) || !take_byte(rest, BODY_BINARYMIME, &body) ||
        !take_byte(rest, FLAG_SMTPUTF8 | FLAG_BY_TRACE, &flags) ||
        !take_byte(rest, BY_NOTIFY, &by_mode))
        return false;
    out->ret = (enum dsn_ret)ret;
    out->body = (enum body_type)body;
    out->is_smtputf8 = flags & FLAG_SMTPUTF8;
    out->by_trace = flags & FLAG_BY_TRACE;
    out->by_mode = (enum deliver_by)by_mode;
    return true;
}

static bool take_recipients(struct bytes *rest, struct arena *arena, struct envelope *out)
{
    size_t count;
    /* What cannot be there is not allocated for. */
    if (!take_length(rest, &count) || count > rest->len / RECIPIENT_LEAST)
        return false;
    out->recipient_count = count;
    if (count == 0)
        return true;
    if (count > SIZE_MAX / sizeof *out->recipients)
        return false;
    out->recipients = arena_alloc(arena, count * sizeof *out->recipients);
    if (!out->recipients)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct envelope_recipient *recipient = &out->recipients[i];
        if (!take_byte(rest, NOTIFY_ALL, &recipient->notify) ||
            !take_string(rest, &recipient->address) || !take_string(rest, &recipient->orcpt))
            return false;
    }
    return true;
}

bool envelope_scan(struct bytes stored, struct arena *arena, struct envelope *out)
{
    struct envelope found = {0};
    struct bytes rest = stored;
    uint8_t version;
    if (!take_byte(&rest, VERSION, &version) || version != VERSION)
        return false;
    if (!take_number(&rest, &found.id) || !take_instant(&rest, &found.received_ms) ||
        !take_number(&rest, &found.size) || !take_modes(&rest, &found) ||
        !take_instant(&rest, &found.by_ms) || !take_instant(&rest, &found.hold_until_ms))
        return false;
    if (!take_string(&rest, &found.reverse_path) || !take_string(&rest, &found.envid) ||
        !take_string(&rest, &found.client) || !take_string(&rest, &found.helo) ||
        !take_string(&rest, &found.user))
        return false;
    if (!take_recipients(&rest, arena, &found) || rest.len)
        return false;
    *out = found;
    return true;
}
