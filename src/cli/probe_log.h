/* The steps of a probe as they are taken, one a line with its time, and what they come to. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

enum probe_mark {
    PROBE_PLAIN, /* neither good nor bad */
    PROBE_GOOD,
    PROBE_NOTE, /* worth a look */
    PROBE_BAD,
};

/* What a probe came to; also its exit status. */
enum probe_verdict { PROBE_YES, PROBE_NO, PROBE_LATER };

struct probe_log;

/* Steps are printed at once; with is_json, all of them at the end. */
struct probe_log *probe_log_new(struct bytes target, bool is_json);
void probe_log_free(struct probe_log *log);

/* One more step. what: a constant word; the text may hold bytes from outside, which are made safe
 * to show. */
void probe_log_add(struct probe_log *log, enum probe_mark mark, const char *what,
                   const char *format, ...) PRINTF_LIKE(4, 5);
/* A line below the last step: what it means, or what to do about it. */
void probe_log_explain(struct probe_log *log, const char *format, ...) PRINTF_LIKE(2, 3);
/* The last line: what it comes to, and what to do next (NULL or "": nothing). The exit status. */
int probe_log_end(struct probe_log *log, enum probe_verdict verdict, const char *summary,
                  const char *next);
