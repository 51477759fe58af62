#include "queue/kept.h"

/*     modes (two bits each of ret, body and by mode, then flags), marks (which of the optional
 *     parts there are), size, [by], [hold until], [envid], reverse-path, recipient count,
 *     then for each recipient: address, [orcpt]
 *
 * Numbers are base-128 with the low seven bits first; a string is its length and its bytes. */
enum {
    BODY_SHIFT = 2,
    BY_SHIFT = 4,
    MODE_SMTPUTF8 = 0x40,
    MODE_BY_TRACE = 0x80,
    MARK_BY = 1,
    MARK_HOLD = 2,
    MARK_ENVID = 4,
    MARK_ORCPT = 8,
};

static void add_number(struct buf *out, uint64_t number)
{
    for (; number > 0x7F; number >>= 7)
        buf_add_byte(out, (uint8_t)(number | 0x80));
    buf_add_byte(out, (uint8_t)number);
}

static void add_string(struct buf *out, struct bytes string)
{
    add_number(out, string.len);
    buf_add(out, string);
}

static uint8_t modes_of(const struct envelope *envelope)
{
    return (uint8_t)((unsigned)envelope->ret | (unsigned)envelope->body << BODY_SHIFT |
                     (unsigned)envelope->by_mode << BY_SHIFT |
                     (envelope->is_smtputf8 ? MODE_SMTPUTF8 : 0U) |
                     (envelope->by_trace ? MODE_BY_TRACE : 0U));
}

static uint8_t marks_of(const struct envelope *envelope)
{
    unsigned marks = (envelope->by_ms ? MARK_BY : 0U) | (envelope->hold_until_ms ? MARK_HOLD : 0U) |
                     (envelope->envid.len ? MARK_ENVID : 0U);
    for (size_t i = 0; i < envelope->recipient_count; i++)
        if (envelope->recipients[i].orcpt.len)
            marks |= MARK_ORCPT;
    return (uint8_t)marks;
}

void kept_print(struct buf *out, const struct envelope *envelope)
{
    uint8_t marks = marks_of(envelope);
    buf_add_byte(out, modes_of(envelope));
    buf_add_byte(out, marks);
    add_number(out, envelope->size);
    if (marks & MARK_BY)
        add_number(out, (uint64_t)envelope->by_ms);
    if (marks & MARK_HOLD)
        add_number(out, (uint64_t)envelope->hold_until_ms);
    if (marks & MARK_ENVID)
        add_string(out, envelope->envid);
    add_string(out, envelope->reverse_path);
    add_number(out, envelope->recipient_count);
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        add_string(out, envelope->recipients[i].address);
        if (marks & MARK_ORCPT)
            add_string(out, envelope->recipients[i].orcpt);
    }
}

static uint8_t take_byte(struct bytes *rest)
{
    ASSERT(rest->len > 0);
    uint8_t byte = rest->at[0];
    *rest = bytes_from(*rest, 1);
    return byte;
}

static uint64_t take_number(struct bytes *rest)
{
    uint64_t number = 0;
    uint8_t byte;
    unsigned shift = 0;
    do {
        byte = take_byte(rest);
        number |= (uint64_t)(byte & 0x7F) << shift;
        shift += 7;
    } while (byte & 0x80 && shift < 64);
    return number;
}

static struct bytes take_string(struct bytes *rest)
{
    uint64_t len = take_number(rest);
    ASSERT(len <= rest->len);
    struct bytes string = bytes_sub(*rest, 0, (size_t)len);
    *rest = bytes_from(*rest, (size_t)len);
    return string;
}

void kept_scan(struct bytes kept, struct arena *arena, struct envelope *out)
{
    uint8_t modes = take_byte(&kept), marks = take_byte(&kept);
    *out = (struct envelope){
        .ret = (enum dsn_ret)(modes & 3),
        .body = (enum body_type)(modes >> BODY_SHIFT & 3),
        .by_mode = (enum deliver_by)(modes >> BY_SHIFT & 3),
        .is_smtputf8 = modes & MODE_SMTPUTF8,
        .by_trace = modes & MODE_BY_TRACE,
        .size = take_number(&kept),
    };
    if (marks & MARK_BY)
        out->by_ms = (int64_t)take_number(&kept);
    if (marks & MARK_HOLD)
        out->hold_until_ms = (int64_t)take_number(&kept);
    if (marks & MARK_ENVID)
        out->envid = take_string(&kept);
    out->reverse_path = take_string(&kept);
    out->recipient_count = (size_t)take_number(&kept);
    if (out->recipient_count == 0)
        return;
    out->recipients = arena_alloc(arena, out->recipient_count * sizeof *out->recipients);
    ASSERT(out->recipients);
    for (size_t i = 0; i < out->recipient_count; i++) {
        out->recipients[i].address = take_string(&kept);
        if (marks & MARK_ORCPT)
            out->recipients[i].orcpt = take_string(&kept);
    }
}
