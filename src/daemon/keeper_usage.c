#include "daemon/keeper_usage.h"

bool keeper_usage_open(struct keeper *keeper, struct error *err)
{
    keeper->usage = usage_open(keeper->child->config->accounts_folder, err);
    return keeper->usage != NULL;
}

static void tell(const struct keeper_job *job, const char *what)
{
    log_warning("quota", LOG_BYTES("user", job->request.user),
                LOG_BYTES("client", job->request.peer), LOG_TEXT("what", what),
                LOG_INT("messages_per_day", job->request.messages_per_day),
                LOG_INT("recipients_per_day", job->request.recipients_per_day));
}

void keeper_usage_begin(struct keeper_job *job)
{
    const struct keeper_request *request = &job->request;
    const struct quota_limits limits = {request->messages_per_day, request->recipients_per_day};
    enum quota_verdict verdict;
    if (!usage_spend(job->keeper->usage, request->user, request->message, &limits,
                     loop_wall_ms(job->keeper->loop), &verdict, &job->err)) {
        log_error("accounts-failed", LOG_TEXT("reason", job->err.text));
        keeper_job_end(job, KEEPER_UNAVAILABLE, job->err.text);
        return;
    }
    switch (verdict) {
    case QUOTA_NEAR: tell(job, "four fifths of the day's limit are reached"); /* fall through */
    case QUOTA_FINE: keeper_job_end(job, KEEPER_OK, ""); return;
    case QUOTA_MESSAGES:
        tell(job, "the day's messages are used up");
        keeper_job_end(job, KEEPER_NO, "messages");
        return;
    case QUOTA_STRANGERS:
        tell(job, "the day's first-time recipients are used up");
        keeper_job_end(job, KEEPER_NO, "recipients");
        return;
    }
}
