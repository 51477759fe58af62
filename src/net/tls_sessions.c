/* A client's sessions. One for each target; the newest, as servers give a new one each time. */
#include "net/tls_state.h"

#include <openssl/rand.h>

/* More than that many servers are not talked to within a session's life; then all are forgotten,
 * which costs each a full handshake. */
enum { SESSION_LIMIT = 4096 };

static void forget(struct tls_context *context)
{
    size_t place = 0;
    for (void *session; map_next(context->sessions, &place, &session);)
        SSL_SESSION_free(session);
    map_free(context->sessions);
    context->sessions = NULL;
}

static struct map *new_map(void)
{
    uint64_t seed = 0;
    (void)RAND_bytes((uint8_t *)&seed, sizeof seed);
    return map_new(seed);
}

/* 1 keeps the reference. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);
    struct tls_context *context = tls->context;
    if (!tls->session_key.len || !SSL_SESSION_is_resumable(session))
        return 0;
    if (map_count(context->sessions) >= SESSION_LIMIT) {
        forget(context);
        context->sessions = new_map();
    }
    SSL_SESSION_free(map_add(context->sessions, tls->session_key, session));
    return 1;
}

void tls_sessions_init(struct tls_context *context)
{
    context->sessions = new_map();
    SSL_CTX_set_session_cache_mode(context->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl, on_session);
}

void tls_sessions_done(struct tls_context *context)
{
    if (context->sessions)
        forget(context);
}

void tls_sessions_offer(struct tls *tls)
{
    if (!tls->session_key.len)
        return;
    /* A TLS 1.3 session is for one use (RFC 8446, C.4); the server gives the next one. */
    SSL_SESSION *session = map_take(tls->context->sessions, tls->session_key);
    if (!session)
        return;
    (void)SSL_set_session(tls->ssl, session);
    if (SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION)
        (void)map_add(tls->context->sessions, tls->session_key, session);
    else
        SSL_SESSION_free(session);
}
