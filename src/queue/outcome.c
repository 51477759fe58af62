#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "queue/queue_state.h"

/* A million messages that one destination deferred have one outcome, or few: alike ones are one
 * block with a count of those who have it, found by its hash. Where two have one hash (it takes
 * the seed to make that happen), the second is simply not shared. */

void outcomes_init(struct outcomes *outcomes, uint64_t seed)
{
    outcomes->by_hash = table_new(seed);
    outcomes->seed = seed;
}

void outcomes_done(struct outcomes *outcomes)
{
    table_free(outcomes->by_hash);
}

/* All of it but the count. */
static struct bytes content(const struct outcome *outcome)
{
    size_t before = offsetof(struct outcome, code);
    size_t len = sizeof *outcome + outcome->reply_len + outcome->remote_len;
    return (struct bytes){(const uint8_t *)outcome + before, len - before};
}

static struct outcome *share(struct outcomes *outcomes, struct outcome *made_owned)
{
    uint64_t hash = hash_bytes(content(made_owned), outcomes->seed);
    struct outcome *found = table_find(outcomes->by_hash, hash);
    made_owned->users = 1;
    if (!found) {
        table_add(outcomes->by_hash, hash, made_owned);
        return made_owned;
    }
    if (!bytes_equal(content(found), content(made_owned)))
        return made_owned;
    free(made_owned);
    found->users++;
    return found;
}

static struct outcome *outcome_make(struct bytes status, struct bytes reply, struct bytes remote)
{
    reply = bytes_sub(reply, 0, REPLY_LIMIT);
    remote = bytes_sub(remote, 0, OUTCOME_REMOTE_LIMIT);
    struct outcome *outcome = memory_new(1, sizeof *outcome + reply.len + remote.len);
    status = bytes_sub(status, 0, sizeof outcome->status - 1);
    outcome->reply_len = (uint16_t)reply.len;
    outcome->remote_len = (uint16_t)remote.len;
    if (status.len)
        memcpy(outcome->status, status.at, status.len);
    if (reply.len)
        memcpy(outcome->text, reply.at, reply.len);
    if (remote.len)
        memcpy(outcome->text + reply.len, remote.at, remote.len);
    return outcome;
}

struct outcome *outcome_new(struct outcomes *outcomes, const struct delivery_result *result,
                            struct bytes remote, bool was_relayed)
{
    struct outcome *outcome = outcome_make(bytes_of(result->status), result->reply,
                                           result->remote.len ? result->remote : remote);
    outcome->code = result->code;
    outcome->was_relayed = was_relayed;
    return share(outcomes, outcome);
}

struct outcome *outcome_use(const struct outcome *outcome)
{
    struct outcome *used = (struct outcome *)(uintptr_t)outcome;
    used->users++;
    return used;
}

void outcome_leave(struct outcomes *outcomes, struct outcome *outcome)
{
    if (!outcome || --outcome->users > 0)
        return;
    uint64_t hash = hash_bytes(content(outcome), outcomes->seed);
    if (table_find(outcomes->by_hash, hash) == outcome)
        table_take(outcomes->by_hash, hash);
    free(outcome);
}

struct outcome *outcome_decided(struct outcomes *outcomes, const char *status, struct bytes reason,
                                const struct outcome *last)
{
    struct buf text;
    buf_init(&text, 2 * REPLY_LIMIT + 64);
    buf_add(&text, bytes_sub(reason, 0, REPLY_LIMIT));
    if (last && last->reply_len) {
        buf_add(&text, BYTES("; the last attempt: "));
        buf_add(&text, outcome_reply(last));
    }
    struct outcome *outcome =
        outcome_make(bytes_of(status), buf_view(&text), last ? outcome_remote(last) : BYTES_NONE);
    buf_done(&text);
    return share(outcomes, outcome);
}

struct bytes outcome_reply(const struct outcome *outcome)
{
    return (struct bytes){outcome->text, outcome->reply_len};
}

struct bytes outcome_remote(const struct outcome *outcome)
{
    return (struct bytes){outcome->text + outcome->reply_len, outcome->remote_len};
}
