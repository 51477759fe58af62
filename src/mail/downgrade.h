/* A message made fit for a host that takes less than it holds: 8-bit and binary parts encoded
 * (RFC 6152, 3; RFC 3030, 3), header fields in ASCII (mail/ascii_field.h).
 *
 * Two passes over the whole text, each in pieces of any size. The first finds what has to change,
 * the second writes it; it may be repeated (to count, then to send), and its output does not
 * depend on how the text is cut. What need not change comes out byte for byte. Nothing is lost:
 * each part has the same content when it is decoded. Signed parts are never touched: a message
 * that would need it has no form for that host, and its verdict says so.
 *
 *     downgrade_scan(…) again and again, downgrade_decide()
 *     downgrade_begin(), downgrade_write(…) again and again, downgrade_end() */
#pragma once

#include "mail/ascii_field.h"
#include "mail/envelope.h"

struct downgrade;

/* What the host takes. */
struct downgrade_goal {
    enum body_type body;  /* BODY_7BIT or BODY_8BITMIME */
    bool has_8bit_fields; /* header fields may stay as they are; never with BODY_7BIT */
};

enum downgrade_verdict {
    DOWNGRADE_GOOD,
    DOWNGRADE_FIELD,  /* a header field has no form in ASCII */
    DOWNGRADE_SIGNED, /* a change would break a signature */
    DOWNGRADE_CODED,  /* a part is in an encoding that is unknown or broken, or of a type that may
                         not be encoded */
    DOWNGRADE_LIMIT,  /* too many parts, or a field too long */
};

struct downgrade *downgrade_new(const struct downgrade_goal *goal);
void downgrade_free(struct downgrade *downgrade);

/* Pass one: the next piece of the text. */
void downgrade_scan(struct downgrade *downgrade, struct bytes text);
/* Its end. */
MUST_CHECK enum downgrade_verdict downgrade_decide(struct downgrade *downgrade);
/* What the verdict means, for the sender; the view is the downgrade's. Empty for DOWNGRADE_GOOD. */
struct bytes downgrade_reason(const struct downgrade *downgrade);

/* Pass two, only after DOWNGRADE_GOOD: begins (again); appends what the next piece of the same
 * text becomes, at most DOWNGRADE_GROWTH times its length and what was held before (a field at
 * most); and the rest. */
enum { DOWNGRADE_GROWTH = ASCII_FIELD_GROWTH };
void downgrade_begin(struct downgrade *downgrade);
void downgrade_write(struct downgrade *downgrade, struct bytes text, struct buf *out);
void downgrade_end(struct downgrade *downgrade, struct buf *out);

/* Both passes over a text that is in memory, as `count` parts. True: it is appended in its new
 * form. False: it has none, and nothing is. */
MUST_CHECK bool downgrade_whole(const struct downgrade_goal *goal, const struct bytes *parts,
                                size_t count, struct buf *out);
