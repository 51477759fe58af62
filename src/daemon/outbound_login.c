#include "daemon/outbound_login.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "mail/base64.h"

enum { NONCE_BYTES = 18 };

struct outbound_login {
    struct keeper_call *call;
    const struct endpoint *endpoint;
    const struct stream *stream;
    struct smtp_client *client;
    outbound_login_done *done;
    void *context;
};

/* Two nonces that are alike would let a server replay what it has heard. */
static bool make_nonce(struct buf *out)
{
    uint8_t random[NONCE_BYTES];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    base64_print(out, (struct bytes){random, sizeof random});
    return true;
}

static void give(struct outbound_login *login, struct bytes password)
{
    struct tls_facts facts;
    struct buf nonce;
    struct sasl_credential credential = {
        .user = login->endpoint->user, .password = password, .binding = SASL_UNBOUND};
    if (stream_tls_facts(login->stream, &facts) && facts.exporter_len) {
        credential.binding = SASL_TLS_EXPORTER;
        credential.binding_data = (struct bytes){facts.exporter, facts.exporter_len};
    }
    buf_init(&nonce, SIZE_MAX);
    if (make_nonce(&nonce)) {
        credential.nonce = buf_view(&nonce);
        smtp_client_credential(login->client, &credential);
    } else {
        smtp_client_no_credential(login->client, BYTES("this host gives no random bytes"));
    }
    buf_done(&nonce);
}

static void answered(void *context, const struct keeper_answer *answer)
{
    struct outbound_login *login = context;
    outbound_login_done *done = login->done;
    void *done_context = login->context;
    if (answer->status == KEEPER_OK) {
        give(login, answer->signature);
    } else {
        log_error("no-password", LOG_BYTES("lane", login->endpoint->name),
                  LOG_BYTES("file", login->endpoint->password_file),
                  LOG_BYTES("reason", answer->reason));
        smtp_client_no_credential(login->client, BYTES("see the log of the sending server"));
    }
    free(login);
    done(done_context);
}

struct outbound_login *outbound_login_begin(struct worker *worker, const struct endpoint *endpoint,
                                            const struct stream *stream, struct smtp_client *client,
                                            outbound_login_done *done, void *context)
{
    const struct keeper_request request = {.kind = KEEPER_CREDENTIAL,
                                           .user = endpoint->password_file};
    struct outbound_login *login = NEW(struct outbound_login);
    *login = (struct outbound_login){NULL, endpoint, stream, client, done, context};
    login->call = keeper_ask(worker->keeper, &request, answered, login);
    if (login->call)
        return login;
    free(login);
    smtp_client_no_credential(client, BYTES("there is no keeper"));
    return NULL;
}

void outbound_login_cancel(struct outbound_login *login_owned)
{
    if (!login_owned)
        return;
    keeper_cancel(login_owned->call);
    free(login_owned);
}
