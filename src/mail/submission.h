/* What a submission server puts right in the header section of a message (RFC 6409, 8): adds a
 * missing Date, Message-ID and From, removes Bcc. All other bytes stay as they are, so that a
 * signature stays good. Does not judge what the fields say. */
#pragma once

#include "base/buf.h"

struct submission {
    int64_t now_ms; /* wall clock, for Date */
    uint64_t id;    /* of the message, for Message-ID */
    struct bytes hostname;
    struct bytes reverse_path; /* empty: the null one */
};

enum submission_result {
    SUBMISSION_UNCHANGED,
    SUBMISSION_REWRITTEN,
    SUBMISSION_NO_FROM,      /* and the null reverse-path cannot stand in: 554 5.6.0 */
    SUBMISSION_SEVERAL_FROM, /* RFC 5322, 3.6 wants exactly one: 554 5.6.0 */
};

/* section: the header fields, without the blank line that ends them. With SUBMISSION_REWRITTEN
 * the section to take instead is appended to `out`, which grows by at most SUBMISSION_GROWTH
 * bytes over the section; else nothing is. */
enum submission_result submission_check(const struct submission *submission, struct bytes section,
                                        struct buf *out);
enum { SUBMISSION_GROWTH = 1024 };

/* For the reply to a refused message: one line, without code. */
struct bytes submission_reason(enum submission_result result);
