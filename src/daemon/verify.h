/* What a message claims, checked: SPF, iprev, DKIM, ARC and DMARC for one message that comes in
 * from the world, the verdict on it, and the fields that say so.
 *
 * The DNS is asked about the sender once a recipient was accepted, and about signatures and the
 * author once the text is complete. Nothing waits for its answers but the reply to the message, and
 * that for a bounded time: what is not known then counts as a temporary error. */
#pragma once

#include "daemon/worker.h"

struct verify;
struct sealing_message; /* daemon/sealing.h */

/* What the session says; all is copied. */
struct verify_claim {
    const struct verdict_policy *policy; /* the listener's, of the generation's configuration */
    struct bytes client;                 /* its address as text */
    struct bytes helo, reverse_path;
};

/* Is the client at that address none of ours: neither in relay.networks nor in
 * verify.trusted_networks? */
bool verify_is_stranger(const struct config *config, struct bytes client);

/* Begins with the sender. NULL: what comes from this client is not checked. */
struct verify *verify_begin(struct worker *worker, struct generation *generation,
                            const struct verify_claim *claim);
/* Breaks off what is under way. NULL is fine. */
void verify_free(struct verify *verify);

/* A recipient at this domain was accepted, which may have a policy of its own. */
void verify_recipient(struct verify *verify, struct bytes domain);
/* The message's text as it comes. */
void verify_text(struct verify *verify, struct bytes text);
/* The text is complete. done is called once: when all is known, or the time is over; perhaps before
 * this returns. */
typedef void verify_done(void *context);
void verify_finish(struct verify *verify, verify_done *done, void *context);

/* From here on: after done. */

/* What to do with it. A refusal's texts live as long as the verification. */
enum verdict_action verify_verdict(const struct verify *verify, struct smtp_answer *refusal,
                                   const char **rule);
/* Appends the fields that go in front of the message: that it is junk, and what was found. */
enum { VERIFY_FIELDS = 128 * 1024 }; /* bytes that these can need */
void verify_print(const struct verify *verify, struct buf *out);
/* What is sealed when the message is passed on (daemon/sealing.h), but for its id: views into the
 * verification and `results`, to which is appended. False: no seal is wanted (verify.seal), or its
 * chain takes none. */
MUST_CHECK bool verify_seals(const struct verify *verify, struct buf *results,
                             struct sealing_message *out);
/* The client's name by the DNS, when it leads back to it; else empty. */
struct bytes verify_client_name(const struct verify *verify);
/* Logs what was found, in one line. */
void verify_log(const struct verify *verify, uint64_t id);

/* Nothing more is waited for: what is not known counts as a temporary error. */
void verify_hurry_all(struct worker *worker);
