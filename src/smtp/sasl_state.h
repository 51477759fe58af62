/* The SASL machine's insides, shared by its parts: sasl.c (the interface; PLAIN, LOGIN, EXTERNAL),
 * sasl_scram.c, sasl_oauth.c. Private to them. */
#pragma once

#include "base/buf.h"
#include "smtp/sasl.h"

struct sasl {
    enum sasl_mechanism mechanism;
    unsigned offered;
    unsigned stage; /* messages that the mechanism has read and answers it has had */
    struct sasl_question question;
    struct sasl_failure failure;
    struct buf message;         /* the newest */
    struct buf challenge;       /* the newest */
    struct buf user;            /* as given */
    struct buf account;         /* as granted */
    struct buf bound;           /* SCRAM: the GS2 header, and behind it the binding */
    struct buf transcript;      /* SCRAM: the AuthMessage so far */
    size_t nonce_at, nonce_len; /* SCRAM: in the transcript; the client's, then both */
};

/* sasl.c */

enum sasl_step sasl_fail(struct sasl *sasl, enum sasl_failure_kind kind, const char *why);
enum sasl_step sasl_malformed(struct sasl *sasl, const char *why);
enum sasl_step sasl_ask(struct sasl *sasl, struct sasl_question question);
/* Keeps the name that the client gave; false: it is none (empty, too long, no UTF-8). */
MUST_CHECK bool sasl_keep_user(struct sasl *sasl, struct bytes user);
/* What an answer means that ends the exchange. */
enum sasl_step sasl_settle(struct sasl *sasl, const struct sasl_answer *answer);

/* Each reads the newest message, or takes an answer. */
enum sasl_step scram_read(struct sasl *sasl, struct bytes message);
enum sasl_step scram_answered(struct sasl *sasl, const struct sasl_answer *answer);
enum sasl_step oauth_read(struct sasl *sasl, struct bytes message);
enum sasl_step oauth_answered(struct sasl *sasl, const struct sasl_answer *answer);

/* The front of SCRAM's and OAUTHBEARER's first message (RFC 5801, 4). */
struct gs2 {
    struct bytes flag;    /* "n", "y" or "p=NAME" */
    struct bytes authzid; /* encoded; empty: none */
    struct bytes header;  /* all of it, its last comma included */
};
/* Cuts it off; false for anything else. */
MUST_CHECK bool gs2_cut(struct bytes *message, struct gs2 *out);
/* Appends what a saslname stands for; false for what is none. */
MUST_CHECK bool gs2_name(struct buf *out, struct bytes name);
