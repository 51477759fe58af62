/* ARC: the chain of custody that forwarders seal (RFC 8617). Is it whole, who sealed it, and what
 * did each of them find out about the message? Verifies only; whom to trust is policy's to say.
 *
 * Used like auth/dkim.h, with the same body hashes. Failures of the DNS break the chain as all
 * others do (5.2.1). */
#pragma once

#include "auth/dkim.h"

enum arc_result { ARC_NONE, ARC_PASS, ARC_FAIL };
const char *arc_result_name(enum arc_result result);

enum {
    ARC_SETS_MOST = SIGNATURE_INSTANCE_MOST,
    /* The newest message signatures that are checked for the oldest one that still is good; the
     * chain needs only the very newest. */
    ARC_MESSAGE_SIGNATURES_MOST = 10,
};

struct arc_verify;
/* Reads the chain in a header section (without the blank line) and asks `body` for the hashes that
 * it needs; body must not have begun. Copies what it keeps. limits may be NULL. */
struct arc_verify *arc_verify_new(struct bytes section, struct body_hash *body,
                                  const struct dkim_limits *limits);
void arc_verify_free(struct arc_verify *verify);
/* How many instances it has to check. */
unsigned arc_verify_count(const struct arc_verify *verify);

struct arc_set {
    struct bytes sealer;  /* d= of its seal, lower case A-labels */
    struct bytes signer;  /* d= of its message signature; empty where it cannot be read */
    struct bytes results; /* what its ARC-Authentication-Results say behind "i=N;", folds kept */
};

struct arc_report {
    enum arc_result result;
    unsigned instances;   /* the highest instance number found; 0: none */
    unsigned oldest_pass; /* of a pass: the oldest instance whose message signature is good; 0: all
                             are (5.2, step 5) */
    bool is_closed;       /* the newest seal says cv=fail: nobody seals again (5.1, step 2) */
    struct bytes reason;  /* of a failure, for people */
    struct arc_set sets[ARC_SETS_MOST]; /* of a pass: instance 1 first */
};

enum arc_outcome { ARC_NEEDS_FACTS, ARC_DONE };

/* After body_hash_end(). now_s: seconds since 1970. Writes *out, texts valid as long as the
 * verification, unless facts are needed. */
MUST_CHECK enum arc_outcome arc_verify_finish(struct arc_verify *verify, struct facts *facts,
                                              int64_t now_s, struct arc_report *out);
