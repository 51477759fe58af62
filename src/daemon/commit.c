#include "daemon/commit.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

struct commit {
    struct spool *spool;
    struct token *token;
    struct hand *hand;
    struct spool_batch *batch; /* in flight; NULL: none */
};

struct commit *commit_new(struct loop *loop, struct spool *spool, struct token *token)
{
    struct commit *commit = NEW(struct commit);
    commit->spool = spool;
    commit->token = token;
    commit->hand = hand_new(loop);
    return commit;
}

void commit_free(struct commit *commit)
{
    if (!commit)
        return;
    hand_free(commit->hand);
    free(commit);
}

static void run_batch(void *context)
{
    struct commit *commit = context;
    /* Two shards that sync as they like make smaller groups and slower syncs: one at a time. */
    if (commit->token)
        token_take(commit->token);
    spool_batch_run(commit->batch);
    if (commit->token)
        token_give(commit->token);
}

static void batch_done(void *context)
{
    struct commit *commit = context;
    spool_batch_end(commit->spool, commit->batch);
    commit->batch = NULL;
    /* Answers go out while the next batch is on its way. */
    struct spool_result result;
    commit_turn(commit);
    while (spool_result(commit->spool, &result)) {
        struct commit_owner *owner = result.owner;
        if (result.outcome != SPOOL_STORED)
            log_error("spool-error", LOG_ID(result.id), LOG_TEXT("reason", result.err.text));
        owner->stored(owner, &result);
    }
}

void commit_turn(struct commit *commit)
{
    /* What failed once and is not urgent waits: a disk that fails is not asked without end. */
    if (commit->batch || !spool_wants_batch(commit->spool))
        return;
    commit->batch = spool_batch_begin(commit->spool);
    if (commit->batch)
        hand_job(commit->hand, run_batch, batch_done, commit);
}

bool commit_is_idle(const struct commit *commit)
{
    return !commit->batch && !spool_wants_batch(commit->spool);
}
