/* The text of a message on its way out: read from the spool piece by piece, on another thread, and
 * made fit there for a host that does not take it as it is. */
#pragma once

#include "daemon/worker.h"
#include "mail/downgrade.h"

struct outbound_text;

/* The next piece of the text, or why there is none. */
struct outbound_piece {
    struct bytes text; /* borrowed for the call */
    bool is_last;
    const char *failure; /* NULL: it was read */
};
typedef void outbound_text_ready(void *context, const struct outbound_piece *piece);

/* The text of a message that is in the spool. */
struct outbound_text *outbound_text_open(struct worker *worker, uint64_t id,
                                         outbound_text_ready *ready, void *context);
/* Whether the text can be made fit. */
struct outbound_fit {
    uint64_t size;       /* of what it becomes */
    struct bytes reason; /* why it cannot; empty: it can */
    const char *failure; /* NULL: it was read */
};
typedef void outbound_text_fitted(void *context, const struct outbound_fit *fit);
/* Before anything is read: goes through the whole text to find out, and ends in fitted(), which may
 * close. From then on what is read is the downgraded text. */
void outbound_text_downgrade(struct outbound_text *text, const struct downgrade_goal *goal,
                             outbound_text_fitted *fitted);
/* Reads the next piece; ends in ready(), which may close. */
void outbound_text_read(struct outbound_text *text);
/* No read is under way. NULL is fine. */
void outbound_text_close(struct outbound_text *text);
