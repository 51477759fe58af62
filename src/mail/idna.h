/* Internationalised domains: from what people write (U-labels, RFC 5890) to what the DNS has
 * (A-labels). IDNA2008 with the mapping of UTS 46 (capitals, widths), non-transitional; libidn2
 * does it. */
#pragma once

#include "base/buf.h"

enum { HOST_NAME_LIMIT = 253 }; /* bytes of a name as text, without its final dot (RFC 1035) */

/* Appends the domain as the DNS is asked for it: lower case, A-labels, no final dot. UTF-8 or
 * A-labels come in. False, with nothing appended: no host can have this name (an empty or long
 * label, a code point that IDNA forbids). Underscores are let through, as they occur in the
 * field. */
MUST_CHECK bool idna_to_ascii(struct bytes domain, struct buf *out);
