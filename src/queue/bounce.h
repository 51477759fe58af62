/* Makes the delivery status notification of a queue_report: which message, from whom (the null
 * reverse-path), to whom (the original reverse-path). None for a message that itself has the null
 * reverse-path (RFC 5321, 6.1). Pure: the message's own text is handed in. */
#pragma once

#include "queue/queue.h"

struct bounce_source {
    struct bytes hostname;
    uint64_t id; /* of the notification */
    int64_t now_ms;
    struct bytes original; /* the original message, from its start: whole, or as much as was read */
    bool is_whole;
};

/* Bytes of the original that are worth reading; a larger one is returned as its header section
 * alone. */
enum { BOUNCE_ORIGINAL_LIMIT = 65536 };

/* Writes the notification's text to *text, its envelope to *out (views into the arena, the
 * report and the source). False: at the arena's ceiling or the text's limit. */
MUST_CHECK bool bounce_compose(const struct queue_report *report,
                               const struct bounce_source *source, struct arena *arena,
                               struct buf *text, struct envelope *out);
