/* Stories on a page: a heading each, then a row an event: the local time, how long after the first,
 * a sentence. */
#pragma once

#include "cli/paint.h"
#include "cli/trace_search.h"
#include "cli/trace_state.h"

struct trace_page {
    size_t columns;        /* 0: rows are not broken */
    int64_t day;           /* of the newest row; 0: none yet */
    int64_t begun_ms;      /* of the story; INT64_MIN: it has no first event */
    const char *given[16]; /* advice that the story has had */
    size_t given_count;
};

void trace_page_init(struct trace_page *page);
/* Prints a whole story. state: what the queue has of its message, NULL: it was not asked. */
void trace_page_story(struct trace_page *page, const struct trace_story *story,
                      const struct trace_state *state);
/* Prints an event of any story as it comes, with the id that it is of. */
void trace_page_event(struct trace_page *page, struct bytes line);
