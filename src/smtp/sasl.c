#include "smtp/sasl.h"

#include <stdlib.h>
#include <openssl/crypto.h>

#include "base/memory.h"
#include "smtp/sasl_state.h"

static enum sasl_step plain_read(struct sasl *sasl, struct bytes message);
static enum sasl_step login_read(struct sasl *sasl, struct bytes message);
static enum sasl_step external_read(struct sasl *sasl, struct bytes message);

/* mechanism: its name, the first challenge where the client says nothing by itself, its reader and
 * what takes answers */
static const struct {
    struct bytes name, first;
    enum sasl_step (*read)(struct sasl *sasl, struct bytes message);
    enum sasl_step (*answered)(struct sasl *sasl, const struct sasl_answer *answer);
} mechanisms[SASL_MECHANISM_COUNT] = {
    [SASL_PLAIN] = {BYTES_INIT("PLAIN"), {NULL, 0}, plain_read, sasl_settle},
    [SASL_LOGIN] = {BYTES_INIT("LOGIN"), BYTES_INIT("Username:"), login_read, sasl_settle},
    [SASL_SCRAM_SHA_256] = {BYTES_INIT("SCRAM-SHA-256"), {NULL, 0}, scram_read, scram_answered},
    [SASL_SCRAM_SHA_256_PLUS] = {BYTES_INIT("SCRAM-SHA-256-PLUS"),
                                 {NULL, 0},
                                 scram_read,
                                 scram_answered},
    [SASL_OAUTHBEARER] = {BYTES_INIT("OAUTHBEARER"), {NULL, 0}, oauth_read, oauth_answered},
    [SASL_XOAUTH2] = {BYTES_INIT("XOAUTH2"), {NULL, 0}, oauth_read, oauth_answered},
    [SASL_EXTERNAL] = {BYTES_INIT("EXTERNAL"), {NULL, 0}, external_read, sasl_settle},
};

struct bytes sasl_mechanism_name(enum sasl_mechanism mechanism)
{
    return mechanisms[mechanism].name;
}

bool sasl_mechanism_find(struct bytes name, enum sasl_mechanism *out)
{
    for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
        if (bytes_equal_nocase(name, mechanisms[i].name)) {
            *out = (enum sasl_mechanism)i;
            return true;
        }
    return false;
}

/* A buffer that holds secrets never grows, since growing would leave a copy behind. */
static void secret_init(struct buf *buf, size_t limit)
{
    buf_init(buf, limit);
    (void)buf_reserve(buf, limit);
}

static void secret_clear(struct buf *buf)
{
    OPENSSL_cleanse(buf->at, buf->cap);
    buf_clear(buf);
}

struct sasl *sasl_new(enum sasl_mechanism mechanism, unsigned offered)
{
    struct sasl *sasl = NEW(struct sasl);
    sasl->mechanism = mechanism;
    sasl->offered = offered;
    secret_init(&sasl->message, SASL_MESSAGE_LIMIT);
    buf_init(&sasl->challenge, SASL_MESSAGE_LIMIT);
    buf_init(&sasl->user, SASL_NAME_LIMIT);
    buf_init(&sasl->account, SASL_NAME_LIMIT);
    buf_init(&sasl->bound, SASL_MESSAGE_LIMIT);
    buf_init(&sasl->transcript, (size_t)3 * SASL_MESSAGE_LIMIT);
    return sasl;
}

void sasl_free(struct sasl *sasl)
{
    if (!sasl)
        return;
    secret_clear(&sasl->message);
    buf_done(&sasl->message);
    buf_done(&sasl->challenge);
    buf_done(&sasl->user);
    buf_done(&sasl->account);
    buf_done(&sasl->bound);
    buf_done(&sasl->transcript);
    free(sasl);
}

enum sasl_step sasl_fail(struct sasl *sasl, enum sasl_failure_kind kind, const char *why)
{
    sasl->failure = (struct sasl_failure){kind, why};
    return SASL_FAILURE;
}

enum sasl_step sasl_malformed(struct sasl *sasl, const char *why)
{
    return sasl_fail(sasl, SASL_MALFORMED, why);
}

enum sasl_step sasl_ask(struct sasl *sasl, struct sasl_question question)
{
    question.user = buf_view(&sasl->user);
    sasl->question = question;
    return SASL_ASK;
}

bool sasl_keep_user(struct sasl *sasl, struct bytes user)
{
    buf_clear(&sasl->user);
    if (!user.len || !bytes_is_utf8(user) || bytes_find(user, 0) < user.len)
        return false;
    buf_add(&sasl->user, user);
    return !sasl->user.overflowed;
}

enum sasl_step sasl_settle(struct sasl *sasl, const struct sasl_answer *answer)
{
    switch (answer->verdict) {
    case SASL_GRANTED:
        buf_add(&sasl->account, answer->account);
        ASSERT(!sasl->account.overflowed && sasl->account.len);
        return SASL_SUCCESS;
    case SASL_DENIED: return sasl_fail(sasl, SASL_REFUSED, "credentials");
    case SASL_UNAVAILABLE: break;
    }
    return sasl_fail(sasl, SASL_CANNOT_BE_ANSWERED, "unavailable");
}

/* --- PLAIN, LOGIN, EXTERNAL ------------------------------------------------------------------ */

/* authzid NUL authcid NUL passwd (RFC 4616, 2). */
static enum sasl_step plain_read(struct sasl *sasl, struct bytes message)
{
    struct bytes authzid, user, password;
    if (!bytes_cut(message, 0, &authzid, &message) || !bytes_cut(message, 0, &user, &password) ||
        !bytes_is_utf8(password) || bytes_find(password, 0) < password.len ||
        !sasl_keep_user(sasl, user))
        return sasl_malformed(sasl, "not a message of PLAIN");
    if (authzid.len && !bytes_equal_nocase(authzid, user))
        return sasl_fail(sasl, SASL_REFUSED, "would act for another");
    return sasl_ask(sasl, (struct sasl_question){.kind = SASL_ASK_PASSWORD, .secret = password});
}

/* No standard has it (draft-murchison-sasl-login): a name, then a password. */
static enum sasl_step login_read(struct sasl *sasl, struct bytes message)
{
    if (sasl->stage++ == 0) {
        if (!sasl_keep_user(sasl, message))
            return sasl_malformed(sasl, "no name");
        buf_add(&sasl->challenge, BYTES("Password:"));
        return SASL_CHALLENGE;
    }
    if (!bytes_is_utf8(message) || bytes_find(message, 0) < message.len)
        return sasl_malformed(sasl, "not a password");
    return sasl_ask(sasl, (struct sasl_question){.kind = SASL_ASK_PASSWORD, .secret = message});
}

/* Who it is says the certificate; the message names one of several (RFC 4422, A.1). */
static enum sasl_step external_read(struct sasl *sasl, struct bytes message)
{
    if (message.len && !sasl_keep_user(sasl, message))
        return sasl_malformed(sasl, "not a name");
    return sasl_ask(sasl, (struct sasl_question){.kind = SASL_ASK_CERTIFICATE});
}

/* --- The exchange ---------------------------------------------------------------------------- */

enum sasl_step sasl_begin(struct sasl *sasl)
{
    buf_add(&sasl->challenge, mechanisms[sasl->mechanism].first);
    return SASL_CHALLENGE;
}

enum sasl_step sasl_respond(struct sasl *sasl, struct bytes message)
{
    secret_clear(&sasl->message);
    buf_clear(&sasl->challenge);
    buf_add(&sasl->message, message);
    if (sasl->message.overflowed)
        return sasl_malformed(sasl, "too long");
    return mechanisms[sasl->mechanism].read(sasl, buf_view(&sasl->message));
}

enum sasl_step sasl_answer(struct sasl *sasl, const struct sasl_answer *answer)
{
    secret_clear(&sasl->message);
    return mechanisms[sasl->mechanism].answered(sasl, answer);
}

struct bytes sasl_challenge(const struct sasl *sasl)
{
    return buf_view(&sasl->challenge);
}

const struct sasl_question *sasl_question(const struct sasl *sasl)
{
    return &sasl->question;
}

struct bytes sasl_account(const struct sasl *sasl)
{
    return buf_view(&sasl->account);
}

struct sasl_failure sasl_failure(const struct sasl *sasl)
{
    return sasl->failure;
}

struct bytes sasl_user(const struct sasl *sasl)
{
    return buf_view(&sasl->user);
}

enum sasl_mechanism sasl_mechanism(const struct sasl *sasl)
{
    return sasl->mechanism;
}
