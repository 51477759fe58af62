#include "daemon/keeper_login.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/memory.h"
#include "daemon/keeper_bans.h"
#include "daemon/keeper_dovecot.h"
#include "mail/precis.h"
#include "policy/networks.h"

enum {
    SLOW_THREADS_MOST = 4, /* each needs 16 MiB at the default cost */
    SLOW_LIMIT = 256,      /* passwords that wait: seconds of work */
    SLOW_SOURCE_LIMIT = 16,
    DELAYED_LIMIT = 4096,         /* refusals that wait for their time; then they come at once */
    APP_USED_STEP_MS = 60 * 1000, /* "last used" is that exact, and costs a write no more often */
};

/* What a request about an account holds until it is answered. */
struct keeper_login {
    struct keeper *keeper;
    uint8_t name_room[DIRECTORY_NAME_LIMIT];
    struct buf name; /* empty: what the client wrote is none */
    uint8_t password_room[PRECIS_LIMIT];
    struct buf password; /* empty: it is none */
    bool is_found;
    struct account account;
    bool is_right;
    unsigned new_cost;          /* 0: its hash has the cost that hashes should have */
    struct credentials renewed; /* of such a one */
    bool is_renewed;
    struct timer delay; /* of a refusal */
    const char *reason; /* of the same */
};

static struct keeper_login *login_new(struct keeper *keeper)
{
    struct keeper_login *login = NEW(struct keeper_login);
    login->keeper = keeper;
    login->name = (struct buf){
        .at = login->name_room, .cap = sizeof login->name_room, .limit = sizeof login->name_room};
    login->password = (struct buf){.at = login->password_room,
                                   .cap = sizeof login->password_room,
                                   .limit = sizeof login->password_room};
    return login;
}

void keeper_login_free(struct keeper_login *login)
{
    if (!login)
        return;
    if (login->delay.loop) {
        timer_clear(&login->delay);
        login->keeper->delayed--;
    }
    OPENSSL_cleanse(login, sizeof *login);
    free(login);
}

/* --- The outcome ------------------------------------------------------------------------------ */

static void add_own(void *context, struct bytes address)
{
    keeper_add_own(context, address);
}

static void fail(struct keeper_job *job)
{
    log_error("accounts-failed", LOG_TEXT("reason", job->err.text));
    keeper_job_end(job, KEEPER_UNAVAILABLE, job->err.text);
}

static void grant(struct keeper_job *job, uint32_t messages_per_day, uint32_t recipients_per_day)
{
    const struct account *account = &job->login->account;
    struct buf own;
    buf_init(&own, KEEPER_OWN_LIMIT);
    if (!accounts_each_own_of(job->keeper->accounts, account->id, add_own, &own, &job->err)) {
        buf_done(&own);
        fail(job);
        return;
    }
    if (own.overflowed)
        log_warning("accounts-failed", LOG_TEXT("reason", "an account has too many addresses"),
                    LOG_TEXT("account", account->address));
    struct keeper_answer answer = {
        .status = KEEPER_OK,
        .address = bytes_of(account->address),
        .own = buf_view(&own),
        .messages_per_day = messages_per_day,
        .recipients_per_day = recipients_per_day,
        .signature = buf_view(&job->signature),
    };
    keeper_bans_succeed(job, buf_view(&job->login->name));
    keeper_job_answer(job, &answer);
    buf_done(&own);
}

static void answer_refused(void *context)
{
    struct keeper_job *job = context;
    keeper_job_end(job, KEEPER_NO, job->login->reason);
}

bool keeper_login_is_delayed(const struct keeper_login *login)
{
    return login && login->delay.loop;
}

void keeper_login_refuse(struct keeper_job *job, const char *why)
{
    log_warning("login-failed", LOG_SESSION(job->request.session),
                LOG_BYTES("user", job->request.user), LOG_BYTES("client", job->request.peer),
                LOG_BYTES("mechanism", job->request.mechanism), LOG_TEXT("reason", why));
    if (!job->login)
        job->login = login_new(job->keeper);
    struct keeper_login *login = job->login;
    int64_t delay_ms = keeper_bans_fail(job, buf_view(&login->name));
    login->reason = why;
    if (delay_ms == 0 || !job->channel || job->keeper->delayed >= DELAYED_LIMIT) {
        keeper_job_end(job, KEEPER_NO, why);
        return;
    }
    job->keeper->delayed++;
    timer_init(&login->delay, job->keeper->loop, answer_refused, job);
    timer_set(&login->delay, loop_now_ms(job->keeper->loop) + delay_ms);
}

/* The account that is_right was found for. */
static void conclude(struct keeper_job *job, const char *otherwise)
{
    const struct keeper_login *login = job->login;
    if (!login->is_found)
        keeper_login_refuse(job, "no such account");
    else if (!login->is_right)
        keeper_login_refuse(job, login->account.has_password ? otherwise
                                                             : "the account has no password");
    else if (login->account.is_disabled)
        keeper_login_refuse(job, "the account is disabled");
    else
        grant(job, login->account.messages_per_day, login->account.recipients_per_day);
}

/* --- Passwords -------------------------------------------------------------------------------- */

/* An app password of the account? It lets in at once: whoever has one is no guesser. */
static bool has_app_password(struct keeper_job *job, struct app_password *app)
{
    struct keeper_login *login = job->login;
    struct keeper *keeper = job->keeper;
    uint8_t digest[PASSWORD_DIGEST];
    struct error err;
    if (!login->is_found || login->account.is_disabled || !login->password.len)
        return false;
    password_digest(buf_view(&login->password), digest);
    bool is_one =
        accounts_find_app(keeper->accounts, login->account.id, digest, app, &err) == ACCOUNTS_DONE;
    int64_t now_ms = loop_wall_ms(keeper->loop);
    /* That it was used is worth a try, no more. */
    if (is_one && now_ms - app->used_ms > APP_USED_STEP_MS &&
        accounts_used_app(keeper->accounts, login->account.id, bytes_of(app->name), now_ms, &err) ==
            ACCOUNTS_FAILED)
        log_warning("accounts-failed", LOG_TEXT("reason", err.text));
    return is_one;
}

static void password_run(void *context)
{
    struct keeper_job *job = context;
    struct keeper_login *login = job->login;
    bool is_right = password_is_right(buf_view(&login->password), login->account.credentials.hash);
    login->is_right = is_right && login->account.has_password;
    struct error err;
    /* Only now is the password at hand. Where that fails it can wait for the next time. */
    login->is_renewed =
        login->is_right && login->new_cost &&
        password_derive(buf_view(&login->password), login->new_cost, &login->renewed, &err);
}

/* Else accounts would differ from what is not there by the time that a hash takes. */
static void keep_renewed(struct keeper_job *job)
{
    const struct keeper_login *login = job->login;
    struct error err;
    if (accounts_renew_password(job->keeper->accounts, buf_view(&login->name),
                                login->account.credentials.hash, &login->renewed,
                                &err) == ACCOUNTS_FAILED)
        log_warning("accounts-failed", LOG_TEXT("reason", err.text));
}

static void password_done(void *context)
{
    struct keeper_job *job = context;
    log_debug("password-hashed", LOG_BYTES("client", job->request.peer));
    if (job->login->is_renewed)
        keep_renewed(job);
    conclude(job, "wrong password");
}

/* Those of one network take turns with all others, as one. */
static struct bytes network_of(struct bytes peer, struct ip *room)
{
    enum { IPV4_KEPT = 15, IPV6_KEPT = 8 }; /* bytes: a /24, a /64 */
    if (!ip_scan(peer, room))
        return BYTES_NONE;
    return (struct bytes){room->at, ip_is_ipv4(room) ? IPV4_KEPT : IPV6_KEPT};
}

static void begin_password(struct keeper_job *job)
{
    struct account *account = &job->login->account;
    struct app_password app;
    struct ip room;
    if (has_app_password(job, &app)) {
        grant(job, app.messages_per_day ? app.messages_per_day : account->messages_per_day,
              app.recipients_per_day ? app.recipients_per_day : account->recipients_per_day);
        return;
    }
    if (!account->has_password)
        memcpy(account->credentials.hash, job->keeper->decoy, sizeof job->keeper->decoy);
    else if (!password_costs_the_same(account->credentials.hash, job->keeper->decoy))
        job->login->new_cost = job->keeper->decoy_cost;
    if (job->keeper->child->config->auth.dovecot) {
        keeper_dovecot_ask(job);
        return;
    }
    job->task = (struct keeper_task){.run = password_run, .done = password_done, .context = job};
    job->pool = job->keeper->slow;
    if (!keeper_pool_add(job->pool, network_of(job->request.peer, &room), &job->task))
        keeper_job_end(job, KEEPER_BUSY, "too many logins wait already");
}

/* --- SCRAM ------------------------------------------------------------------------------------ */

/* From whoever has no keys, the salt that he always has had. */
static void make_salt(struct keeper_job *job, uint8_t salt[PASSWORD_SALT])
{
    const struct keeper *keeper = job->keeper;
    struct bytes name = job->login->name.len ? buf_view(&job->login->name) : job->request.user;
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const uint8_t *made =
        HMAC(EVP_sha256(), keeper->secret, sizeof keeper->secret, name.at, name.len, mac, &len);
    ASSERT(made && len >= PASSWORD_SALT);
    memcpy(salt, mac, PASSWORD_SALT);
}

static void answer_salt(struct keeper_job *job)
{
    const struct keeper_login *login = job->login;
    const struct credentials *credentials = &login->account.credentials;
    bool has_keys = login->is_found && login->account.has_password;
    uint8_t salt[PASSWORD_SALT];
    make_salt(job, salt);
    struct keeper_answer answer = {.status = KEEPER_OK,
                                   .salt = {has_keys ? credentials->salt : salt, sizeof salt},
                                   .iterations =
                                       has_keys ? credentials->iterations : PASSWORD_ITERATIONS};
    keeper_job_answer(job, &answer);
}

static void check_proof(struct keeper_job *job)
{
    struct keeper_login *login = job->login;
    uint8_t signature[SCRAM_HASH];
    /* Zeros are nobody's keys, and take as long. */
    bool is_right = scram_check(&login->account.credentials.keys, job->request.message,
                                job->request.secret, signature);
    login->is_right = is_right && login->is_found && login->account.has_password;
    if (login->is_right)
        buf_add(&job->signature, (struct bytes){signature, sizeof signature});
    conclude(job, "wrong password");
}

/* --- Requests --------------------------------------------------------------------------------- */

static bool find(struct keeper_job *job, struct bytes user)
{
    struct keeper_login *login = job->login;
    buf_clear(&login->name);
    login->account = (struct account){.id = 0};
    login->is_found = false;
    if (!directory_name(&login->name, user))
        return true;
    enum accounts_status status =
        accounts_find(job->keeper->accounts, buf_view(&login->name), &login->account, &job->err);
    login->is_found = status == ACCOUNTS_DONE;
    return status != ACCOUNTS_FAILED;
}

void keeper_login_as(struct keeper_job *job, struct bytes name)
{
    if (!job->login)
        job->login = login_new(job->keeper);
    if (!find(job, name)) {
        fail(job);
        return;
    }
    job->login->is_right = true;
    conclude(job, "");
}

void keeper_login_granted_as(struct keeper_job *job, struct bytes name)
{
    struct keeper_login *login = job->login;
    if (!find(job, name)) {
        fail(job);
        return;
    }
    if (!login->name.len) {
        keeper_login_refuse(job, "the account's name is no address");
        return;
    }
    if (!login->is_found)
        memcpy(login->account.address, login->name.at, login->name.len);
    login->is_found = login->is_right = true;
    conclude(job, "");
}

void keeper_login_begin(struct keeper_job *job)
{
    job->login = login_new(job->keeper);
    if (!find(job, job->request.user)) {
        fail(job);
        return;
    }
    if (!keeper_bans_admit(job, buf_view(&job->login->name)))
        return;
    switch (job->request.kind) {
    case KEEPER_VERIFY_PASSWORD:
        /* What is no password is checked like one that is wrong. */
        if (!precis_password(&job->login->password, job->request.secret))
            buf_clear(&job->login->password);
        begin_password(job);
        return;
    case KEEPER_SCRAM_SALT: answer_salt(job); return;
    case KEEPER_SCRAM_PROOF: check_proof(job); return;
    case KEEPER_ACCOUNT:
        job->login->is_right = true;
        conclude(job, "");
        return;
    case KEEPER_VERIFY_TOKEN:
    case KEEPER_SPEND:
    case KEEPER_SIGN:
    case KEEPER_PUBLIC_KEY:
    case KEEPER_CREDENTIAL: break;
    }
    keeper_job_end(job, KEEPER_UNAVAILABLE, "no question about an account");
}

/* --- Life ------------------------------------------------------------------------------------- */

static size_t slow_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > SLOW_THREADS_MOST ? SLOW_THREADS_MOST : (size_t)cores;
}

static bool make_decoy(struct keeper *keeper, struct error *err)
{
    unsigned cost = keeper->child->config->auth.hash_cost;
    if (keeper->decoy_cost == cost)
        return true;
    if (!password_decoy(cost, keeper->decoy, err))
        return false;
    keeper->decoy_cost = cost;
    return true;
}

bool keeper_login_open(struct keeper *keeper, struct error *err)
{
    const struct config *config = keeper->child->config;
    struct keeper_pool_plan plan = {.threads = slow_threads(),
                                    .group = 1,
                                    .limit = SLOW_LIMIT,
                                    .source_limit = SLOW_SOURCE_LIMIT,
                                    .seed = config->queue.seed};
    keeper->slow = keeper_pool_new(keeper->loop, &plan);
    keeper->accounts = accounts_open(config->accounts_folder, err);
    if (!keeper->accounts)
        return false;
    accounts_hurry(keeper->accounts);
    keeper_dovecot_open(keeper);
    return keeper_bans_open(keeper, err) &&
           accounts_secret(keeper->accounts, keeper->secret, err) && make_decoy(keeper, err);
}

void keeper_login_close(struct keeper *keeper)
{
    keeper_pool_free(keeper->slow);
    keeper_dovecot_close(keeper->dovecot);
    keeper_bans_close(keeper->bans);
    accounts_close(keeper->accounts);
    OPENSSL_cleanse(keeper->secret, sizeof keeper->secret);
}

void keeper_login_reload(struct keeper *keeper)
{
    struct error err;
    if (!make_decoy(keeper, &err))
        log_error("accounts-failed", LOG_TEXT("reason", err.text));
}
