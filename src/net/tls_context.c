#include "net/tls_state.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/memory.h"

/* Forward secret ones only: a server's key never does more than sign. */
static const char modern_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:"
                                     "!aNULL:!PSK:!SRP:!DSS";
static const char old_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:"
                                  "ECDHE+AES:DHE+AES:!aNULL:!PSK:!SRP:!DSS";
/* A client that takes any certificate takes key exchange by RSA too, rather than clear text. */
static const char old_client_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:"
                                         "ECDHE+AES:DHE+AES:RSA+AES:!aNULL:!PSK:!SRP:!DSS";
enum { SECURITY_MODERN = 2, SECURITY_OLD = 0 }; /* SSL_CTX_set_security_level(3) */

static SSL_CTX *new_ssl(const struct tls_context *context, enum tls_peers peers, struct error *err)
{
    bool is_old = peers == TLS_PEERS_OLD;
    /* With remote keys there are two providers of RSA and ECDSA. */
    SSL_CTX *ssl = SSL_CTX_new_ex(context->library, context->library ? "?provider=default" : NULL,
                                  context->is_server ? TLS_server_method() : TLS_client_method());
    const char *ciphers = !is_old              ? modern_ciphers
                          : context->is_server ? old_ciphers
                                               : old_client_ciphers;
    if (ssl)
        SSL_CTX_set_security_level(ssl, is_old ? SECURITY_OLD : SECURITY_MODERN);
    if (!ssl || !SSL_CTX_set_min_proto_version(ssl, is_old ? TLS1_VERSION : TLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(ssl, 0) || !SSL_CTX_set_cipher_list(ssl, ciphers)) {
        tls_error(err, "TLS");
        SSL_CTX_free(ssl);
        return NULL;
    }
    /* SMTP has its own words for the end, so that one without close_notify takes nothing away. */
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (is_old && !context->is_server)
        SSL_CTX_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    /* One call for a record instead of two; see tls_has_more(). */
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    return ssl;
}

/* --- Identities ----------------------------------------------------------------------------- */

static EVP_PKEY *open_key(struct tls_context *context, const struct tls_chain *chain,
                          const struct tls_identity *identity, struct error *err)
{
    if (!identity->key_pem.len)
        return tls_remote_key(context, chain->certificate, identity->key_name, err);
    EVP_PKEY *key = tls_key_read(context->library, identity->key_pem, err);
    if (key && X509_check_private_key(chain->certificate, key) != 1) {
        error_set(err, 0, "the key is not the certificate's");
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static bool has_kind(SSL_CTX *ssl, const EVP_PKEY *key)
{
    for (long more = SSL_CTX_set_current_cert(ssl, SSL_CERT_SET_FIRST); more == 1;
         more = SSL_CTX_set_current_cert(ssl, SSL_CERT_SET_NEXT))
        if (EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(ssl)) == EVP_PKEY_get_base_id(key))
            return true;
    return false;
}

/* The group in which the certificate has a place, made when there is none. */
static struct tls_group *place_of(struct tls_context *context, const struct tls_chain *chain,
                                  const EVP_PKEY *key, enum tls_peers peers, struct error *err)
{
    for (size_t i = 0; i < context->group_count; i++)
        if (tls_same_names(context->groups[i].first, chain->certificate) &&
            !has_kind(context->groups[i].ssl, key))
            return &context->groups[i];
    SSL_CTX *ssl = new_ssl(context, peers, err);
    if (!ssl)
        return NULL;
    struct tls_group *group = &context->groups[context->group_count++];
    *group = (struct tls_group){ssl, NULL};
    return group;
}

static bool use(SSL_CTX *ssl, const struct tls_chain *chain, EVP_PKEY *key, struct error *err)
{
    if (SSL_CTX_use_cert_and_key(ssl, chain->certificate, key, chain->issuers, 1) != 1)
        return tls_error(err, "not usable");
    return true;
}

static bool add_identity(struct tls_context *context, const struct tls_server_settings *settings,
                         const struct tls_identity *identity, struct error *err)
{
    struct tls_chain chain;
    if (!tls_chain_read(context->library, identity->chain_pem, &chain, err))
        return false;
    EVP_PKEY *key = open_key(context, &chain, identity, err);
    struct tls_group *group = key ? place_of(context, &chain, key, settings->peers, err) : NULL;
    bool is_good = group && use(group->ssl, &chain, key, err);
    if (is_good && !group->first)
        group->first = SSL_CTX_get0_certificate(group->ssl);
    EVP_PKEY_free(key);
    tls_chain_done(&chain);
    return is_good;
}

/* --- Servers -------------------------------------------------------------------------------- */

/* Whoever asks for a name that is not ours gets the default: clients that mind will see, and mail
 * servers mostly do not. */
static int on_server_name(SSL *ssl, int *alert, void *argument)
{
    const struct tls_context *context = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i < context->group_count; i++)
        if (X509_check_host(context->groups[i].first, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                            NULL) == 1) {
            if (i > 0)
                (void)SSL_set_SSL_CTX(ssl, context->groups[i].ssl);
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_NOACK;
}

static int take_any(int is_good, X509_STORE_CTX *store)
{
    return 1;
}

/* Encrypts a new ticket, or decrypts one that came back: 1; 2: it is to be replaced; 0: a full
 * handshake. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_new)
{
    struct tls_tickets *tickets = &((struct tls *)SSL_get_app_data(ssl))->context->tickets;
    int64_t now_s = instant_steady_ms() / 1000;
    const struct ticket_key *newest = tls_tickets_newest(tickets, now_s);
    const struct ticket_key *key = is_new ? newest : tls_tickets_find(tickets, name, now_s);
    if (!key)
        return is_new ? -1 : 0;
    if (is_new) {
        memcpy(name, key->name, sizeof key->name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
            return -1;
    }
    uint8_t secret[TICKET_SECRET];
    char digest[] = "SHA256";
    memcpy(secret, key->mac, sizeof secret);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof secret),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    bool is_good = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, is_new) &&
                   EVP_MAC_CTX_set_params(mac, params);
    OPENSSL_cleanse(secret, sizeof secret);
    /* A TLS 1.3 client uses a ticket once (RFC 8446, C.4), and needs the next one. */
    bool is_to_stay = key == newest && (is_new || SSL_version(ssl) < TLS1_3_VERSION);
    return !is_good ? -1 : is_to_stay ? 1 : 2;
}

static void set_up_server(struct tls_context *context, const struct tls_server_settings *settings)
{
    static const uint8_t service[] = "postrider";
    for (size_t i = 0; i < context->group_count; i++) {
        SSL_CTX *ssl = context->groups[i].ssl;
        (void)SSL_CTX_set_dh_auto(ssl, 1);
        SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, take_any);
        (void)SSL_CTX_set_session_id_context(ssl, service, sizeof service - 1);
        SSL_CTX_set_timeout(ssl, TICKET_LIFE_S);
        (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
        /* One ticket is enough for a mail client, and it goes out behind the client's Finished:
         * Microsoft's senders break off where one comes before it (RFC 8446, 4.6.1). */
        (void)SSL_CTX_set_num_tickets(ssl, settings->has_no_tickets ? 0 : 1);
        if (settings->has_no_tickets)
            SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    }
    context->ssl = context->groups[0].ssl;
    SSL_CTX_set_tlsext_servername_callback(context->ssl, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context->ssl, context);
}

struct tls_context *tls_server_context_new(const struct tls_server_settings *settings,
                                           struct error *err)
{
    ASSERT(settings->identity_count > 0);
    struct tls_context *context = NEW(struct tls_context);
    context->users = 1;
    context->is_server = true;
    context->signer = settings->signer;
    context->groups = memory_new(settings->identity_count, sizeof *context->groups);
    bool is_good = !context->signer || tls_remote_open(context, err);
    for (size_t i = 0; is_good && i < settings->identity_count; i++)
        is_good = add_identity(context, settings, &settings->identities[i], err);
    if (!is_good) {
        tls_context_free(context);
        return NULL;
    }
    set_up_server(context, settings);
    return context;
}

/* --- Clients -------------------------------------------------------------------------------- */

static bool set_up_client(struct tls_context *context, const struct tls_client_settings *settings,
                          struct error *err)
{
    struct tls_chain chain;
    if (context->signer && !tls_remote_open(context, err))
        return false;
    context->ssl = new_ssl(context, settings->peers, err);
    if (!context->ssl)
        return false;
    SSL_CTX_set_verify(context->ssl, SSL_VERIFY_NONE, NULL);
    if (settings->ca_pem.len) {
        X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
        if (!tls_trust_read(context->library, settings->ca_pem, store, err))
            return error_wrap(err, "trusted certificates");
    } else if (!SSL_CTX_set_default_verify_paths(context->ssl)) {
        return tls_error(err, "the system's trusted certificates");
    }
    tls_sessions_init(context);
    if (!settings->identity)
        return true;
    if (!tls_chain_read(context->library, settings->identity->chain_pem, &chain, err))
        return false;
    EVP_PKEY *key = open_key(context, &chain, settings->identity, err);
    bool is_good = key && use(context->ssl, &chain, key, err);
    EVP_PKEY_free(key);
    tls_chain_done(&chain);
    return is_good;
}

struct tls_context *tls_client_context_new(const struct tls_client_settings *settings,
                                           struct error *err)
{
    struct tls_context *context = NEW(struct tls_context);
    context->users = 1;
    context->signer = settings->signer;
    if (set_up_client(context, settings, err))
        return context;
    tls_context_free(context);
    return NULL;
}

struct tls_context *tls_context_share(struct tls_context *context)
{
    context->users++;
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (!context || --context->users)
        return;
    tls_sessions_done(context);
    for (size_t i = 0; i < context->group_count; i++)
        SSL_CTX_free(context->groups[i].ssl);
    free(context->groups);
    if (!context->is_server)
        SSL_CTX_free(context->ssl);
    if (context->library)
        tls_remote_close(context);
    tls_tickets_done(&context->tickets);
    free(context);
}
