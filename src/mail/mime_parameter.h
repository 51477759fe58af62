/* The value of a MIME field with parameters, as Content-Type and Content-Disposition have it
 * (RFC 2045, 5.1; RFC 2231): a word, then "; name=value" again and again. Comments and quoted
 * strings are known; what is written against the grammar but common (a value with blanks that is
 * not quoted, a semicolon too many) is read as most readers do. */
#pragma once

#include "base/buf.h"

struct mime_parameter {
    struct bytes whole; /* from its semicolon to the next */
    struct bytes name;
    struct bytes value; /* as written, without the quotes */
    bool is_quoted;     /* the value may have backslashes to take out */
};

/* What stands before the first parameter, comments and all; *rest is what follows it. Views point
 * into the value. */
struct bytes mime_parameters_head(struct bytes value, struct bytes *rest);
/* Takes the next parameter from the front of *rest; false at the end. What is no parameter comes
 * without a name. */
bool mime_parameter_next(struct bytes *rest, struct mime_parameter *out);
/* Appends the value without backslashes and folds. */
void mime_parameter_print(struct buf *out, const struct mime_parameter *parameter);

/* Reads "type/subtype" (any case) from a Content-Type's head; false when it is not one. */
MUST_CHECK bool media_type_scan(struct bytes head, struct bytes *type, struct bytes *subtype);
/* The one token of a field without parameters, comments left out: "7bit (or so)". */
struct bytes mime_token(struct bytes value);

/* Appends the value of the named parameter, put together from its pieces where it is continued
 * (RFC 2231, 3) and decoded where it is encoded (RFC 2231, 4; whatever charset it claims). False,
 * and nothing is appended: it is not there. */
bool mime_parameters_find(struct bytes value, struct bytes name, struct buf *out);
