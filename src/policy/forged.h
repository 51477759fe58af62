/* Fields of a message that only pretend to be ours: results of checks under this host's name (RFC
 * 8601, 5), and the field that says that a message is junk. Cut out of what comes from anybody but
 * a server of ours. */
#pragma once

#include "base/buf.h"

/* Appends the header section without them, which is never longer. False: there are none, and
 * nothing is appended. authserv_id: this host's name. */
MUST_CHECK bool forged_cut(struct buf *out, struct bytes section, struct bytes authserv_id);
