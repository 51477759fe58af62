/* What is done with a message whose origin was checked: taken, taken as junk, or refused, with the
 * reply that says which check failed, whose domain, the record seen and how to mend it (RFC 7372
 * has the codes). Pure: the checks' results and the configuration in, the decision out.
 *
 * By default the domain's owner is obeyed (RFC 9989). A trusted forwarder, a domain that is let
 * through, or a trusted ARC seal that says it passed before (RFC 8617) overrides what the owner
 * wants, and is told; nothing overrides the rule that a message has one author. */
#pragma once

#include "auth/dmarc.h"
#include "base/buf.h"
#include "mail/author.h"

enum verdict_mode {
    VERDICT_OFF,     /* nothing is checked */
    VERDICT_MARK,    /* checked and written down; all is taken */
    VERDICT_ENFORCE, /* and acted upon */
};

enum verdict_action { VERDICT_ACCEPT, VERDICT_JUNK, VERDICT_REFUSE };

enum verdict_unsure { VERDICT_TAKE_UNSURE, VERDICT_DEFER_UNSURE };

/* What has an action of its own. */
enum verdict_rule {
    VERDICT_ON_REJECT,     /* DMARC fails, and the owner says p=reject */
    VERDICT_ON_QUARANTINE, /* or p=quarantine */
    VERDICT_ON_SPF_FAIL,   /* SPF says fail, and no DMARC record says more */
    VERDICT_ON_HELO_FAIL,  /* SPF says fail to the name in HELO */
    VERDICT_ON_NO_NAME,    /* the client has no name that leads back to it */
    VERDICT_ON_NO_AUTHOR,  /* no author, several From fields, or one that cannot be read */
    VERDICT_ON_MISLEADING, /* From shows an address that is not the author's */
    VERDICT_RULES
};

struct verdict_policy {
    enum verdict_mode mode;
    enum verdict_action on[VERDICT_RULES]; /* by enum verdict_rule */
    enum verdict_unsure on_unsure;         /* where the DNS did not answer: never a pass */
};

/* What a listener or a domain wants otherwise. */
struct verdict_wish {
    struct verdict_policy policy; /* of it, what it has */
    bool has_mode, has_on[VERDICT_RULES], has_unsure;
};

/* Who speaks for messages that fail. */
struct verdict_trust {
    const struct bytes *allow; /* author domains that are let through, subdomains too */
    size_t allow_count;
    const struct bytes *sealers; /* domains whose ARC seals are trusted: d= of them, exactly */
    size_t sealer_count;
};

struct verdict_seal {
    struct bytes domain; /* d= */
    bool says_pass;      /* it says that DMARC passed when the message came to the sealer */
};

struct verdict_spf {
    const char *result;       /* in words */
    bool has_failed;          /* it is "fail" */
    struct bytes domain;      /* of the identity */
    struct bytes record;      /* may be empty */
    struct bytes explanation; /* the domain's own words; may be empty */
};

struct verdict_query {
    struct bytes client; /* its address, as text */
    bool is_forwarder;   /* it is in one of the networks of known forwarders */
    bool has_name;       /* iprev passed, or could not tell just now */
    const struct author *author;
    const struct dmarc_answer *dmarc;
    struct verdict_spf spf;  /* of MAIL FROM; of HELO where that is null */
    struct verdict_spf helo; /* of HELO, whatever MAIL FROM is */
    struct {
        bool has_signature;
        const struct bytes *passed; /* domains of good signatures */
        size_t passed_count;
    } dkim;
    const struct verdict_seal *seals; /* of an ARC chain that is good, the newest first */
    size_t seal_count;
};

struct verdict {
    enum verdict_action action;
    enum verdict_action wanted; /* what would be done in mode enforce */
    const char *rule; /* "dmarc", "spf", "helo", "reverse-name", "misleading-name", "author", "dns":
                         why it is not just taken, or would not be; "" */
    const char
        *override; /* "forwarder", "allow", "arc": why what the owner wants is not done; "" */
    int code;      /* of VERDICT_REFUSE; the text is in the buffer */
    const char *status;
};

enum { VERDICT_TEXT = 480 }; /* bytes of a reply */

/* "accept", "junk", "refuse" */
const char *verdict_action_name(enum verdict_action action);

/* The policy with the wish in it. */
void verdict_policy_wish(struct verdict_policy *policy, const struct verdict_wish *wish);
/* The policy of a message that also goes where another one holds, as SMTP has one answer for all
 * recipients: where the two differ it is junk, so that nobody loses it, and nobody takes it for
 * good. Mode mark is to accept whatever there is. A DNS that does not answer defers nothing then.
 */
void verdict_policy_join(struct verdict_policy *policy, const struct verdict_policy *other);

/* text: empty, of VERDICT_TEXT bytes at least; of a refusal, or what would be one, it has the
 * reply's text then. */
void verdict_reach(const struct verdict_query *query, const struct verdict_policy *policy,
                   const struct verdict_trust *trust, struct buf *text, struct verdict *out);
