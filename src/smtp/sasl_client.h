/* The client's side of SASL as a machine without I/O: SCRAM-SHA-256-PLUS, SCRAM-SHA-256 (RFC 5802,
 * 7677), PLAIN (RFC 4616) and LOGIN. For logging in at a smarthost: it proves who we are, and with
 * SCRAM that the server knows us too. Messages are bytes without base64. */
#pragma once

#include "smtp/sasl.h"

struct sasl_client;

/* Borrowed for the call. */
struct sasl_credential {
    struct bytes user, password;
    struct bytes nonce; /* 18 random bytes or more as base64 */
    /* The channel's binding, of the best kind that is to be had; SASL_UNBOUND: none. */
    enum sasl_binding binding;
    struct bytes binding_data;
};

/* The strongest of the mechanisms offered (bits 1 << SASL_…) that we have; false: there is none. */
MUST_CHECK bool sasl_client_choose(unsigned offered, enum sasl_binding binding,
                                   enum sasl_mechanism *out);

/* A mechanism that sasl_client_choose() gave. Copies the credential, and wipes its copy. */
struct sasl_client *sasl_client_new(enum sasl_mechanism mechanism,
                                    const struct sasl_credential *credential);
void sasl_client_free(struct sasl_client *client);

/* The message to send with the command; false: the server speaks first. */
MUST_CHECK bool sasl_client_first(struct sasl_client *client, struct bytes *out);
/* What to send to a challenge, valid until the next call. False and *why, for people: the server's
 * words are wrong, or it does not know the account's keys; nothing more is to be said to it. */
MUST_CHECK bool sasl_client_respond(struct sasl_client *client, struct bytes challenge,
                                    struct bytes *out, const char **why);
/* May the server say now that all is well? With SCRAM, not before it has proved itself. */
bool sasl_client_may_end(const struct sasl_client *client);
