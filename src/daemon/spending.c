#include "daemon/spending.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"
#include "mail/address.h"

static struct bytes describe(const struct spending *spending, struct bytes what, uint32_t limit)
{
    uint8_t room[200];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct bytes copy;
    buf_addf(&text, "the account has used up its %u %.*s of today; more can go after ", limit,
             BYTES_ARGS(what));
    instant_print(&text, quota_next_day_ms(loop_wall_ms(spending->worker->loop)));
    return arena_copy(spending->arena, buf_view(&text), &copy) ? copy : what;
}

static void refuse(const struct spending *spending, struct bytes reason)
{
    struct quota_limits limits = login_quota(spending->login);
    bool is_messages = bytes_equal(reason, BYTES("messages"));
    struct smtp_answer refusal = {450, BYTES("4.7.1"), BYTES_NONE};
    refusal.text = is_messages
                       ? describe(spending, BYTES("messages"), limits.messages)
                       : describe(spending, BYTES("recipients that it never wrote to before"),
                                  limits.strangers);
    spending->done(spending->context, &refusal,
                   is_messages ? "quota-messages" : "quota-recipients");
}

/* A quota is a limit and no lock: while nobody can count, mail goes. */
static void on_answer(void *context, const struct keeper_answer *answer)
{
    struct spending *spending = context;
    if (answer->status == KEEPER_NO) {
        refuse(spending, answer->reason);
    } else {
        if (answer->status != KEEPER_OK)
            log_warning("quota-unknown", LOG_BYTES("user", login_rights(spending->login)->account),
                        LOG_BYTES("reason", answer->reason));
        spending->done(spending->context, NULL, NULL);
    }
    free(spending);
}

/* A hash for each recipient, to be known again by; of one message no more are counted than fit. */
static void add_hashes(struct buf *out, const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        uint8_t room[LOCAL_PART_LIMIT + 1 + DOMAIN_LIMIT];
        struct buf key = {.at = room, .cap = sizeof room, .limit = sizeof room};
        struct bytes address = envelope->recipients[i].address;
        for (size_t at = 0; at < address.len; at++)
            buf_add_byte(&key, ascii_lower(address.at[at]));
        packed_add_fixed(out, hash_bytes(buf_view(&key), 0));
    }
}

bool spending_begin(const struct spending *spending)
{
    const struct sender_rights *rights = login_rights(spending->login);
    struct quota_limits limits = {0, 0};
    if (rights)
        limits = login_quota(spending->login);
    if (!limits.messages && !limits.strangers)
        return false;
    struct buf hashes;
    buf_init(&hashes, KEEPER_BYTES_LIMIT);
    add_hashes(&hashes, spending->envelope);
    const struct keeper_request request = {
        .kind = KEEPER_SPEND,
        .user = rights->account,
        .message = buf_view(&hashes),
        .peer = spending->client,
        .messages_per_day = limits.messages,
        .recipients_per_day = limits.strangers,
    };
    struct spending *waiting = NEW(struct spending);
    *waiting = *spending;
    bool is_asked = keeper_ask(spending->worker->keeper, &request, on_answer, waiting) != NULL;
    if (!is_asked)
        free(waiting);
    buf_done(&hashes);
    return is_asked;
}
