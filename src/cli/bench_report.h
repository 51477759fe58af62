/* The figures of a run, for people or as JSON, and the line that shows how it goes. */
#pragma once

#include "cli/bench_ids.h"
#include "cli/bench_plan.h"
#include "cli/bench_tally.h"

struct bench_report {
    const struct bench_plan *plan;
    const struct bench_tally *tally;     /* NULL: nothing was sent */
    const struct bench_sink_tally *sink; /* NULL: no sink */
    const struct bench_ids *ids;         /* NULL: arrivals were not counted */
};

/* Prints to standard output, as plan->is_json says. */
void bench_report_print(const struct bench_report *report);
/* The command's exit status: EXIT_GOOD, EXIT_BAD when something was refused, unanswered, lost or
 * came twice, EXIT_LATER when no connection could be made at all. */
int bench_report_status(const struct bench_report *report);
/* Rewrites the line on standard error, if that is a terminal; *last_count is the caller's to keep
 * from one second to the next. */
void bench_report_progress(const struct bench_report *report, uint64_t *last_count);
/* Removes that line. */
void bench_report_progress_end(void);
