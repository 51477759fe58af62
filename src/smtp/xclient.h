/* The argument of XCLIENT (Postfix's XCLIENT_README): what a proxy says of the client that it
 * speaks for, as attributes with values in xtext. */
#pragma once

#include "base/ip.h"

/* What EHLO offers of it. */
#define XCLIENT_ATTRIBUTES "NAME ADDR PORT PROTO HELO"

struct xclient {
    bool has_ip; /* ADDR is given, and known ("[UNAVAILABLE]" is not) */
    struct ip ip;
};

/* NAME, PORT, PROTO and HELO are checked for their form and passed over: names of clients are not
 * relied on here, and the client's EHLO follows. False and *why, for the reply: it is no such
 * argument, or has an attribute that is not offered. */
MUST_CHECK bool xclient_scan(struct bytes argument, struct xclient *out, const char **why);
