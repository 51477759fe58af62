#include "daemon/keeper_bans.h"

#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/map.h"
#include "base/memory.h"
#include "daemon/failures.h"

enum {
    WRITE_MS = 1000,    /* what a crash may lose; and how soon a lifted ban is lifted */
    BATCH_LIMIT = 2000, /* entries written at a time */
};

/* An entry with a key of its own. */
struct kept {
    struct ban_entry entry;
    uint8_t key[BAN_KEY_LIMIT];
};

struct keeper_bans {
    struct keeper *keeper;
    struct bans *bans;
    struct failures *file; /* the hand's, while it is at work */
    struct hand *hand;
    struct timer timer;
    bool is_writing;
    /* What the hand has been given: entries to write; and what it found. */
    struct ban_entry batch[BATCH_LIMIT];
    struct kept *kept;
    size_t count;
    int64_t now_ms, version;
    struct map *present; /* all keys in the file, when somebody else has changed it; NULL */
    struct error err;
    bool is_good;
};

/* --- The file --------------------------------------------------------------------------------- */

/* A key with its kind in front, as the map of those present has it. */
static struct bytes whole_key(enum ban_kind kind, struct bytes key, uint8_t room[BAN_KEY_LIMIT + 1])
{
    struct buf whole = {.at = room, .cap = BAN_KEY_LIMIT + 1, .limit = BAN_KEY_LIMIT + 1};
    buf_add_byte(&whole, (uint8_t)kind);
    buf_add(&whole, key);
    return buf_view(&whole);
}

static void note_present(void *context, const struct ban_entry *entry)
{
    uint8_t room[BAN_KEY_LIMIT + 1];
    struct keeper_bans *bans = context;
    (void)map_add(bans->present, whole_key(entry->kind, entry->key, room), bans);
}

static void write_run(void *context)
{
    struct keeper_bans *bans = context;
    int64_t version = bans->version;
    bans->is_good = (bans->count == 0 || failures_write(bans->file, bans->batch, bans->count,
                                                        bans->now_ms, &bans->err)) &&
                    failures_version(bans->file, &version, &bans->err);
    if (!bans->is_good || version == bans->version)
        return;
    bans->version = version;
    bans->present = map_new(1);
    bans->is_good = failures_each_of(bans->file, note_present, bans, &bans->err);
}

static bool is_present(void *context, enum ban_kind kind, struct bytes key)
{
    uint8_t room[BAN_KEY_LIMIT + 1];
    struct keeper_bans *bans = context;
    return map_find(bans->present, whole_key(kind, key, room)) != NULL;
}

static void plan(struct keeper_bans *bans)
{
    /* A ban can be lifted while there is one. */
    bool has_any = bans_count(bans->bans) > 0;
    struct loop *loop = bans->keeper->loop;
    timer_set(&bans->timer, has_any ? loop_now_ms(loop) + WRITE_MS : INT64_MAX);
}

static void write_done(void *context)
{
    struct keeper_bans *bans = context;
    bans->is_writing = false;
    if (!bans->is_good)
        log_error("accounts-failed", LOG_TEXT("reason", bans->err.text));
    else if (bans->present)
        bans_sift(bans->bans, is_present, bans);
    map_free(bans->present);
    bans->present = NULL;
    plan(bans);
}

static void fill_batch(struct keeper_bans *bans)
{
    struct ban_entry entry;
    bans->now_ms = loop_wall_ms(bans->keeper->loop);
    for (bans->count = 0; bans->count < BATCH_LIMIT && bans_take_changed(bans->bans, &entry);
         bans->count++) {
        struct kept *kept = &bans->kept[bans->count];
        if (entry.key.len)
            memcpy(kept->key, entry.key.at, entry.key.len);
        entry.key.at = kept->key;
        bans->batch[bans->count] = entry;
    }
}

static void on_timer(void *context)
{
    struct keeper_bans *bans = context;
    if (bans->is_writing)
        return;
    fill_batch(bans);
    bans->is_writing = true;
    hand_job(bans->hand, write_run, write_done, bans);
}

/* --- Logins ----------------------------------------------------------------------------------- */

/* False: the client is one that is let alone. */
static bool make_query(const struct keeper_job *job, struct bytes account, struct ban_query *out)
{
    *out = (struct ban_query){.account = account.len ? account : job->request.user};
    return ip_scan(job->request.peer, &out->client) &&
           !networks_have(job->keeper->child->config->auth.unbanned, &out->client);
}

/* What a ban meets, and what it begins with. */
static const char *const ban_events[] = {"login-banned", "banned"};

static void log_ban(bool is_new, const struct keeper_job *job, const struct ban_verdict *ban)
{
    uint8_t room[32];
    struct buf until = {.at = room, .cap = sizeof room, .limit = sizeof room};
    instant_print(&until, ban->until_ms);
    log_write(LOG_WARNING, ban_events[is_new],
              LOG_FIELDS(LOG_SESSION(job->request.session), LOG_BYTES("client", job->request.peer),
                         LOG_BYTES("user", job->request.user),
                         LOG_BYTES("mechanism", job->request.mechanism),
                         LOG_TEXT("banned", ban_kind_word(ban->kind)),
                         LOG_BYTES("until", buf_view(&until))));
}

bool keeper_bans_admit(struct keeper_job *job, struct bytes account)
{
    struct keeper *keeper = job->keeper;
    struct ban_query query;
    if (!make_query(job, account, &query))
        return true;
    struct ban_verdict ban = bans_check(keeper->bans->bans, &query, loop_wall_ms(keeper->loop));
    if (!ban.is_banned)
        return true;
    log_ban(false, job, &ban);
    keeper_job_end(job, KEEPER_BANNED, "too many failures of late");
    return false;
}

int64_t keeper_bans_fail(struct keeper_job *job, struct bytes account)
{
    struct keeper_bans *bans = job->keeper->bans;
    struct ban_query query;
    struct ban_verdict ban;
    if (!make_query(job, account, &query))
        return 0;
    int64_t delay_ms = bans_fail(bans->bans, &query, loop_wall_ms(job->keeper->loop), &ban);
    if (ban.is_banned)
        log_ban(true, job, &ban);
    if (!bans->is_writing && bans->timer.due_ms == INT64_MAX)
        plan(bans);
    return delay_ms;
}

void keeper_bans_succeed(struct keeper_job *job, struct bytes account)
{
    struct keeper_bans *bans = job->keeper->bans;
    struct ban_query query;
    if (!make_query(job, account, &query))
        return;
    bans_succeed(bans->bans, &query, loop_wall_ms(job->keeper->loop));
    if (!bans->is_writing && bans->timer.due_ms == INT64_MAX)
        plan(bans);
}

/* --- Life ------------------------------------------------------------------------------------- */

static void restore(void *context, const struct ban_entry *entry)
{
    struct keeper_bans *bans = context;
    if (ban_entry_matters(entry, bans->now_ms))
        bans_restore(bans->bans, entry);
}

bool keeper_bans_open(struct keeper *keeper, struct error *err)
{
    struct keeper_bans *bans = NEW(struct keeper_bans);
    keeper->bans = bans;
    bans->keeper = keeper;
    bans->bans = bans_new(keeper->child->config->queue.seed);
    bans->kept = memory_new(BATCH_LIMIT, sizeof *bans->kept);
    bans->now_ms = loop_wall_ms(keeper->loop);
    timer_init(&bans->timer, keeper->loop, on_timer, bans);
    bans->file = failures_open(keeper->child->config->accounts_folder, err);
    if (!bans->file || !failures_each_of(bans->file, restore, bans, err) ||
        !failures_version(bans->file, &bans->version, err))
        return false;
    bans->hand = hand_new(keeper->loop);
    plan(bans);
    return true;
}

bool keeper_bans_is_idle(const struct keeper_bans *bans)
{
    return !bans->is_writing;
}

void keeper_bans_close(struct keeper_bans *bans)
{
    if (!bans)
        return;
    timer_clear(&bans->timer);
    hand_free(bans->hand);
    do {
        fill_batch(bans);
        if (bans->count && bans->file &&
            !failures_write(bans->file, bans->batch, bans->count, bans->now_ms, &bans->err))
            log_error("accounts-failed", LOG_TEXT("reason", bans->err.text));
    } while (bans->count == BATCH_LIMIT);
    failures_close(bans->file);
    bans_free(bans->bans);
    free(bans->kept);
    free(bans);
}
