#include "daemon/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/memory.h"
#include "daemon/keeper_bans.h"
#include "daemon/keeper_directory.h"
#include "daemon/keeper_login.h"
#include "daemon/keeper_token.h"
#include "daemon/keeper_usage.h"
#include "daemon/keeper_sign.h"

enum {
    /* Where private keys lie: locked, and between pages that nobody may touch. */
    SECURE_HEAP = 2 << 20,
    SECURE_LEAST = 32,
    /* For signatures: a thread a core. */
    QUICK_THREADS_LEAST = 2,
    QUICK_THREADS_MOST = 8,
    QUICK_GROUP = 8,    /* 3 ms of RSA-2048 */
    QUICK_LIMIT = 4096, /* signatures that wait: seconds of work */
    SIGNATURE_LIMIT = 8192,
    /* Replies that a channel has not taken: then nothing more is read from it. */
    UNSENT_LIMIT = 256,
};

/* A reply that could not be sent yet. */
struct unsent {
    struct list link;
    uint32_t serial;
    struct buf packet;
};

/* To one who may ask. */
struct channel {
    struct list link;
    struct keeper *keeper;
    struct watch *watch;
    struct list jobs;
    struct list unsent;
    size_t unsent_count;
    bool needs_directory; /* the newest list could not be sent yet */
    uint8_t packet[IPC_PAYLOAD_LIMIT];
};

/* --- Channels --------------------------------------------------------------------------------- */

static void want(struct channel *channel)
{
    watch_want(channel->watch,
               (channel->unsent_count < UNSENT_LIMIT ? WATCH_READ : 0U) |
                   (channel->unsent_count || channel->needs_directory ? WATCH_WRITE : 0U));
}

static void drop_unsent(struct channel *channel, struct unsent *unsent_owned)
{
    list_remove(&unsent_owned->link);
    keeper_packet_done(&unsent_owned->packet);
    free(unsent_owned);
    channel->unsent_count--;
}

/* Whoever asked is gone: what waits is dropped, what is under way ends unheard. */
static void channel_close(struct channel *channel_owned);

static bool send_packet(struct channel *channel, uint32_t serial, struct bytes packet)
{
    struct error err;
    struct ipc_message message = {
        .type = IPC_REPLY_END, .number = serial, .payload = packet, .fd = -1};
    /* That it is gone, reading will find. */
    return ipc_send(watch_fd(channel->watch), &message, &err) || err.os != EAGAIN;
}

static void send_directory(struct channel *channel)
{
    struct error err;
    struct ipc_message message = {.type = IPC_DIRECTORY, .fd = channel->keeper->directory_fd};
    if (!channel->needs_directory)
        return;
    channel->needs_directory =
        !ipc_send(watch_fd(channel->watch), &message, &err) && err.os == EAGAIN;
}

static void send_unsent(struct channel *channel)
{
    send_directory(channel);
    LIST_EACH (&channel->unsent, struct unsent, link, unsent) {
        if (!send_packet(channel, unsent->serial, buf_view(&unsent->packet)))
            break;
        drop_unsent(channel, unsent);
    }
    want(channel);
}

/* --- Jobs ------------------------------------------------------------------------------------- */

void keeper_job_drop(struct keeper_job *job_owned)
{
    list_remove(&job_owned->link);
    list_remove(&job_owned->channel_link);
    OPENSSL_cleanse(job_owned->packet, job_owned->len);
    free(job_owned->packet);
    EVP_PKEY_free(job_owned->key);
    keeper_login_free(job_owned->login);
    buf_done(&job_owned->signature);
    free(job_owned);
}

void keeper_job_answer(struct keeper_job *job_owned, const struct keeper_answer *answer)
{
    struct channel *channel = job_owned->channel;
    struct unsent *unsent = NEW(struct unsent);
    unsent->serial = job_owned->serial;
    keeper_packet_init(&unsent->packet);
    bool is_good = keeper_answer_print(&unsent->packet, answer);
    ASSERT(is_good);
    if (channel) {
        list_append(&channel->unsent, &unsent->link);
        if (channel->unsent_count++ == 0)
            send_unsent(channel);
    } else {
        keeper_packet_done(&unsent->packet);
        free(unsent);
    }
    keeper_job_drop(job_owned);
}

void keeper_job_end(struct keeper_job *job_owned, enum keeper_status status, const char *reason)
{
    struct bytes text = bytes_sub(bytes_of(reason), 0, KEEPER_TEXT_LIMIT);
    keeper_job_answer(job_owned, &(struct keeper_answer){.status = status, .reason = text});
}

/* --- Signatures ------------------------------------------------------------------------------- */

static void sign_run(void *context)
{
    struct keeper_job *job = context;
    job->is_good = keeper_sign(job->key, &job->request, &job->signature, &job->err);
}

static void sign_done(void *context)
{
    struct keeper_job *job = context;
    struct keeper_answer answer = {.status = KEEPER_OK, .signature = buf_view(&job->signature)};
    if (job->is_good) {
        keeper_job_answer(job, &answer);
        return;
    }
    log_error("sign-failed", LOG_BYTES("key", job->request.user),
              LOG_TEXT("reason", job->err.text));
    keeper_job_end(job, KEEPER_NO, job->err.text);
}

static void refuse_secret(struct keeper_job *job)
{
    log_error("secret-unknown", LOG_TEXT("reason", job->err.text));
    keeper_job_end(job, KEEPER_NO, job->err.text);
}

static void begin_signature(struct keeper_job *job)
{
    EVP_PKEY *key = secrets_key(job->keeper->secrets, job->request.user, &job->err);
    if (!key) {
        refuse_secret(job);
        return;
    }
    if (job->request.kind == KEEPER_PUBLIC_KEY) {
        job->is_good = keeper_public_key(key, &job->signature, &job->err);
        sign_done(job);
        return;
    }
    /* A reload may drop it meanwhile. */
    EVP_PKEY_up_ref(key);
    job->key = key;
    job->task = (struct keeper_task){.run = sign_run, .done = sign_done, .context = job};
    job->pool = job->keeper->quick;
    if (!keeper_pool_add(job->pool, BYTES_NONE, &job->task))
        keeper_job_end(job, KEEPER_BUSY, "too many signatures wait already");
}

static void answer_credential(struct keeper_job *job)
{
    struct keeper_answer answer = {.status = KEEPER_OK};
    if (!secrets_text(job->keeper->secrets, job->request.user, &answer.signature, &job->err) ||
        answer.signature.len > KEEPER_BYTES_LIMIT) {
        refuse_secret(job);
        return;
    }
    keeper_job_answer(job, &answer);
}

/* --- Requests --------------------------------------------------------------------------------- */

static void begin(struct keeper_job *job)
{
    switch (job->request.kind) {
    case KEEPER_SIGN:
    case KEEPER_PUBLIC_KEY: begin_signature(job); return;
    case KEEPER_CREDENTIAL: answer_credential(job); return;
    case KEEPER_VERIFY_TOKEN:
        if (keeper_bans_admit(job, BYTES_NONE))
            keeper_token_begin(job);
        return;
    case KEEPER_SPEND: keeper_usage_begin(job); return;
    case KEEPER_VERIFY_PASSWORD:
    case KEEPER_SCRAM_SALT:
    case KEEPER_SCRAM_PROOF:
    case KEEPER_ACCOUNT: keeper_login_begin(job); return;
    }
}

static void take_request(struct channel *channel, const struct ipc_message *message)
{
    struct keeper *keeper = channel->keeper;
    if (message->fd >= 0)
        close(message->fd);
    if (message->type != IPC_REQUEST)
        return;
    struct keeper_job *job = NEW(struct keeper_job);
    job->keeper = keeper;
    job->channel = channel;
    job->serial = message->number;
    job->len = message->payload.len;
    job->packet = memory_new(job->len + 1, 1);
    memcpy(job->packet, message->payload.at, job->len);
    buf_init(&job->signature, SIGNATURE_LIMIT);
    list_append(&keeper->jobs, &job->link);
    list_append(&channel->jobs, &job->channel_link);
    if (keeper_request_scan((struct bytes){job->packet, job->len}, &job->request))
        begin(job);
    else
        keeper_job_end(job, KEEPER_UNAVAILABLE, "the request is none");
}

static void on_channel(void *context, unsigned events)
{
    struct channel *channel = context;
    struct ipc_message message;
    struct error err;
    if (events & WATCH_WRITE)
        send_unsent(channel);
    while (channel->unsent_count < UNSENT_LIMIT) {
        switch (ipc_receive(watch_fd(channel->watch), channel->packet, &message, &err)) {
        case IPC_GOT:
            take_request(channel, &message);
            OPENSSL_cleanse(channel->packet, message.payload.len);
            continue;
        case IPC_AGAIN: want(channel); return;
        case IPC_BROKEN:
            log_error("ipc-broken", LOG_TEXT("reason", err.text));
            channel_close(channel);
            return;
        case IPC_GONE: channel_close(channel); return;
        }
    }
    want(channel);
}

static void on_peer(void *context, int fd_owned)
{
    struct keeper *keeper = context;
    struct error err;
    struct channel *channel = NEW(struct channel);
    channel->keeper = keeper;
    list_init(&channel->jobs);
    list_init(&channel->unsent);
    channel->watch = watch_open(keeper->loop, fd_owned, on_channel, channel, &err);
    if (!channel->watch) {
        log_error("peer-failed", LOG_TEXT("reason", err.text));
        free(channel);
        return;
    }
    list_append(&keeper->channels, &channel->link);
    channel->needs_directory = keeper->directory_fd >= 0;
    send_unsent(channel);
}

void keeper_tell_directory(struct keeper *keeper)
{
    LIST_EACH (&keeper->channels, struct channel, link, channel) {
        channel->needs_directory = true;
        send_unsent(channel);
    }
}

static void channel_close(struct channel *channel_owned)
{
    LIST_EACH (&channel_owned->jobs, struct keeper_job, channel_link, job) {
        job->channel = NULL;
        list_remove(&job->channel_link);
        if ((job->pool && keeper_pool_remove(job->pool, &job->task)) ||
            keeper_login_is_delayed(job->login))
            keeper_job_drop(job);
    }
    LIST_EACH (&channel_owned->unsent, struct unsent, link, unsent)
        drop_unsent(channel_owned, unsent);
    watch_close(channel_owned->watch);
    list_remove(&channel_owned->link);
    free(channel_owned);
}

/* --- What it is told -------------------------------------------------------------------------- */

static void on_secret(void *context, struct bytes name, int fd_owned, int os)
{
    struct keeper *keeper = context;
    if (!keeper->next_secrets)
        keeper->next_secrets =
            secrets_new(keeper->child->config->keys_folder, keeper->child->config->queue.seed);
    secrets_give(keeper->next_secrets, name, fd_owned, os);
}

static void use_secrets(struct keeper *keeper)
{
    const struct config *config = keeper->child->config;
    struct secrets *next = keeper->next_secrets;
    if (!next)
        next = secrets_new(config->keys_folder, config->queue.seed);
    secrets_free(keeper->secrets);
    keeper->secrets = next;
    keeper->next_secrets = NULL;
    secrets_move(next, config->keys_folder);
}

static void on_reload(void *context, struct config *config_owned)
{
    struct keeper *keeper = context;
    struct config *old = keeper->child->config;
    keeper->child->config = config_owned;
    use_secrets(keeper);
    keeper_login_reload(keeper);
    keeper_directory_reload(keeper);
    keeper_token_reload(keeper);
    config_free(old);
}

static void on_stop(void *context)
{
    struct keeper *keeper = context;
    keeper->is_stopping = true;
    LIST_EACH (&keeper->channels, struct channel, link, channel)
        channel_close(channel);
}

static const struct orders_events order_events = {
    .reload = on_reload, .peer = on_peer, .secret = on_secret, .stop = on_stop, .gone = on_stop};

static void on_turn(void *context)
{
    struct keeper *keeper = context;
    journal_flush(keeper->child->journal);
    log_flush();
    if (keeper->is_stopping && keeper_pool_is_idle(keeper->quick) &&
        keeper_pool_is_idle(keeper->slow) && keeper_bans_is_idle(keeper->bans))
        loop_stop(keeper->loop);
}

/* --- The process ------------------------------------------------------------------------------ */

/* Neither a core dump nor another process of the same user gets to see the memory. */
static void close_memory(void)
{
    const struct rlimit none = {0, 0};
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        log_warning("not-confined", LOG_TEXT("remedy", "allow PR_SET_DUMPABLE and RLIMIT_CORE"));
    /* Where not so much may be locked, the rest of what it does still holds. */
    (void)CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_LEAST);
}

static bool keeper_open(struct keeper *keeper, struct child *child, struct error *err)
{
    keeper->child = child;
    list_init(&keeper->channels);
    list_init(&keeper->jobs);
    for (size_t i = 0; i < child->secret_count; i++) {
        struct child_secret *secret = &child->secrets[i];
        on_secret(keeper, bytes_of(secret->name), secret->fd, secret->os);
        free(secret->name);
    }
    child->secret_count = 0;
    use_secrets(keeper);
    keeper->loop = loop_new(err);
    if (!keeper->loop)
        return false;
    loop_on_turn(keeper->loop, on_turn, keeper);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct keeper_pool_plan plan = {.threads = cores < QUICK_THREADS_LEAST  ? QUICK_THREADS_LEAST
                                               : cores > QUICK_THREADS_MOST ? QUICK_THREADS_MOST
                                                                            : (size_t)cores,
                                    .group = QUICK_GROUP,
                                    .limit = QUICK_LIMIT,
                                    .source_limit = QUICK_LIMIT,
                                    .seed = child->config->queue.seed};
    keeper->quick = keeper_pool_new(keeper->loop, &plan);
    if (!keeper_login_open(keeper, err) || !keeper_usage_open(keeper, err))
        return false;
    keeper_directory_open(keeper);
    keeper->orders = orders_open(keeper->loop, child, &order_events, keeper, err);
    return keeper->orders && child_ready(child, err);
}

static void keeper_close(struct keeper *keeper)
{
    on_stop(keeper);
    orders_close(keeper->orders);
    keeper_pool_free(keeper->quick);
    keeper_directory_close(keeper);
    keeper_login_close(keeper);
    keeper_token_reload(keeper);
    usage_close(keeper->usage);
    if (keeper->loop)
        loop_on_turn(keeper->loop, NULL, NULL);
    loop_free(keeper->loop);
    secrets_free(keeper->secrets);
    secrets_free(keeper->next_secrets);
    config_free(keeper->child->config);
    CRYPTO_secure_malloc_done();
    /* Nothing is left to be seen; who looks for leaks at the end needs to see the process. */
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int keeper_main(struct child *child)
{
    struct keeper keeper = {.child = child, .directory_fd = -1};
    struct error err;
    close_memory();
    bool is_open = keeper_open(&keeper, child, &err);
    if (is_open)
        loop_run(keeper.loop);
    else
        log_error("keeper-failed", LOG_TEXT("reason", err.text));
    keeper_close(&keeper);
    return is_open ? EXIT_SUCCESS : EXIT_FAILURE;
}
