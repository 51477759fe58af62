/* The Authentication-Results field (RFC 8601): writes ours, and cuts out those of a message that
 * only claim to be; looks for a result in those of writers that its caller trusts. */
#pragma once

#include "base/buf.h"

/* One "ptype.property=value". */
struct authres_property {
    const char *name;   /* "smtp.mailfrom", "header.d"; NULL: none */
    struct bytes value; /* anything; an empty one is left out */
};

enum { AUTHRES_PROPERTY_LIMIT = 5 };

struct authres_result {
    const char *method;   /* "spf", "dkim", "arc", "dmarc", "iprev", "auth" */
    const char *result;   /* "pass", "fail", … */
    struct bytes comment; /* for people; may be empty */
    struct authres_property properties[AUTHRES_PROPERTY_LIMIT];
};

enum {
    AUTHRES_VALUE_LIMIT = 320,   /* bytes of a value or a comment; the rest is cut */
    AUTHRES_RESULT_BYTES = 5120, /* what a result can need at most; and so can the field's start */
};

/* Appends the field, folded, CRLF at the end of each line; without results it says "none".
 * Whatever the values and comments hold, it is one field, of ASCII, and well formed. */
void authres_print(struct buf *out, struct bytes authserv_id, const struct authres_result *results,
                   size_t count);

/* Does a field's value say that of a method, anywhere in its results ("dmarc", "pass")? For fields
 * whose writer is trusted; what is malformed says nothing. */
bool authres_says(struct bytes value, const char *method, const char *result);

/* Appends the section without the Authentication-Results fields that a reader could take for ours,
 * or that have a version which we do not know (RFC 8601, 5): letter case, comments, folds, quotes,
 * A-labels for U-labels make no difference, and one whose authserv-id cannot be read is cut too.
 * authserv_id as configured. Gives how many; without any nothing is appended. */
size_t authres_cut(struct buf *out, struct bytes section, struct bytes authserv_id);
