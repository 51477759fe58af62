/* A trust anchor of DNSSEC as a file has it: DS or DNSKEY records in the form of zone files
 * (RFC 1035, 5.1; RFC 4034, 2.2 and 5.3; RFC 4035, 4.4). Other records, $ORIGIN, $INCLUDE and
 * escaped names are refused: a line that is passed over could be the one that was meant. */
#pragma once

#include "base/attr.h"
#include "base/buf.h"

enum { ANCHOR_TEXT_LIMIT = 16 * 1024 }; /* a longer file is refused */

struct anchor_fault {
    size_t line; /* from 1; 0: the whole file */
    const char *what;
};

/* Appends each record to out, one a line with its final LF: ". IN DS 20326 8 2 E06D…", names whole
 * with their final dot, without TTL. False and the fault: the text is no list of such records, or
 * has none. Then out has the records before it. */
MUST_CHECK bool anchor_scan(struct bytes text, struct buf *out, struct anchor_fault *fault);
