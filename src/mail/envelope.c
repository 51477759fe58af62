#include "mail/envelope.h"

#include "base/packed.h"

/* The form on disk (base/packed.h); numbers and instants are of fixed size.
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

void envelope_print(struct buf *out, const struct envelope *envelope)
{
    buf_add_byte(out, VERSION);
    packed_add_fixed(out, envelope->id);
    packed_add_fixed(out, (uint64_t)envelope->received_ms);
    packed_add_fixed(out, envelope->size);
    buf_add_byte(out, (uint8_t)envelope->ret);
    buf_add_byte(out, (uint8_t)envelope->body);
    buf_add_byte(out, (uint8_t)((envelope->is_smtputf8 ? FLAG_SMTPUTF8 : 0) |
                                (envelope->by_trace ? FLAG_BY_TRACE : 0)));
    buf_add_byte(out, (uint8_t)envelope->by_mode);
    packed_add_fixed(out, (uint64_t)envelope->by_ms);
    packed_add_fixed(out, (uint64_t)envelope->hold_until_ms);
    packed_add_string(out, envelope->reverse_path);
    packed_add_string(out, envelope->envid);
    packed_add_string(out, envelope->client);
    packed_add_string(out, envelope->helo);
    packed_add_string(out, envelope->user);
    packed_add_number(out, envelope->recipient_count);
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct envelope_recipient *recipient = &envelope->recipients[i];
        buf_add_byte(out, recipient->notify);
        packed_add_string(out, recipient->address);
        packed_add_string(out, recipient->orcpt);
    }
}

static bool take_instant(struct bytes *rest, int64_t *out)
{
    uint64_t number;
    if (!packed_take_fixed(rest, &number))
        return false;
    *out = (int64_t)number;
    return true;
}

static bool take_string(struct bytes *rest, struct bytes *out)
{
    return packed_take_string(rest, SIZE_MAX, out);
}

static bool take_modes(struct bytes *rest, struct envelope *out)
{
    uint8_t ret, body, flags, by_mode;
    if (!packed_take_byte(rest, RET_HDRS, &ret) ||
        !packed_take_byte(rest, BODY_BINARYMIME, &body) ||
        !packed_take_byte(rest, FLAG_SMTPUTF8 | FLAG_BY_TRACE, &flags) ||
        !packed_take_byte(rest, BY_NOTIFY, &by_mode))
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
    uint64_t count;
    /* What cannot be there is not allocated for. */
    if (!packed_take_number(rest, SIZE_MAX, &count) || count > rest->len / RECIPIENT_LEAST)
        return false;
    out->recipient_count = (size_t)count;
    if (count == 0)
        return true;
    if (count > SIZE_MAX / sizeof *out->recipients)
        return false;
    out->recipients = arena_alloc(arena, count * sizeof *out->recipients);
    if (!out->recipients)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct envelope_recipient *recipient = &out->recipients[i];
        if (!packed_take_byte(rest, NOTIFY_ALL, &recipient->notify) ||
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
    if (!packed_take_byte(&rest, VERSION, &version) || version != VERSION)
        return false;
    if (!packed_take_fixed(&rest, &found.id) || !take_instant(&rest, &found.received_ms) ||
        !packed_take_fixed(&rest, &found.size) || !take_modes(&rest, &found) ||
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
