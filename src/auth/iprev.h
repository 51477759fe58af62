/* The client's name by the DNS: the names that its address has, of which those count that lead back
 * to the address (RFC 8601, 3; the same procedure in RFC 7208, 5.5). Pure: facts are handed in. */
#pragma once

#include "base/ip.h"

struct facts; /* facts/facts.h */

enum { IPREV_NAME_LIMIT = 10 }; /* names that are looked up; RFC 7208, 4.6.4 */

enum iprev_result {
    IPREV_NEEDS_FACTS,
    IPREV_PASS,      /* a name leads back */
    IPREV_FAIL,      /* there are names, and none leads back */
    IPREV_TEMPERROR, /* the DNS does not tell, now */
    IPREV_PERMERROR, /* the address has no name (RFC 8601, 2.7.3) */
};
/* In the words of RFC 8601, 2.7.3; "" of IPREV_NEEDS_FACTS. */
const char *iprev_result_name(enum iprev_result result);

struct iprev_names {
    struct bytes list[IPREV_NAME_LIMIT]; /* that lead back; views of the facts */
    size_t count;
};

/* Appends the name by which the DNS is asked: "1.2.0.192.in-addr.arpa" (RFC 1035, 3.5; RFC 3596).
 */
void iprev_print_question(struct buf *out, const struct ip *ip);

/* *out is written unless facts are needed. Names that no host can have are passed over, and those
 * beyond the limit. */
MUST_CHECK enum iprev_result iprev_check(const struct ip *ip, struct facts *facts,
                                         struct iprev_names *out);
