/* Macros in SPF records (RFC 7208, 7): their syntax, and what they stand for. */
#pragma once

#include "base/buf.h"
#include "base/ip.h"

enum {
    SPF_NAME_LIMIT = 253,       /* of a name for the DNS; longer ones lose labels (RFC 7208, 7.3) */
    SPF_EXPANSION_LIMIT = 8192, /* of what a domain-spec expands to before that */
};

/* What the letters stand for. Domains are A-labels already (RFC 8616, 4). */
struct spf_values {
    struct bytes local, sender_domain; /* l, o; with a @ between them s */
    struct bytes domain;               /* d */
    struct bytes helo;                 /* h */
    struct bytes validated;            /* p: a name of the client, or "unknown" */
    struct bytes receiver;             /* r */
    struct ip ip;                      /* i, c, v */
    int64_t now_ms;                    /* t */
};

/* Where a text with macros stands decides on what may be in it. */
enum spf_place {
    SPF_IN_TERM,     /* a domain-spec: not the letters c, r, t */
    SPF_IN_MODIFIER, /* the value of a modifier that nobody knows */
    SPF_IN_TEXT,     /* an explanation: spaces as well */
};

/* Is it a macro-string (explain-string) by the grammar of RFC 7208, 7.1? */
bool spf_macro_is_valid(struct bytes text, enum spf_place place);
/* Is it a domain-spec: a macro-string that ends with a macro, or with a top label behind a dot? */
bool spf_macro_is_domain(struct bytes text);
/* Does a valid text have the letter (given in lower case) in either case? */
bool spf_macro_has(struct bytes text, char letter);

/* Appends a valid text with its macros expanded. */
void spf_macro_expand(struct buf *out, struct bytes text, const struct spf_values *values);
/* The same as a name for the DNS: without a final dot, cut from the left to SPF_NAME_LIMIT. False:
 * it expands to more than SPF_EXPANSION_LIMIT. */
MUST_CHECK bool spf_macro_expand_name(struct buf *out, struct bytes spec,
                                      const struct spf_values *values);
