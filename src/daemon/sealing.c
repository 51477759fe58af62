#include "daemon/sealing.h"

#include <stdlib.h>

#include "base/memory.h"
#include "daemon/signing.h"
#include "policy/keyring.h"

enum { SEAL_LIMIT = 512 * 1024 };

struct sealing {
    struct worker *worker;
    struct generation *generation;
    const struct keyring_key *key;
    struct arc_seal *seal;
    struct keeper_call *call; /* NULL: none is open */
    bool has_message;         /* the first of the two signatures is there */
    uint64_t id;
    sealing_done *done;
    void *context;
};

static void log_failure(uint64_t id, struct bytes domain, struct bytes reason)
{
    log_error("seal-failed", LOG_ID(id), LOG_BYTES("domain", domain), LOG_BYTES("reason", reason));
}

/* ARC knows RSA alone to be there at every receiver (RFC 8617, 4.1.2, by way of RFC 8301). */
static const struct keyring_key *find_key(const struct config *config)
{
    const struct keyring_key *keys[DKIM_SIGN_KEYS_MOST];
    struct bytes domain = bytes_of(config->verify.seal);
    size_t count = config->keyring ? keyring_find(config->keyring, domain, keys) : 0;
    for (size_t i = 0; i < count; i++)
        if (keys[i]->algorithm == KEY_RSA)
            return keys[i];
    return NULL;
}

void sealing_free(struct sealing *sealing)
{
    if (!sealing)
        return;
    keeper_cancel(sealing->call);
    arc_seal_free(sealing->seal);
    generation_leave(sealing->generation);
    free(sealing);
}

static void end(struct sealing *sealing, bool is_good)
{
    struct buf fields;
    buf_init(&fields, SEAL_LIMIT);
    if (is_good)
        arc_seal_print(sealing->seal, &fields);
    ASSERT(!fields.overflowed);
    /* The sealing may be gone when done returns. */
    sealing->done(sealing->context, buf_view(&fields));
    buf_done(&fields);
}

static void ask(struct sealing *sealing);

static void signed_by_keeper(void *context, const struct keeper_answer *answer)
{
    struct sealing *sealing = context;
    sealing->call = NULL;
    if (answer->status != KEEPER_OK || answer->signature.len == 0) {
        log_failure(sealing->id, sealing->key->domain,
                    answer->reason.len ? answer->reason : BYTES("the keeper gave no signature"));
        end(sealing, false);
    } else if (sealing->has_message) {
        arc_seal_add_chain(sealing->seal, answer->signature);
        log_info("sealed", LOG_ID(sealing->id), LOG_BYTES("domain", sealing->key->domain),
                 LOG_BYTES("selector", sealing->key->selector));
        end(sealing, true);
    } else {
        arc_seal_add_message(sealing->seal, answer->signature);
        sealing->has_message = true;
        ask(sealing);
    }
}

static void ask(struct sealing *sealing)
{
    uint8_t digest[DIGEST_BYTES];
    if (sealing->has_message)
        arc_seal_chain_digest(sealing->seal, digest);
    else
        arc_seal_message_digest(sealing->seal, digest);
    sealing->call = signing_ask(sealing->worker, sealing->generation->config, sealing->key, digest,
                                signed_by_keeper, sealing);
    if (sealing->call)
        return;
    log_failure(sealing->id, sealing->key->domain, BYTES("there is no keeper"));
    end(sealing, false);
}

struct sealing *sealing_new(struct worker *worker, struct generation *generation,
                            const struct sealing_message *message)
{
    const struct keyring_key *key = find_key(generation->config);
    if (!key) {
        log_failure(message->id, bytes_of(generation->config->verify.seal),
                    BYTES("there is no active RSA key; make one: postrider dkim new DOMAIN"));
        return NULL;
    }
    struct arc_seal_plan plan = {.domain = key->domain,
                                 .selector = key->selector,
                                 .algorithm = KEY_RSA,
                                 .instance = message->instance,
                                 .chain = message->chain,
                                 .results = message->results,
                                 .now_s = loop_wall_ms(worker->loop) / 1000};
    struct arc_seal *seal = arc_seal_new(&plan, message->section, message->body);
    if (!seal) {
        log_failure(message->id, key->domain, BYTES("the header section has too many fields"));
        return NULL;
    }
    struct sealing *sealing = NEW(struct sealing);
    *sealing = (struct sealing){.worker = worker,
                                .generation = generation_use(generation),
                                .key = key,
                                .seal = seal,
                                .id = message->id};
    return sealing;
}

void sealing_finish(struct sealing *sealing, sealing_done *done, void *context)
{
    sealing->done = done;
    sealing->context = context;
    ask(sealing);
}
