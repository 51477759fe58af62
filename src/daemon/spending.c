#include "daemon/spending.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"
#include "mail/address.h"

static const char message_words[] = "messages";
static const char stranger_words[] = "recipients that it never wrote to before";

/* Says it in the arena; where that is full, in fewer words. */
static struct bytes keep(const struct spending *spending, const struct buf *text)
{
    struct bytes copy;
    return arena_copy(spending->arena, buf_view(text), &copy) ? copy
                                                              : BYTES("the quota of the account");
}

static void refuse(const struct spending *spending, bool is_messages)
{
    struct quota_limits limits = login_quota(spending->login);
    uint8_t room[200];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    buf_addf(&text, "the account has used up its %u %s of today; more can go after ",
             is_messages ? limits.messages : limits.strangers,
             is_messages ? message_words : stranger_words);
    instant_print(&text, quota_next_day_ms(loop_wall_ms(spending->worker->loop)));
    const struct smtp_answer refusal = {450, BYTES("4.7.1"), keep(spending, &text)};
    const struct spending_result result = {
        .refusal = &refusal, .rule = is_messages ? "quota-messages" : "quota-recipients"};
    spending->done(spending->context, &result);
}

/* Four fifths of a limit are used: time to say so. */
static bool is_near(uint32_t used, uint32_t limit)
{
    return limit && used >= (uint64_t)limit * 4 / 5;
}

static void accept(const struct spending *spending, uint32_t messages, uint32_t strangers)
{
    struct quota_limits limits = login_quota(spending->login);
    struct spending_result result = {.refusal = NULL};
    uint8_t room[200];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (is_near(messages, limits.messages))
        buf_addf(&text, "; %u of today's %u %s are used", messages, limits.messages, message_words);
    else if (is_near(strangers, limits.strangers))
        buf_addf(&text, "; %u of today's %u %s are used", strangers, limits.strangers,
                 stranger_words);
    if (text.len)
        result.warning = keep(spending, &text);
    spending->done(spending->context, &result);
}

/* A quota is a limit and no lock: while nobody can count, mail goes. */
static void on_answer(void *context, const struct keeper_answer *answer)
{
    struct spending *spending = context;
    if (answer->status == KEEPER_NO) {
        refuse(spending, bytes_equal(answer->reason, BYTES("messages")));
    } else if (answer->status == KEEPER_OK) {
        accept(spending, answer->messages_per_day, answer->recipients_per_day);
    } else {
        log_warning("quota-unknown", LOG_BYTES("user", login_rights(spending->login)->account),
                    LOG_BYTES("reason", answer->reason));
        accept(spending, 0, 0);
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
