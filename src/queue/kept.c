#include "queue/kept.h"

#include "base/packed.h"

/*     modes (two bits each of ret, body and by mode, then flags), marks (which of the optional
 *     parts there are), size, [by], [hold until], [envid], reverse-path, recipient count,
 *     then for each recipient: address, [orcpt]
 *
 * Numbers and strings as base/packed.h has them. */
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
    packed_add_number(out, envelope->size);
    if (marks & MARK_BY)
        packed_add_number(out, (uint64_t)envelope->by_ms);
    if (marks & MARK_HOLD)
        packed_add_number(out, (uint64_t)envelope->hold_until_ms);
    if (marks & MARK_ENVID)
        packed_add_string(out, envelope->envid);
    packed_add_string(out, envelope->reverse_path);
    packed_add_number(out, envelope->recipient_count);
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        packed_add_string(out, envelope->recipients[i].address);
        if (marks & MARK_ORCPT)
            packed_add_string(out, envelope->recipients[i].orcpt);
    }
}

/* It is our own memory: nothing in it can be wrong. */
static uint8_t take_byte(struct bytes *rest)
{
    uint8_t byte;
    bool is_good = packed_take_byte(rest, UINT8_MAX, &byte);
    ASSERT(is_good);
    return byte;
}

static uint64_t take_number(struct bytes *rest)
{
    uint64_t number;
    bool is_good = packed_take_number(rest, UINT64_MAX, &number);
    ASSERT(is_good);
    return number;
}

static struct bytes take_string(struct bytes *rest)
{
    struct bytes string;
    bool is_good = packed_take_string(rest, SIZE_MAX, &string);
    ASSERT(is_good);
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
