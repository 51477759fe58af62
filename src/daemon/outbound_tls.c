#include "daemon/outbound_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "mail/idna.h"

/* --- Contexts ----------------------------------------------------------------------------------
 */

struct outbound_contexts {
    const struct config *config;
    const struct tls_signer *signer;
    struct map *by_trust; /* struct tls_context; the key: whom to talk to, and whom to trust */
};

struct outbound_contexts *outbound_contexts_new(const struct config *config,
                                                const struct tls_signer *signer)
{
    struct outbound_contexts *contexts = NEW(struct outbound_contexts);
    contexts->config = config;
    contexts->signer = signer;
    contexts->by_trust = map_new(config->queue.seed);
    return contexts;
}

void outbound_contexts_free(struct outbound_contexts *contexts)
{
    if (!contexts)
        return;
    size_t place = 0;
    for (void *value; map_next(contexts->by_trust, &place, &value);)
        tls_context_free(value);
    map_free(contexts->by_trust);
    free(contexts);
}

/* Where any certificate will do, old versions do as well: they are better than clear text; and our
 * own certificate is not shown, as a signature that does not come would end in clear text. */
static struct tls_context *open_context(const struct outbound_contexts *contexts,
                                        const struct tls_rule *rule, struct error *err)
{
    const struct config *config = contexts->config;
    bool is_forced = rule->level == TLS_LEVEL_FORCED;
    const struct tls_identity identity = {
        .chain_pem = config_file(config, bytes_of(config->outbound.certificate)),
        .key_name = bytes_of(config->outbound.key),
    };
    bool has_identity = is_forced && config->outbound.certificate;
    const struct tls_client_settings settings = {
        .peers = is_forced ? TLS_PEERS_MODERN : TLS_PEERS_OLD,
        .ca_pem = config_file(config, rule->ca_file),
        .identity = has_identity ? &identity : NULL,
        .signer = has_identity ? contexts->signer : NULL,
    };
    return tls_client_context_new(&settings, err);
}

static struct tls_context *context_for(struct outbound_contexts *contexts,
                                       const struct tls_rule *rule, struct error *err)
{
    struct buf key;
    buf_init(&key, SIZE_MAX);
    buf_add_byte(&key, rule->level == TLS_LEVEL_FORCED ? 'f' : 'o');
    buf_add(&key, rule->ca_file);
    struct tls_context *context = map_find(contexts->by_trust, buf_view(&key));
    if (!context) {
        context = open_context(contexts, rule, err);
        if (context)
            map_add(contexts->by_trust, buf_view(&key), context);
    }
    buf_done(&key);
    return context;
}

/* --- One connection ----------------------------------------------------------------------------
 */

void outbound_tls_init(struct outbound_tls *tls, const struct endpoint *endpoint)
{
    *tls = (struct outbound_tls){.endpoint = endpoint};
    buf_init(&tls->domain, HOST_NAME_LIMIT);
    /* A domain that has no A-labels has no certificate either; nor has an address. */
    if (endpoint->kind == ENDPOINT_MX && !idna_to_ascii(endpoint->host, &tls->domain))
        buf_clear(&tls->domain);
}

void outbound_tls_done(struct outbound_tls *tls)
{
    buf_done(&tls->domain);
}

void outbound_tls_choose(struct outbound_tls *tls, struct bytes name, struct bytes remote,
                         bool has_failed)
{
    const struct tls_hop hop = {
        .host = name,
        .is_by_mx = tls->endpoint->kind == ENDPOINT_MX,
        .domain = buf_view(&tls->domain),
        .is_host_secure = tls->endpoint->is_secure,
        .is_implicit = tls->endpoint->is_implicit_tls,
        .has_failed = has_failed,
    };
    tls->host = name;
    tls->remote = remote;
    tls->words[0] = tls->failure[0] = 0;
    tls_level_choose(tls->endpoint->tls, &hop, &tls->terms);
}

enum smtp_client_tls outbound_tls_mode(const struct outbound_tls *tls)
{
    switch (tls->terms.level) {
    case TLS_LEVEL_NONE: return CLIENT_TLS_NONE;
    case TLS_LEVEL_OPPORTUNISTIC: return CLIENT_TLS_OPPORTUNISTIC;
    case TLS_LEVEL_FORCED: return CLIENT_TLS_FORCED;
    }
    return CLIENT_TLS_FORCED;
}

bool outbound_tls_may_be_clear(const struct outbound_tls *tls)
{
    return tls->terms.level != TLS_LEVEL_FORCED && !tls->endpoint->is_implicit_tls;
}

void outbound_tls_failed(struct outbound_tls *tls, const char *reason)
{
    snprintf(tls->failure, sizeof tls->failure, "the TLS handshake failed: %s", reason);
}

bool outbound_tls_start(struct outbound_tls *tls, struct outbound_contexts *contexts,
                        struct stream *stream)
{
    struct error err;
    struct ip ip;
    const struct tls_rule *rule = tls->endpoint->tls;
    struct tls_context *context = context_for(contexts, rule, &err);
    if (!context) {
        snprintf(tls->failure, sizeof tls->failure, "TLS cannot begin: %s", err.text);
        return false;
    }
    struct buf session_key;
    buf_init(&session_key, SIZE_MAX);
    buf_add(&session_key, tls->remote);
    buf_add(&session_key, tls->endpoint->name);
    struct tls_target target = {
        .server_name = ip_scan(tls->host, &ip) ? BYTES_NONE : tls->host,
        .names = tls->terms.names,
        .name_count = tls->terms.name_count,
        .pins = rule->pins,
        .pin_count = rule->pin_count,
        .session_key = buf_view(&session_key),
    };
    /* Of a host that may be anybody the log still says whether it is who it is called. */
    if (target.name_count == 0 && rule->pin_count == 0) {
        target.names = &tls->host;
        target.name_count = 1;
    }
    stream_start_tls(stream, tls_client_new(context, &target));
    buf_done(&session_key);
    return true;
}

static void log_secured(const struct outbound_tls *tls, const struct tls_facts *facts)
{
    log_info("secured", LOG_BYTES("lane", tls->endpoint->name), LOG_BYTES("host", tls->remote),
             LOG_TEXT("level", tls_level_word(tls->terms.level)), LOG_TEXT("by", tls->terms.reason),
             LOG_TEXT("version", facts->version), LOG_TEXT("cipher", facts->cipher),
             LOG_INT("bits", facts->bits), LOG_INT("resumed", facts->was_resumed),
             LOG_INT("verified", facts->is_verified), LOG_TEXT("certificate", facts->verification));
}

/* "example.org or .example.org" */
static void print_names(struct buf *out, const struct tls_terms *terms)
{
    for (size_t i = 0; i < terms->name_count; i++) {
        buf_add(out, i ? BYTES(" or ") : BYTES_NONE);
        buf_add(out, terms->names[i]);
    }
}

bool outbound_tls_judge(struct outbound_tls *tls, const struct stream *stream)
{
    struct tls_facts facts;
    if (!stream_tls_facts(stream, &facts))
        return false;
    log_secured(tls, &facts);
    snprintf(tls->words, sizeof tls->words, "%s %s, %s", facts.version, facts.cipher,
             facts.is_verified ? facts.verification : "not verified");
    if (tls->terms.level != TLS_LEVEL_FORCED || facts.is_verified)
        return true;
    struct buf names;
    buf_init(&names, REPLY_LIMIT / 2);
    if (tls->endpoint->tls->pin_count == 0)
        print_names(&names, &tls->terms);
    snprintf(tls->failure, sizeof tls->failure,
             "TLS with a verified certificate is required, and %s%s%.*s", facts.verification,
             names.len ? "; it has to be good for " : "", BYTES_ARGS(buf_view(&names)));
    buf_done(&names);
    return false;
}

void outbound_tls_settled(struct outbound_tls *tls, enum client_security security)
{
    const char *why = tls->terms.reason;
    /* By the configuration, or by nature. */
    bool is_wanted = tls->endpoint->tls->level == TLS_LEVEL_NONE;
    switch (security) {
    case CLIENT_IN_TLS: return;
    case CLIENT_IN_CLEAR: break;
    case CLIENT_NOT_OFFERED: why = "the server does not offer STARTTLS"; break;
    case CLIENT_TLS_REFUSED: why = "the server refuses STARTTLS"; break;
    }
    if (tls->endpoint->unix_path.len)
        return;
    snprintf(tls->words, sizeof tls->words, "none: %s", why);
    if (!is_wanted)
        log_info("in-clear", LOG_BYTES("lane", tls->endpoint->name), LOG_BYTES("host", tls->remote),
                 LOG_TEXT("reason", why));
}
