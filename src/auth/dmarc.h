/* DMARC (RFC 9989): may this message bear the name that it bears, and what does the name's owner
 * want done when not? Pure: a function of facts, called again until it needs no more of them.
 *
 * It is handed what SPF and DKIM said of the message, and the domains of its From field
 * (mail/author.h); what is done with the answer is its caller's policy. Reports are not made here.
 *
 * The Public Suffix List is no part of RFC 9989, which has the tree walk instead. It serves for one
 * thing only: registries that publish a policy without saying psd=y (gov.uk does) would else make
 * one organization of all that is below them. A record that does not tell (psd=u, the default), at
 * a name that the list's ICANN part has as a public suffix, counts as psd=y. */
#pragma once

#include "auth/dmarc_record.h"

enum {
    DMARC_QUERY_LIMIT = 8,       /* of a tree walk (RFC 9989, 4.10) */
    DMARC_IDENTIFIER_LIMIT = 32, /* more are passed over */
};

struct facts;      /* facts/facts.h */
struct psl_ctx_st; /* <libpsl.h> */

/* What a message was shown to come from. */
struct dmarc_identifier {
    enum { DMARC_BY_SPF, DMARC_BY_DKIM } method;
    struct bytes domain; /* of the reverse-path (of HELO for the null one); d= of a signature.
                            A-labels or U-labels, any case */
    bool is_unsure;      /* it did not pass, but might have: its check ended in a temperror */
};

struct dmarc_query {
    const struct bytes *authors; /* domains of the From field: A-labels, lower case (author_find) */
    size_t author_count;         /* 0: the field has none, or is none */
    const struct dmarc_identifier *identifiers; /* what passed, and what is unsure; no others */
    size_t identifier_count;
};

enum dmarc_result { /* RFC 9989, 9.2 */
                    DMARC_NEEDS_FACTS,
                    DMARC_NONE,
                    DMARC_PASS,
                    DMARC_FAIL,
                    DMARC_TEMPERROR,
                    DMARC_PERMERROR, /* the message has no author domain */
};

enum dmarc_alignment { DMARC_UNALIGNED, DMARC_RELAXED, DMARC_STRICT };

enum dmarc_tag { DMARC_TAG_P, DMARC_TAG_SP, DMARC_TAG_NP };

/* Views are into the query and the facts. */
struct dmarc_answer {
    enum dmarc_result result;
    struct bytes author; /* the domain that the rest is about: of several, the one whose
                            owner is strictest where the check fails */
    bool has_record;
    struct bytes domain;         /* where the record is that applies */
    struct bytes organizational; /* of the author; empty where it was not needed to know */
    struct dmarc_record record;
    enum dmarc_tag tag;             /* which of its policies applies */
    enum dmarc_policy policy;       /* what that says */
    enum dmarc_policy disposition;  /* what the owner wants done with this message: of a message
                                       that does not fail, none; t=y makes it milder (4.7) */
    enum dmarc_alignment spf, dkim; /* the best of what passed */
    const char *reason;             /* for people: of none, temperror and permerror */
    struct bytes reason_name;       /* the name in the DNS that it is about; may be empty */
};

/* "none", "pass", … */
const char *dmarc_result_name(enum dmarc_result result);
/* "", "relaxed", "strict" */
const char *dmarc_alignment_name(enum dmarc_alignment alignment);
/* "p", "sp", "np" */
const char *dmarc_tag_name(enum dmarc_tag tag);

/* *out is written unless facts are needed. Several authors are checked each (RFC 9989, 11.5): the
 * message passes when all do, and fails when one does. psl: NULL does without. */
MUST_CHECK enum dmarc_result dmarc_check(const struct dmarc_query *query, struct facts *facts,
                                         const struct psl_ctx_st *psl, struct dmarc_answer *out);
