/* The state of a message as kept in the spool beside it: what became of each recipient.
 *
 *     version; in version 2, the message's flags (MESSAGE_…); then for each recipient
 *         state (SLOT_…), with OUTCOME when an attempt's outcome follows
 *         open: attempts, instant of the next one (0: at once)
 *         outcome: instant, code, flags, status, reply, remote
 *
 * Version 1 is written where no flag is set, and version 2 is not; so each state has one form.
 * Numbers, instants (of fixed size) and strings as base/packed.h has them. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/packed.h"
#include "queue/queue_state.h"

enum {
    VERSION_PLAIN = 1,
    VERSION_FLAGS = 2,
    OUTCOME = 0x80,
    FLAG_RELAYED = 1,
    CODE_LIMIT = 999,
};

static void add_outcome(struct buf *out, const struct slot *slot)
{
    const struct outcome *outcome = slot->outcome;
    packed_add_fixed(out, (uint64_t)slot->at_s * 1000);
    packed_add_number(out, (uint64_t)outcome->code);
    buf_add_byte(out, outcome->was_relayed ? FLAG_RELAYED : 0);
    packed_add_string(out, bytes_of(outcome->status));
    packed_add_string(out, outcome_reply(outcome));
    packed_add_string(out, outcome_remote(outcome));
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
            packed_add_number(out, slot->attempts);
            packed_add_fixed(out, (uint64_t)next_ms[i]);
        }
        if (slot->outcome)
            add_outcome(out, slot);
    }
}

static bool take_instant(struct bytes *rest, int64_t *out)
{
    uint64_t number;
    if (!packed_take_fixed(rest, &number) || number > INT64_MAX)
        return false;
    *out = (int64_t)number;
    return true;
}

static bool take_outcome(struct outcomes *outcomes, struct bytes *rest, struct slot *slot)
{
    struct delivery_result result = {0};
    struct bytes status, remote;
    int64_t at_ms;
    uint64_t code;
    uint8_t flags;
    if (!take_instant(rest, &at_ms) || !packed_take_number(rest, CODE_LIMIT, &code) ||
        !packed_take_byte(rest, FLAG_RELAYED, &flags) ||
        !packed_take_string(rest, sizeof result.status - 1, &status) ||
        bytes_find(status, 0) < status.len ||
        !packed_take_string(rest, REPLY_LIMIT, &result.reply) ||
        !packed_take_string(rest, OUTCOME_REMOTE_LIMIT, &remote))
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
    if (!packed_take_byte(rest, UINT8_MAX, &state) || (state & ~OUTCOME) > SLOT_FAILED_UNTOLD)
        return false;
    slot->state = (uint8_t)(state & ~OUTCOME);
    if (slot->state == SLOT_OPEN &&
        (!packed_take_number(rest, UINT16_MAX, &attempts) || !take_instant(rest, next_ms)))
        return false;
    slot->attempts = (uint16_t)attempts;
    return !(state & OUTCOME) || take_outcome(outcomes, rest, slot);
}

static bool take_version(struct bytes *rest, uint8_t *flags)
{
    uint8_t version;
    *flags = 0;
    if (!packed_take_byte(rest, UINT8_MAX, &version))
        return false;
    if (version == VERSION_PLAIN)
        return true;
    return version == VERSION_FLAGS && packed_take_byte(rest, UINT8_MAX, flags) && *flags &&
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
