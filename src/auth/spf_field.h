/* What SPF found, for the message: the Received-SPF field (RFC 7208, 9.1). */
#pragma once

#include "auth/spf.h"

/* Appends the field, CRLF at the end of each line; of a null reverse-path it is one about the name
 * in HELO, as Authentication-Results has it. Whatever the client said, it is one field, and
 * its syntax is good: bytes that do not fit become "?", and long values are cut. */
void spf_print_received(struct buf *out, const struct spf_query *query,
                        const struct spf_verdict *verdict);
