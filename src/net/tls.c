#include "net/tls_state.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static struct tls *new_tls(struct tls_context *context)
{
    struct tls *tls = NEW(struct tls);
    tls->context = context;
    context->users++;
    tls->ssl = SSL_new(context->ssl);
    ASSERT(tls->ssl);
    SSL_set_app_data(tls->ssl, tls);
    return tls;
}

struct tls *tls_server_new(struct tls_context *context, enum tls_client_certificate asked)
{
    ASSERT(context->is_server);
    struct tls *tls = new_tls(context);
    SSL_set_accept_state(tls->ssl);
    if (asked == TLS_CLIENT_CERTIFICATE_ASKED)
        SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, NULL); /* the context's callback takes all */
    return tls;
}

static void set_names(SSL *ssl, const struct tls_target *target)
{
    char name[256];
    X509_VERIFY_PARAM *verify = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    for (size_t i = 0; i < target->name_count; i++)
        if (!X509_VERIFY_PARAM_add1_host(verify, (const char *)target->names[i].at,
                                         target->names[i].len))
            /* A name that holds a NUL is no name; nothing may match then. */
            X509_VERIFY_PARAM_set1_host(verify, "invalid", 0);
    if (target->server_name.len && target->server_name.len < sizeof name) {
        snprintf(name, sizeof name, "%.*s", BYTES_ARGS(target->server_name));
        (void)SSL_set_tlsext_host_name(ssl, name);
    }
}

static struct bytes join_key(const struct tls_target *target)
{
    if (!target->session_key.len)
        return BYTES_NONE;
    size_t len = target->session_key.len + target->server_name.len + 1;
    for (size_t i = 0; i < target->name_count; i++)
        len += target->names[i].len + 1;
    uint8_t *key = memory_new(len, 1), *at = key;
    memcpy(at, target->session_key.at, target->session_key.len);
    at += target->session_key.len;
    *at++ = 0;
    if (target->server_name.len)
        memcpy(at, target->server_name.at, target->server_name.len);
    at += target->server_name.len;
    for (size_t i = 0; i < target->name_count; i++) {
        *at++ = 0;
        if (target->names[i].len)
            memcpy(at, target->names[i].at, target->names[i].len);
        at += target->names[i].len;
    }
    return (struct bytes){key, len};
}

struct tls *tls_client_new(struct tls_context *context, const struct tls_target *target)
{
    ASSERT(!context->is_server);
    struct tls *tls = new_tls(context);
    SSL_set_connect_state(tls->ssl);
    set_names(tls->ssl, target);
    tls->session_key = join_key(target);
    tls->pin_count = target->pin_count;
    if (target->pin_count) {
        tls->pins = memory_new(target->pin_count, sizeof *tls->pins);
        memcpy(tls->pins, target->pins, target->pin_count * sizeof *tls->pins);
    }
    tls_sessions_offer(tls);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    tls_remote_abandon(tls);
    SSL_free(tls->ssl);
    tls_context_free(tls->context);
    free((void *)(uintptr_t)tls->session_key.at);
    free(tls->pins);
    free(tls);
}

void tls_bind(struct tls *tls, int fd, tls_wake *wake, void *wake_context)
{
    int is_set = SSL_set_fd(tls->ssl, fd);
    ASSERT(is_set);
    tls->wake = wake;
    tls->wake_context = wake_context;
    if (tls->context->signer)
        SSL_set_mode(tls->ssl, SSL_MODE_ASYNC);
}

/* The status that a call's result stands for; words go to tls->failure. */
static enum tls_status status_of(struct tls *tls, int result, int os, int *out_os)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_NONE: return TLS_FINE;
    case SSL_ERROR_WANT_READ: return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANT_WRITE;
    case SSL_ERROR_WANT_ASYNC: return TLS_WANT_WAKE;
    case SSL_ERROR_ZERO_RETURN: return TLS_ENDED;
    case SSL_ERROR_SYSCALL:
        tls->is_broken = true;
        if (!os)
            return TLS_ENDED;
        *out_os = os;
        return TLS_BROKEN;
    default:
        tls->is_broken = true;
        /* A second look finds the first reason no more. */
        if (!tls->failure[0])
            tls_words(tls->failure, sizeof tls->failure);
        *out_os = EPROTO;
        return TLS_BROKEN;
    }
}

enum tls_status tls_handshake(struct tls *tls, int *os)
{
    enum tls_status status;
    do {
        ERR_clear_error();
        errno = 0;
        tls->context->current = tls;
        int result = SSL_do_handshake(tls->ssl);
        tls->context->current = NULL;
        status = status_of(tls, result, errno, os);
    } while (status == TLS_WANT_WAKE && tls_remote_ask(tls));
    if (status == TLS_FINE) {
        tls->is_secured = true;
        /* Only a handshake signs, and a job costs a stack of its own. */
        SSL_clear_mode(tls->ssl, SSL_MODE_ASYNC);
    } else if (status == TLS_ENDED) {
        tls->is_broken = true;
        snprintf(tls->failure, sizeof tls->failure,
                 "the other side closed the connection within the handshake");
        *os = EPROTO;
        status = TLS_BROKEN;
    }
    return status;
}

enum tls_status tls_read(struct tls *tls, uint8_t *at, size_t room, size_t *got, int *os)
{
    ASSERT(room >= TLS_RECORD);
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(tls->ssl, at, room, got);
    return status_of(tls, result, errno, os);
}

bool tls_has_more(const struct tls *tls)
{
    return SSL_has_pending(tls->ssl) == 1;
}

enum tls_status tls_write(struct tls *tls, struct bytes bytes, size_t *sent, int *os)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(tls->ssl, bytes.at, bytes.len, sent);
    return status_of(tls, result, errno, os);
}

void tls_goodbye(struct tls *tls)
{
    if (!tls->is_secured || tls->is_broken)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

const char *tls_failure(const struct tls *tls)
{
    return tls->failure;
}
