/* The DMARC Policy Record (RFC 9989, 4.7 and 4.8): a TXT record's text as what it asks for. What
 * is broken in it counts as not being there, as 4.8 says; where the policies themselves are,
 * 4.10.1 says what becomes of the record. Does not know where a record was found. */
#pragma once

#include "base/bytes.h"

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };

enum dmarc_psd {
    DMARC_PSD_UNTOLD, /* u: by the tree walk */
    DMARC_PSD_YES,    /* the domain is a public suffix */
    DMARC_PSD_NO,     /* it is the organizational domain of all below it */
};

/* When failure reports are wanted: bits, of fo. */
enum {
    DMARC_REPORT_ALL = 1, /* 0: when no method gave an aligned pass */
    DMARC_REPORT_ANY = 2, /* 1: when one did not */
    DMARC_REPORT_DKIM = 4,
    DMARC_REPORT_SPF = 8,
};

struct dmarc_record {
    struct bytes text;           /* as found, a view */
    enum dmarc_policy p, sp, np; /* sp and np with what stands in for them */
    bool has_sp, has_np;         /* they are in the record, and valid */
    enum dmarc_psd psd;
    bool is_test; /* t=y */
    bool is_strict_dkim, is_strict_spf;
    unsigned reports;      /* fo */
    struct bytes rua, ruf; /* for dmarc_uri_next(); empty: none */
    bool is_usable;        /* false: no DMARC for mail to which it applies (4.10.1) */
};

/* "none", "quarantine", "reject". */
const char *dmarc_policy_name(enum dmarc_policy policy);

/* False: it is no DMARC record of a version that we know, and is to be passed over. */
MUST_CHECK bool dmarc_record_parse(struct bytes text, struct dmarc_record *out);

/* Takes the next valid URI from the front of a list, without the obsolete size behind it; invalid
 * ones are passed over. False: there is none left. */
bool dmarc_uri_next(struct bytes *list, struct bytes *uri);
