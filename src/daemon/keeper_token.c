#include "daemon/keeper_token.h"

#include "auth/jwt.h"
#include "daemon/keeper_login.h"

void keeper_token_reload(struct keeper *keeper)
{
    jwt_keys_free(keeper->token_keys);
    keeper->token_keys = NULL;
}

/* The issuer's keys, read when a token first needs them. False and err: they cannot be used. */
static bool have_keys(struct keeper *keeper, struct error *err)
{
    const struct config_oauth *oauth = &keeper->child->config->oauth;
    struct bytes file;
    if (keeper->token_keys)
        return true;
    if (!oauth->keys)
        return error_set(err, 0, "no keys for tokens are configured (oauth.keys)");
    if (!secrets_file(keeper->secrets, bytes_of(oauth->keys), &file, err))
        return false;
    struct jwt_keys *keys = jwt_keys_new();
    bool is_pem = bytes_search(file, BYTES("-----BEGIN")) < file.len;
    if (is_pem ? jwt_keys_add_pem(keys, file, err) : jwt_keys_add_set(keys, file, err)) {
        keeper->token_keys = keys;
        return true;
    }
    jwt_keys_free(keys);
    return error_wrap(err, "%s", oauth->keys);
}

void keeper_token_begin(struct keeper_job *job)
{
    struct keeper *keeper = job->keeper;
    const struct config_oauth *oauth = &keeper->child->config->oauth;
    if (!have_keys(keeper, &job->err)) {
        log_error("token-keys", LOG_TEXT("reason", job->err.text),
                  LOG_TEXT("remedy", "write the issuer's keys to the file, then postrider reload"));
        keeper_job_end(job, KEEPER_UNAVAILABLE, job->err.text);
        return;
    }
    uint8_t room[DIRECTORY_NAME_LIMIT];
    struct buf account = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct jwt_terms terms = {
        .keys = keeper->token_keys,
        .issuer = bytes_of(oauth->issuer),
        .audience = bytes_of(oauth->audience),
        .claim = bytes_of(oauth->claim),
        .now_ms = loop_wall_ms(keeper->loop),
        .leeway_ms = oauth->leeway_ms,
    };
    enum jwt_verdict verdict = jwt_check(job->request.secret, &terms, &account);
    if (verdict != JWT_GOOD)
        keeper_login_refuse(job, jwt_verdict_text(verdict));
    else if (job->request.user.len && !directory_is_same(job->request.user, buf_view(&account)))
        keeper_login_refuse(job, "the token is of another account");
    else
        keeper_login_as(job, buf_view(&account));
}
