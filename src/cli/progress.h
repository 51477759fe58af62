/* How far a long transfer is, on one line of a terminal's standard error. */
#pragma once

#include "base/buf.h"

struct progress {
    uint64_t total; /* bytes */
    bool is_shown;  /* standard error is a terminal, and there is enough to wait for */
    int64_t begun_ms, shown_ms;
};

enum { PROGRESS_LEAST = 1 << 20 }; /* bytes; less is over at once */

void progress_init(struct progress *progress, uint64_t total);
/* So many bytes are through; shows it now and then. */
void progress_tell(struct progress *progress, uint64_t done);
/* Clears the line. */
void progress_end(struct progress *progress);
/* Appends " 45% [#########           ]  61.7M of 137.0M, 12.0M/s, 6s left". */
void progress_print(struct buf *out, uint64_t done, uint64_t total, int64_t elapsed_ms);
