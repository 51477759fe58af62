#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/queue_state.h"

static struct outcome *outcome_make(struct bytes reply, struct bytes remote)
{
    reply = bytes_sub(reply, 0, REPLY_LIMIT);
    remote = bytes_sub(remote, 0, OUTCOME_REMOTE_LIMIT);
    struct outcome *outcome = memory_new(1, sizeof *outcome + reply.len + remote.len);
    outcome->reply_len = (uint16_t)reply.len;
    outcome->remote_len = (uint16_t)remote.len;
    if (reply.len)
        memcpy(outcome->text, reply.at, reply.len);
    if (remote.len)
        memcpy(outcome->text + reply.len, remote.at, remote.len);
    return outcome;
}

struct outcome *outcome_new(const struct delivery_result *result, struct bytes remote,
                            int64_t at_ms)
{
    struct outcome *outcome =
        outcome_make(result->reply, result->remote.len ? result->remote : remote);
    outcome->at_ms = at_ms;
    outcome->code = result->code;
    memcpy(outcome->status, result->status, sizeof outcome->status - 1);
    return outcome;
}

struct outcome *outcome_duplicate(const struct outcome *outcome)
{
    struct outcome *copy = outcome_make(outcome_reply(outcome), outcome_remote(outcome));
    memcpy(copy, outcome, sizeof *copy);
    return copy;
}

struct outcome *outcome_decided(const char *status, struct bytes reason, const struct outcome *last)
{
    struct buf text;
    buf_init(&text, 2 * REPLY_LIMIT + 64);
    buf_add(&text, bytes_sub(reason, 0, REPLY_LIMIT));
    if (last && last->reply_len) {
        buf_add(&text, BYTES("; the last attempt: "));
        buf_add(&text, outcome_reply(last));
    }
    struct outcome *outcome =
        outcome_make(buf_view(&text), last ? outcome_remote(last) : BYTES_NONE);
    buf_done(&text);
    outcome->at_ms = last ? last->at_ms : 0;
    struct bytes code = bytes_of(status);
    memcpy(outcome->status, code.at,
           code.len < sizeof outcome->status ? code.len : sizeof outcome->status - 1);
    return outcome;
}

struct bytes outcome_reply(const struct outcome *outcome)
{
    return (struct bytes){outcome->text, outcome->reply_len};
}

struct bytes outcome_remote(const struct outcome *outcome)
{
    return (struct bytes){outcome->text + outcome->reply_len, outcome->remote_len};
}
