/* The server's side of SASL (RFC 4422) as a machine without I/O: PLAIN (RFC 4616), LOGIN,
 * SCRAM-SHA-256 and -PLUS (RFC 5802, 7677; channel bindings of RFC 5929 and 9266), OAUTHBEARER
 * (RFC 7628), XOAUTH2, EXTERNAL.
 *
 * It reads and writes the messages of an exchange, as bytes without base64, and knows no account:
 * what it has to know is a question to the driver. It wipes what it kept of a secret. Nobody acts
 * for another here: an authorization identity is the name itself, or absent. */
#pragma once

#include "base/bytes.h"

struct sasl;

enum sasl_mechanism {
    SASL_PLAIN,
    SASL_LOGIN,
    SASL_SCRAM_SHA_256,
    SASL_SCRAM_SHA_256_PLUS,
    SASL_OAUTHBEARER,
    SASL_XOAUTH2,
    SASL_EXTERNAL,
};
enum {
    SASL_MECHANISM_COUNT = SASL_EXTERNAL + 1,
    SASL_MESSAGE_LIMIT = 9216, /* bytes: what 12,288 bytes of base64 hold (RFC 4954, 4) */
    SASL_NAME_LIMIT = 320,     /* bytes of a name: the longest address */
    SASL_NONCE_LIMIT = 256,
};

/* "SCRAM-SHA-256"; and back, in any case. */
struct bytes sasl_mechanism_name(enum sasl_mechanism mechanism);
MUST_CHECK bool sasl_mechanism_find(struct bytes name, enum sasl_mechanism *out);

enum sasl_step {
    SASL_CHALLENGE, /* send sasl_challenge(); what comes back is for sasl_respond() */
    SASL_ASK,       /* sasl_question() is for the driver: sasl_answer() */
    SASL_SUCCESS,   /* sasl_account() is in */
    SASL_FAILURE,   /* sasl_failure() says how */
};

enum sasl_question_kind {
    SASL_ASK_PASSWORD,    /* is secret the password of user? */
    SASL_ASK_SCRAM_SALT,  /* salt and iterations of user (unknown ones too: nobody is to learn who
                             exists), a nonce, and the channel's binding */
    SASL_ASK_SCRAM_PROOF, /* does proof hold for user and auth_message (scram_check)? */
    SASL_ASK_TOKEN,       /* is secret a token of user? An empty user: whose is it? */
    SASL_ASK_CERTIFICATE, /* may the client's certificate be user? Empty: whose is it? */
};

enum sasl_binding { SASL_UNBOUND, SASL_TLS_EXPORTER, SASL_TLS_SERVER_END_POINT };

/* Views are valid until the answer. Names are as the client wrote them (UTF-8). */
struct sasl_question {
    enum sasl_question_kind kind;
    enum sasl_binding binding; /* for the salt: what the client binds the exchange to */
    struct bytes user, secret, auth_message, proof;
};

enum sasl_verdict { SASL_GRANTED, SASL_DENIED, SASL_UNAVAILABLE };

struct sasl_answer {
    enum sasl_verdict verdict;
    struct bytes account; /* whom it lets in; not for the salt */
    /* For the salt. The nonce is 18 random bytes or more as base64; the binding is empty where the
     * channel has none of that kind. */
    struct bytes salt, nonce, binding;
    unsigned iterations;
    struct bytes signature; /* for the proof: the server's */
};

enum sasl_failure_kind {
    SASL_MALFORMED,          /* no message of this mechanism */
    SASL_REFUSED,            /* not let in */
    SASL_CANNOT_BE_ANSWERED, /* for now */
};

struct sasl_failure {
    enum sasl_failure_kind kind;
    const char *why; /* for the log alone: a client gets the same answer for all that are refused */
};

/* offered: the mechanisms that the client was told of, as bits 1 << SASL_…; a client that could
 * bind but thinks that the server cannot has been lied to (RFC 5802, 6). */
struct sasl *sasl_new(enum sasl_mechanism mechanism, unsigned offered);
void sasl_free(struct sasl *sasl);

/* Begins an exchange in which the client's message does not come with the command: always
 * SASL_CHALLENGE. */
enum sasl_step sasl_begin(struct sasl *sasl);
/* The client's first or next message; copied. */
enum sasl_step sasl_respond(struct sasl *sasl, struct bytes message);
enum sasl_step sasl_answer(struct sasl *sasl, const struct sasl_answer *answer);

struct bytes sasl_challenge(const struct sasl *sasl);
const struct sasl_question *sasl_question(const struct sasl *sasl);
struct bytes sasl_account(const struct sasl *sasl);
struct sasl_failure sasl_failure(const struct sasl *sasl);
/* The name that the client gave, for the log; empty so far. */
struct bytes sasl_user(const struct sasl *sasl);
enum sasl_mechanism sasl_mechanism(const struct sasl *sasl);
