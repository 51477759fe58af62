/* What was promised and what arrived: letters that clients handed in, what the node answered, and
 * every copy and notification that reached a peer. Judges as things happen, and at the end:
 *
 *   answered 250: each recipient has the message, or the sender was told that not (or could not
 *   be, or did not want to, by rule);
 *   nobody has a message twice, except where the node could not know, or had no time to write
 *   down, that it had been taken;
 *   what arrives is what was handed in, behind one Received field;
 *   nobody is told of a failure that did not happen, nor twice, nor a null reverse-path at all. */
#pragma once

#include "mail/envelope.h"
#include "net_sim.h"

enum { LETTER_LIMIT = 64, LETTER_RECIPIENTS = 4, LETTER_NOTICES = 16, PARTY_TEXT = 64 };

struct ledger;

/* How often something reached somebody. */
struct tally {
    struct ledger *ledger;
    unsigned total;
    bool is_certain;       /* the node has had the answer to it, and has to remember it */
    uint64_t certain_step; /* since then */
};

/* One that mail is sent to. */
struct party {
    char address[PARTY_TEXT];
    bool is_bad, is_full;  /* its host refuses it for good; or with 4xx, always */
    bool was_refused;      /* a host did say 5xx */
    int64_t grey_until_ms; /* greylisted: 0, not seen yet */
};

enum letter_state {
    LETTER_DRAFT, /* the node cannot have it */
    LETTER_SENT,  /* may have */
    LETTER_ACCEPTED,
    LETTER_DEFERRED, /* answered 4xx at its end: the node might still find it after a crash */
    LETTER_REFUSED,
};

struct letter_recipient {
    struct party party;
    uint8_t notify;
    bool is_accepted; /* RCPT was */
    struct tally copies;
    unsigned failures; /* notifications that said so */
};

/* A notification that reached the sender, known by its Message-ID. */
struct notice {
    char id[PARTY_TEXT];
    struct tally copies;
};

struct letter {
    size_t number;
    uint64_t id; /* the node's; 0: not taken yet */
    enum letter_state state;
    struct party sender; /* address empty: the null reverse-path */
    struct letter_recipient recipients[LETTER_RECIPIENTS];
    size_t recipient_count;
    struct notice notices[LETTER_NOTICES];
    size_t notice_count;
    struct buf text;
    int64_t sent_ms, by_ms;  /* by_ms 0: no BY= */
    bool has_by;             /* its sender is told where the promise of BY= ends (RFC 2852, 4.2) */
    uint64_t report_step;    /* when the newest report of it was stored */
    unsigned report_excuses; /* why it may be told again */
};

struct ledger {
    struct world *world;
    int64_t expire_ms;
    int64_t calm_ms; /* who has not given up by then has no cause to */
    struct letter letters[LETTER_LIMIT];
    size_t count;
    size_t copies, notices; /* that arrived */
    bool has_failed;
    char violation[400];
};

struct ledger *ledger_new(struct world *world);
void ledger_free(struct ledger *ledger);
/* The next letter, empty. */
struct letter *ledger_draft(struct ledger *ledger);
/* The first violation is kept. */
void ledger_violated(struct ledger *ledger, const char *format, ...) PRINTF_LIKE(2, 3);
/* Who that is; NULL: nobody of ours. */
struct party *ledger_party(struct ledger *ledger, struct bytes address);
/* What a peer takes. */
struct arrival {
    struct bytes reverse_path, to, text;
    bool is_late; /* the node has given this connection up, and may have tried again since */
};
/* A peer takes a message for a recipient. Gives what to mark as certain once the node has the
 * answer; NULL: nothing. */
struct tally *ledger_arrived(struct ledger *ledger, const struct arrival *arrival);
/* For world_mark(). */
void tally_reached(void *context);
/* The node crashed; what it had learned after that step it may have forgotten, and a report that
 * was being stored may be there or not. */
void ledger_crashed(struct ledger *ledger, uint64_t clean_step, bool is_reporting);
/* The node took a message of that sender. */
void ledger_took(struct ledger *ledger, struct bytes from, uint64_t id);
/* The node stored a report for that sender. */
void ledger_reported(struct ledger *ledger, struct bytes to);
/* A report of that message could not be stored; it is made again, and a crash may bring back what
 * the disk did keep of the first. */
void ledger_report_failed(struct ledger *ledger, uint64_t id);
/* The queue is empty: is every promise kept? */
void ledger_settle(struct ledger *ledger);
