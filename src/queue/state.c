/* The state of a message as kept in the spool beside it: what became of each recipient.
 *
 *     version; in version 2, the message's flags (MESSAGE_…); then for each recipient
 *         state (SLOT_…), with OUTCOME when an attempt's outcome follows
 *         open: attempts, instant of the next one (0: at once)
 *         outcome: instant, code, flags, status, reply, remote
 *
 * Version 1 is written where no flag is set, and version 2 is not; so each state has one form.
 * Numbers are base-128 with the low seven bits first and no needless byte; instants are eight
 * bytes, little-endian. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/queue_state.h"

enum {
    VERSION_PLAIN = 1,
    VERSION_FLAGS = 2,
    OUTCOME = 0x80,
    FLAG_RELAYED = 1,
    CODE_LIMIT = 999,
};

static void add_number(struct buf *out, uint64_t number)
{
    for (; number > 0x7F; number >>= 7)
        buf_add_byte(out, (uint8_t)(number | 0x80));
    buf_add_byte(out, (uint8_t)number);
}

static void add_instant(struct buf *out, int64_t instant_ms)
{
    uint64_t number = (uint64_t)instant_ms;
    for (int i = 0; i < 8; i++, number >>= 8)
        buf_add_byte(out, (uint8_t)(number & 0xFF));
}

static void add_string(struct buf *out, struct bytes string)
{
    add_number(out, string.len);
    buf_add(out, string);
}

static void add_outcome(struct buf *out, const struct slot *slot)
{
    const struct outcome *outcome = slot->outcome;
    add_instant(out, (int64_t)slot->at_s * 1000);
    add_number(out, (uint64_t)outcome->code);
    buf_add_byte(out, outcome->was_relayed ? FLAG_RELAYED : 0);
    add_string(out, bytes_of(outcome->status));
    add_string(out, outcome_reply(outcome));
    add_string(out, outcome_remote(outcome));
}

void state_print(struct buf *out, uint8_t flags, const struct slot *slots, const int64_t *next_ms,
                 size_t count)
{
    buf_add_byte(out, flags ? VERSION_FLAGS : VERSION_PLAIN);
    if (flags)
        buf_add_byte(out, flags);
    for (size_t i = 0; i < count; i++) {
        const struct slot *slot = &slots[i];
        buf_add_byte(out, (uint8_t)(slot->state | (slot->outcome ? OUTCOME : 0)));
        if (slot->state == SLOT_OPEN) {
            add_number(out, slot->attempts);
            add_instant(out, next_ms[i]);
        }
        if (slot->outcome)
            add_outcome(out, slot);
    }
}

static bool take_byte(struct bytes *rest, uint8_t *out)
{
    if (rest->len == 0)
        return false;
    *out = rest->at[0];
    *rest = bytes_from(*rest, 1);
    return true;
}

static bool take_number(struct bytes *rest, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;
    uint8_t byte;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (!take_byte(rest, &byte))
            return false;
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte & 0x80)
            continue;
        if ((byte == 0 && shift > 0) || number > max)
            return false;
        *out = number;
        return true;
    }
    return false;
}

static bool take_instant(struct bytes *rest, int64_t *out)
{
    if (rest->len < 8)
        return false;
    uint64_t number = 0;
    for (int i = 7; i >= 0; i--)
        number = number << 8 | rest->at[i];
    *rest = bytes_from(*rest, 8);
    *out = (int64_t)number;
    return *out >= 0;
}

static bool take_string(struct bytes *rest, size_t limit, struct bytes *out)
{
    uint64_t len;
    if (!take_number(rest, limit, &len) || len > rest->len)
        return false;
    *out = bytes_sub(*rest, 0, (size_t)len);
    *rest = bytes_from(*rest, (size_t)len);
    return true;
}

static bool take_outcome(struct outcomes *outcomes, struct bytes *rest, struct slot *slot)
{
    struct delivery_result result = {0};
    struct bytes status, remote;
    int64_t at_ms;
    uint64_t code;
    uint8_t flags;
    if (!take_instant(rest, &at_ms) || !take_number(rest, CODE_LIMIT, &code) ||
        !take_byte(rest, &flags) || flags > FLAG_RELAYED ||
        !take_string(rest, sizeof result.status - 1, &status) ||
        bytes_find(status, 0) < status.len || !take_string(rest, REPLY_LIMIT, &result.reply) ||
        !take_string(rest, OUTCOME_REMOTE_LIMIT, &remote))
        return false;
    result.code = (int)code;
    if (status.len)
        memcpy(result.status, status.at, status.len);
    /* Sub-second parts, which were kept once, say nothing that matters. */
    slot->at_s = at_ms / 1000 <= UINT32_MAX ? (uint32_t)(at_ms / 1000) : 0;
    slot->outcome = outcome_new(outcomes, &result, remote, flags & FLAG_RELAYED);
    return true;
}

static bool take_slot(struct outcomes *outcomes, struct bytes *rest, struct slot *slot,
                      int64_t *next_ms)
{
    uint8_t state;
    uint64_t attempts = 0;
    *next_ms = 0;
    if (!take_byte(rest, &state) || (state & ~OUTCOME) > SLOT_FAILED_UNTOLD)
        return false;
    slot->state = (uint8_t)(state & ~OUTCOME);
    if (slot->state == SLOT_OPEN &&
        (!take_number(rest, UINT16_MAX, &attempts) || !take_instant(rest, next_ms)))
        return false;
    slot->attempts = (uint16_t)attempts;
    return !(state & OUTCOME) || take_outcome(outcomes, rest, slot);
}

static bool take_version(struct bytes *rest, uint8_t *flags)
{
    uint8_t version;
    *flags = 0;
    if (!take_byte(rest, &version))
        return false;
    if (version == VERSION_PLAIN)
        return true;
    return version == VERSION_FLAGS && take_byte(rest, flags) && *flags &&
           !(*flags & ~MESSAGE_FLAGS);
}

bool state_scan(struct outcomes *outcomes, struct bytes state, uint8_t *flags, struct slot *slots,
                int64_t *next_ms, size_t count)
{
    uint8_t found_flags;
    if (!take_version(&state, &found_flags))
        return false;
    struct slot *found = memory_new(count, sizeof *found);
    int64_t *found_ms = memory_new(count, sizeof *found_ms);
    size_t done = 0;
    while (done < count && take_slot(outcomes, &state, &found[done], &found_ms[done]))
        done++;
    bool is_good = done == count && state.len == 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_good) {
            outcome_leave(outcomes, found[i].outcome);
            continue;
        }
        outcome_leave(outcomes, slots[i].outcome);
        slots[i].outcome = found[i].outcome;
        slots[i].at_s = found[i].at_s;
        slots[i].state = found[i].state;
        slots[i].attempts = found[i].attempts;
        next_ms[i] = found_ms[i];
    }
    if (is_good)
        *flags = found_flags;
    free(found);
    free(found_ms);
    return is_good;
}
