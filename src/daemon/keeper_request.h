/* What the keeper is asked and what it answers, as bytes in a packet of the IPC: the format of the
 * channel, and nothing of what is done with it. Both ends are the same program, but not the same
 * trust: any bytes are safe to scan. */
#pragma once

#include "base/buf.h"
#include "base/packed.h"

enum keeper_kind {
    KEEPER_VERIFY_PASSWORD, /* user, secret: the password, prepared by SASLprep */
    KEEPER_SCRAM_SALT,  /* user → salt, iterations; for an unknown one made up, always the same */
    KEEPER_SCRAM_PROOF, /* user, message: AuthMessage, secret: ClientProof → signature */
    KEEPER_VERIFY_TOKEN, /* user (may be empty), secret: the token */
    KEEPER_ACCOUNT,      /* user, whom something else has identified: a client certificate */
    KEEPER_SPEND,        /* user: an account's address, message: eight bytes a recipient, a hash of
                            it; with both limits: counts a message → what is used of both
                            by now; or KEEPER_NO with the reason "messages" or "recipients" */
    KEEPER_SIGN,         /* user: the key's name, scheme, hash, secret: the bytes → signature */
    KEEPER_PUBLIC_KEY,   /* user: the key's name → signature: SubjectPublicKeyInfo in DER */
    KEEPER_CREDENTIAL,   /* user: a secret file's name → signature: its content, without the
                            end of line */
};
enum { KEEPER_KIND_COUNT = KEEPER_CREDENTIAL + 1 };

/* How a private key is used. Of the first three the bytes are a digest by the hash named. */
enum keeper_scheme {
    KEEPER_RSA_PKCS1,   /* RSASSA-PKCS1-v1_5 (RFC 8017, 8.2) */
    KEEPER_RSA_PSS,     /* RSASSA-PSS, MGF1 by the same hash, the salt as long as the hash */
    KEEPER_ECDSA,       /* in DER (RFC 3279, 2.2.3) */
    KEEPER_ED25519,     /* the bytes are the message (RFC 8032) */
    KEEPER_RSA_ENCODED, /* the bytes are padded as PKCS #1 type 1, as what signs a DigestInfo wants
                         */
    KEEPER_RSA_RAW,     /* the bytes are a whole block, padded by the caller */
};
enum keeper_hash { KEEPER_SHA256, KEEPER_SHA384, KEEPER_SHA512, KEEPER_SHA1 };

enum {
    KEEPER_TEXT_LIMIT = 4096,    /* users, names, peers */
    KEEPER_BYTES_LIMIT = 16384,  /* passwords, tokens, bytes to sign */
    KEEPER_OWN_LIMIT = 16384,    /* the list of an account's own addresses, packed */
    KEEPER_PACKET_LIMIT = 49152, /* what either prints fits in this */
};

/* All views; what a kind does not use is empty. */
struct keeper_request {
    enum keeper_kind kind;
    enum keeper_scheme scheme;
    enum keeper_hash hash;
    struct bytes user;
    struct bytes secret;
    struct bytes message;
    struct bytes peer;      /* of what a client asked for: its address, for bans and the log */
    struct bytes mechanism; /* the same: "PLAIN", for the log */
    uint64_t session;       /* the same: its number; 0: it has none */
    uint32_t messages_per_day, recipients_per_day; /* for KEEPER_SPEND; 0: any */
};

enum keeper_status {
    KEEPER_OK,
    KEEPER_NO,          /* no such account, a wrong password, a disabled account: never said which
                           (535 5.7.8); no such key */
    KEEPER_BUSY,        /* too many of these wait already: 454 4.7.0 */
    KEEPER_BANNED,      /* too many failures of late: 454 4.7.0, or 421 and goodbye */
    KEEPER_UNAVAILABLE, /* the keeper is not there, or its files fail: 454 4.7.0 */
};
enum { KEEPER_STATUS_COUNT = KEEPER_UNAVAILABLE + 1 };

/* All views; what a kind does not answer is empty. */
struct keeper_answer {
    enum keeper_status status;
    /* Of KEEPER_OK to the four kinds that log a client in: */
    struct bytes address; /* the account's, as the directory has it */
    struct bytes own;     /* further addresses that it may use, for keeper_next_own */
    uint32_t messages_per_day, recipients_per_day; /* 0: the configuration's */
    uint32_t iterations;
    struct bytes salt;
    struct bytes signature;
    struct bytes reason; /* of all but KEEPER_OK: for the log alone */
};

/* Appends. The buffer takes KEEPER_PACKET_LIMIT bytes without growing twice, so that secrets are
 * not left behind in memory: give it that room, and wipe it (keeper_wipe). False: a field is longer
 * than its limit, nothing is appended. */
MUST_CHECK bool keeper_request_print(struct buf *out, const struct keeper_request *request);
MUST_CHECK bool keeper_answer_print(struct buf *out, const struct keeper_answer *answer);
/* False: it is none. *out has views into the packet. */
MUST_CHECK bool keeper_request_scan(struct bytes packet, struct keeper_request *out);
MUST_CHECK bool keeper_answer_scan(struct bytes packet, struct keeper_answer *out);

/* Is it one of those that log a client in, and so have a peer and count as attempts? */
bool keeper_kind_is_login(enum keeper_kind kind);

/* Lists of addresses: packed strings one after the other. */
void keeper_add_own(struct buf *own, struct bytes address);
/* Takes the first of the list; false at its end. */
bool keeper_next_own(struct bytes *own, struct bytes *address);

/* An empty buffer with room for either, from the heap. */
void keeper_packet_init(struct buf *out);
/* Overwrites the whole room, and frees it. */
void keeper_packet_done(struct buf *out);
