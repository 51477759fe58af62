/* Names of accounts and passwords in the one form in which they are compared (PRECIS, RFC 8264
 * and 8265; what SASL calls SASLprep): the same word typed on two keyboards is the same bytes.
 *
 * Computed in memory. What a name means is the directory's to say. */
#pragma once

#include "base/buf.h"

enum { PRECIS_LIMIT = 1024 }; /* bytes of a name or password, before and after */

/* OpaqueString (RFC 8265, 4.2): spaces beyond ASCII become spaces, then NFC. Controls, code points
 * that are not assigned and those that show nothing are refused; letters that may stand beside
 * certain others only (RFC 8264, 4.3.1) are let through, since a password is not for reading.
 * False, with nothing appended, for what is no such string: empty, no UTF-8, too long. */
MUST_CHECK bool precis_password(struct buf *out, struct bytes text);

/* UsernameCaseMapped (RFC 8265, 3.3): full-width and half-width forms become ordinary ones, upper
 * case lower, then NFC. Letters, digits and the printable ASCII only. The Bidi Rule is not asked
 * for: it is about how a name looks, and these are compared. False as above. */
MUST_CHECK bool precis_username(struct buf *out, struct bytes text);
