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

static void answer_used(struct keeper_job *job, const struct quota_use *use)
{
    const struct keeper_answer answer = {.status = KEEPER_OK,
                                         .messages_per_day = use->messages,
                                         .recipients_per_day = use->strangers};
    keeper_job_answer(job, &answer);
}

void keeper_usage_begin(struct keeper_job *job)
{
    const struct keeper_request *request = &job->request;
    const struct usage_message message = {
        .account = request->user,
        .recipients = request->message,
        .limits = {request->messages_per_day, request->recipients_per_day},
        .now_ms = loop_wall_ms(job->keeper->loop),
    };
    struct usage_result result;
    if (!usage_spend(job->keeper->usage, &message, &result, &job->err)) {
        log_error("accounts-failed", LOG_TEXT("reason", job->err.text));
        keeper_job_end(job, KEEPER_UNAVAILABLE, job->err.text);
        return;
    }
    switch (result.verdict) {
    case QUOTA_NEAR: tell(job, "four fifths of the day's limit are reached"); /* fall through */
    case QUOTA_FINE: answer_used(job, &result.use); return;
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
