/* Which messages of the queue an operator means: by sender, recipient, age, what became of them so
 * far. Pure data and a match over the queue's entries. */
#pragma once

#include "queue/queue.h"

/* All that is given must hold. Texts are compared without case; empty: any. What is said of
 * recipients must hold for one and the same recipient; unless `states` is given, one that is
 * neither delivered nor failed yet. Views are the caller's. */
struct queue_select {
    struct bytes from;   /* an address, "@domain", or "<>": the null reverse-path */
    struct bytes to;     /* a recipient's address, or "@domain" */
    struct bytes domain; /* a recipient's domain */
    struct bytes reply;  /* a part of the last reply */
    struct bytes lane;   /* the name of the endpoint that it goes to, or was tried at last */
    int64_t older_ms;    /* received longer ago than this; 0: any */
    int64_t younger_ms;  /* received less long ago than this; 0: any */
    unsigned states;     /* 1 << RECIPIENT_… bits; 0: any */
};

/* Does it look at addresses? Else entries may have none (queue_walk). */
bool select_has_addresses(const struct queue_select *select);
/* Does it say anything of recipients? */
bool select_has_recipients(const struct queue_select *select);
bool select_matches(const struct queue_select *select, const struct queue_entry *entry,
                    int64_t now_ms);
bool select_matches_recipient(const struct queue_select *select,
                              const struct queue_entry_recipient *recipient);
