#include "daemon/signing.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/dkim_sign.h"
#include "base/memory.h"
#include "mail/author.h"
#include "policy/keyring.h"

enum { FIELDS_LIMIT = 128 * 1024 };

/* What one key is asked for. */
struct ask {
    struct signing *signing;
    struct keeper_call *call; /* NULL: answered, or not asked */
    const struct keyring_key *key;
};

struct signing {
    struct worker *worker;
    struct generation *generation;
    struct body_hash *body;
    struct dkim_sign *sign;
    struct ask asks[DKIM_SIGN_KEYS_MOST];
    size_t count, waiting;
    uint64_t id;
    signing_done *done;
    void *context;
};

/* The keys that sign for the first author who has some. */
static size_t find_keys(const struct keyring *keyring, struct bytes section,
                        const struct keyring_key *keys[DKIM_SIGN_KEYS_MOST])
{
    struct author author;
    struct arena *arena = arena_new(AUTHOR_ARENA);
    size_t count = 0;
    author_find(section, arena, &author);
    for (size_t i = 0; author.status == AUTHOR_FOUND && i < author.count && !count; i++)
        count = keyring_find(keyring, author.domains[i], keys);
    arena_free(arena);
    return count;
}

struct signing *signing_new(struct worker *worker, struct generation *generation,
                            struct bytes section)
{
    const struct config *config = generation->config;
    const struct keyring_key *keys[DKIM_SIGN_KEYS_MOST];
    struct dkim_sign_key wanted[DKIM_SIGN_KEYS_MOST];
    size_t count = config->keyring ? find_keys(config->keyring, section, keys) : 0;
    if (count == 0)
        return NULL;
    struct signing *signing = NEW(struct signing);
    signing->worker = worker;
    signing->generation = generation_use(generation);
    signing->count = count;
    for (size_t i = 0; i < count; i++) {
        wanted[i] = (struct dkim_sign_key){keys[i]->selector, keys[i]->algorithm};
        signing->asks[i] = (struct ask){.signing = signing, .key = keys[i]};
    }
    struct dkim_sign_plan plan = {.domain = keys[0]->domain,
                                  .keys = wanted,
                                  .key_count = count,
                                  .now_s = loop_wall_ms(worker->loop) / 1000};
    signing->body = body_hash_new();
    signing->sign = dkim_sign_new(&plan, section, signing->body);
    return signing;
}

bool signing_is_possible(const struct signing *signing)
{
    return signing->sign != NULL;
}

void signing_free(struct signing *signing)
{
    if (!signing)
        return;
    for (size_t i = 0; i < signing->count; i++)
        keeper_cancel(signing->asks[i].call);
    dkim_sign_free(signing->sign);
    body_hash_free(signing->body);
    generation_leave(signing->generation);
    free(signing);
}

void signing_add(struct signing *signing, struct bytes text)
{
    body_hash_add(signing->body, text);
}

static void log_failure(const struct ask *ask, struct bytes reason)
{
    log_error("sign-failed", LOG_ID(ask->signing->id), LOG_BYTES("domain", ask->key->domain),
              LOG_BYTES("selector", ask->key->selector), LOG_BYTES("reason", reason));
}

static void end(struct signing *signing)
{
    struct buf fields;
    buf_init(&fields, FIELDS_LIMIT);
    if (signing->sign)
        dkim_sign_print(signing->sign, &fields);
    ASSERT(!fields.overflowed);
    /* The signing may be gone when done returns. */
    signing->done(signing->context, buf_view(&fields));
    buf_done(&fields);
}

static void signed_by_keeper(void *context, const struct keeper_answer *answer)
{
    struct ask *ask = context;
    struct signing *signing = ask->signing;
    ask->call = NULL;
    if (answer->status == KEEPER_OK && answer->signature.len) {
        dkim_sign_add(signing->sign, (size_t)(ask - signing->asks), answer->signature);
        log_info("signed", LOG_ID(signing->id), LOG_BYTES("domain", ask->key->domain),
                 LOG_BYTES("selector", ask->key->selector),
                 LOG_TEXT("algorithm", key_algorithm_name(ask->key->algorithm)));
    } else {
        log_failure(ask,
                    answer->reason.len ? answer->reason : BYTES("the keeper gave no signature"));
    }
    if (--signing->waiting == 0)
        end(signing);
}

static enum keeper_scheme scheme_of(enum key_algorithm algorithm)
{
    switch (algorithm) {
    case KEY_RSA: return KEEPER_RSA_PKCS1;
    case KEY_ED25519: return KEEPER_ED25519;
    }
    return KEEPER_RSA_PKCS1;
}

struct keeper_call *signing_ask(struct worker *worker, const struct config *config,
                                const struct keyring_key *key, const uint8_t digest[DIGEST_BYTES],
                                keeper_done *done, void *context)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%.*s", config->keys_folder, BYTES_ARGS(key->file));
    struct keeper_request request = {.kind = KEEPER_SIGN,
                                     .scheme = scheme_of(key->algorithm),
                                     .hash = KEEPER_SHA256,
                                     .user = bytes_of(path),
                                     .secret = {digest, DIGEST_BYTES}};
    return keeper_ask(worker->keeper, &request, done, context);
}

static struct keeper_call *ask_keeper(struct ask *ask, size_t place)
{
    struct signing *signing = ask->signing;
    uint8_t digest[DIGEST_BYTES];
    dkim_sign_digest(signing->sign, place, digest);
    return signing_ask(signing->worker, signing->generation->config, ask->key, digest,
                       signed_by_keeper, ask);
}

void signing_finish(struct signing *signing, uint64_t id, signing_done *done, void *context)
{
    signing->id = id;
    signing->done = done;
    signing->context = context;
    body_hash_end(signing->body);
    for (size_t i = 0; signing->sign && i < signing->count; i++) {
        signing->asks[i].call = ask_keeper(&signing->asks[i], i);
        if (signing->asks[i].call)
            signing->waiting++;
        else
            log_failure(&signing->asks[i], BYTES("there is no keeper"));
    }
    if (!signing->sign)
        log_failure(&signing->asks[0], BYTES("the header section has too many fields"));
    if (signing->waiting == 0)
        end(signing);
}
