/* The envelope: who sent a message and to whom, with the extensions that travel with it, as kept
 * in the spool beside the message. Pure data, and its form on disk (a version byte, then fields
 * with lengths; unknown versions are refused). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum body_type { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME }; /* RFC 6152, RFC 3030 */
enum dsn_ret { RET_UNSET, RET_FULL, RET_HDRS };               /* RFC 3461, 4.3 */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 }; /* 4.1 */
enum deliver_by { BY_NONE, BY_RETURN, BY_NOTIFY }; /* RFC 2852, 4 */

struct envelope_recipient {
    struct bytes address; /* local@domain in wire form */
    struct bytes orcpt;   /* as given after ORCPT= ("rfc822;xtext"), or what the expansion of an
                             alias keeps of it; empty: not given */
    uint8_t notify;       /* NOTIFY_…; 0: not given */
};

struct envelope {
    uint64_t id;
    int64_t received_ms;
    struct bytes reverse_path; /* local@domain; empty: the null reverse-path */
    struct bytes envid;        /* xtext as given; empty: not given */
    enum dsn_ret ret;
    enum body_type body;
    bool is_smtputf8;
    enum deliver_by by_mode;
    bool by_trace;         /* RFC 2852: the T of BY= */
    int64_t by_ms;         /* instant to deliver by, when by_mode is not BY_NONE */
    int64_t hold_until_ms; /* FUTURERELEASE (RFC 4865): not before this instant; 0: at once */
    uint64_t size;         /* bytes of the whole message, trace headers included */
    struct bytes client;   /* where it came from, for the log and bounces: "192.0.2.1" */
    struct bytes helo;
    struct bytes user; /* who was authenticated; empty: nobody */
    struct envelope_recipient *recipients;
    size_t recipient_count;
};

/* Appends the form on disk; sticky like every append. */
void envelope_print(struct buf *out, const struct envelope *envelope);

/* Reads it back; views point into `stored`, the recipients are in the arena. False for anything
 * that envelope_print does not write, and at the arena's ceiling. Any bytes are safe to give. */
MUST_CHECK bool envelope_scan(struct bytes stored, struct arena *arena, struct envelope *out);
