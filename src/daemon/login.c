#include "daemon/login.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "mail/base64.h"
#include "policy/directory.h"

enum { NONCE_BYTES = 18 };

struct login {
    struct worker *worker;
    struct session *session;
    struct generation *generation;
    struct keeper_call *call;  /* NULL: nothing is asked */
    enum keeper_status status; /* of the newest answer */
    uint8_t nonce[(NONCE_BYTES / 3) * 4];
    struct buf facts; /* the account's address, and behind it its further ones, packed */
    struct bytes *own;
    struct sender_rights rights; /* of who the keeper said it is, in or not yet */
    struct quota_limits quota;
};

struct login *login_new(struct worker *worker, struct session *session,
                        struct generation *generation)
{
    struct login *login = NEW(struct login);
    login->worker = worker;
    login->session = session;
    login->generation = generation_use(generation);
    buf_init(&login->facts, KEEPER_PACKET_LIMIT);
    return login;
}

void login_free(struct login *login)
{
    if (!login)
        return;
    keeper_cancel(login->call);
    generation_leave(login->generation);
    buf_done(&login->facts);
    free(login->own);
    free(login);
}

/* --- Asking ----------------------------------------------------------------------------------- */

static enum keeper_kind kind_of(enum sasl_question_kind kind)
{
    switch (kind) {
    case SASL_ASK_PASSWORD: return KEEPER_VERIFY_PASSWORD;
    case SASL_ASK_SCRAM_SALT: return KEEPER_SCRAM_SALT;
    case SASL_ASK_SCRAM_PROOF: return KEEPER_SCRAM_PROOF;
    case SASL_ASK_TOKEN: return KEEPER_VERIFY_TOKEN;
    case SASL_ASK_CERTIFICATE: break;
    }
    return KEEPER_ACCOUNT;
}

static void ask(struct login *login, const struct sasl_question *question, struct bytes secret);

const char *login_by_certificate(const struct config *config, const struct tls_facts *facts)
{
    for (size_t i = 0; facts->has_peer_certificate && i < config->auth.certificate_count; i++) {
        const struct config_client *client = &config->auth.certificates[i];
        if (memcmp(client->fingerprint, facts->peer_certificate, TLS_HASH_SIZE) == 0)
            return client->account;
    }
    return NULL;
}

/* Whose the certificate is says the configuration; the client may name the same account. */
static void ask_certificate(struct login *login, const struct sasl_question *question)
{
    struct tls_facts facts;
    const char *account = NULL;
    if (session_tls_facts(login->session, &facts))
        account = login_by_certificate(login->generation->config, &facts);
    struct sasl_question whose = *question;
    whose.user = bytes_of(account);
    if (account && (!question->user.len || directory_is_same(question->user, whose.user)))
        ask(login, &whose, BYTES_NONE);
    else
        session_login_answer(login->session, &(struct sasl_answer){.verdict = SASL_DENIED});
}

void login_ask(struct login *login)
{
    const struct sasl_question *question = smtp_server_question(session_smtp(login->session));
    switch (question->kind) {
    case SASL_ASK_SCRAM_SALT: ask(login, question, BYTES_NONE); return;
    case SASL_ASK_SCRAM_PROOF: ask(login, question, question->proof); return;
    case SASL_ASK_PASSWORD:
    case SASL_ASK_TOKEN: ask(login, question, question->secret); return;
    case SASL_ASK_CERTIFICATE: ask_certificate(login, question); return;
    }
}

/* --- The answer ------------------------------------------------------------------------------- */

/* Keeps what the keeper says of the account, in no more room than it takes: thousands may be in. */
static void keep_facts(struct login *login, const struct keeper_answer *answer)
{
    const struct config *config = login->generation->config;
    struct bytes address;
    size_t count = 0;
    buf_free(&login->facts);
    buf_add(&login->facts, answer->address);
    buf_add(&login->facts, answer->own);
    ASSERT(!login->facts.overflowed);
    struct bytes facts = buf_view(&login->facts);
    struct bytes own = bytes_from(facts, answer->address.len);
    for (struct bytes list = own; keeper_next_own(&list, &address);)
        count++;
    free(login->own);
    login->own = memory_new(count + 1, sizeof *login->own);
    count = 0;
    for (struct bytes list = own; keeper_next_own(&list, &address);)
        login->own[count++] = address;
    login->rights =
        (struct sender_rights){bytes_sub(facts, 0, answer->address.len), login->own, count};
    login->quota = (struct quota_limits){
        answer->messages_per_day ? answer->messages_per_day : config->auth.messages_per_day,
        answer->recipients_per_day ? answer->recipients_per_day : config->auth.recipients_per_day,
    };
}

static enum sasl_verdict verdict_of(enum keeper_status status)
{
    switch (status) {
    case KEEPER_OK: return SASL_GRANTED;
    case KEEPER_NO: return SASL_DENIED;
    case KEEPER_BUSY:
    case KEEPER_BANNED:
    case KEEPER_UNAVAILABLE: break;
    }
    return SASL_UNAVAILABLE;
}

/* What nobody can foretell, so that no answer fits twice (RFC 5802, 5.1). False: the kernel has no
 * random bytes yet. */
static bool make_nonce(struct login *login, struct bytes *out)
{
    uint8_t random[NONCE_BYTES];
    struct buf text = {
        .at = login->nonce, .cap = sizeof login->nonce, .limit = sizeof login->nonce};
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    base64_print(&text, (struct bytes){random, sizeof random});
    *out = buf_view(&text);
    return true;
}

static struct bytes find_binding(const struct tls_facts *facts, enum sasl_binding kind)
{
    switch (kind) {
    case SASL_UNBOUND: break;
    case SASL_TLS_EXPORTER: return (struct bytes){facts->exporter, facts->exporter_len};
    case SASL_TLS_SERVER_END_POINT: return (struct bytes){facts->end_point, facts->end_point_len};
    }
    return BYTES_NONE;
}

static void on_answer(void *context, const struct keeper_answer *answer)
{
    struct login *login = context;
    const struct sasl_question *question = smtp_server_question(session_smtp(login->session));
    struct sasl_answer out = {.verdict = verdict_of(answer->status)};
    struct tls_facts facts;
    login->call = NULL;
    login->status = answer->status;
    if (answer->status == KEEPER_OK && question->kind == SASL_ASK_SCRAM_SALT) {
        out.salt = answer->salt;
        out.iterations = answer->iterations;
        if (session_tls_facts(login->session, &facts))
            out.binding = find_binding(&facts, question->binding);
        if (!make_nonce(login, &out.nonce))
            out.verdict = SASL_UNAVAILABLE;
    } else if (answer->status == KEEPER_OK) {
        keep_facts(login, answer);
        out.account = login->rights.account;
        out.signature = answer->signature;
    }
    session_login_answer(login->session, &out);
}

static void ask(struct login *login, const struct sasl_question *question, struct bytes secret)
{
    const struct smtp_server *smtp = session_smtp(login->session);
    const struct keeper_request request = {
        .kind = kind_of(question->kind),
        .user = question->user,
        .secret = secret,
        .message = question->auth_message,
        .peer = session_peer(login->session),
        .session = session_number(login->session),
        .mechanism = sasl_mechanism_name(smtp_server_login(smtp).mechanism),
    };
    login->call = keeper_ask(login->worker->keeper, &request, on_answer, login);
    if (!login->call)
        session_login_answer(login->session, &(struct sasl_answer){.verdict = SASL_UNAVAILABLE});
}

/* --- The end ---------------------------------------------------------------------------------- */

void login_ended(struct login *login)
{
    const struct smtp_server *smtp = session_smtp(login->session);
    struct smtp_login end = smtp_server_login(smtp);
    struct bytes mechanism = sasl_mechanism_name(end.mechanism);
    if (end.has_succeeded) {
        log_info("login", LOG_SESSION(session_number(login->session)),
                 LOG_BYTES("user", smtp_server_user(smtp)),
                 LOG_BYTES("client", session_peer(login->session)),
                 LOG_BYTES("mechanism", mechanism));
        return;
    }
    /* Of a wrong password the keeper has told, which knows more. */
    bool was_told = end.failure.kind == SASL_REFUSED && login->status == KEEPER_NO;
    login->status = KEEPER_OK;
    if (was_told)
        return;
    log_warning("login-failed", LOG_SESSION(session_number(login->session)),
                LOG_BYTES("user", end.name), LOG_BYTES("client", session_peer(login->session)),
                LOG_BYTES("mechanism", mechanism), LOG_TEXT("reason", end.failure.why));
}

const struct sender_rights *login_rights(const struct login *login)
{
    return login && smtp_server_user(session_smtp(login->session)).len ? &login->rights : NULL;
}

struct quota_limits login_quota(const struct login *login)
{
    return login->quota;
}
