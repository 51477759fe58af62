/* The trace journal: each process keeps the lines of its log (always logfmt) in a file of its
 * own, FOLDER/NAME.log, for `postrider trace`. A file that has grown to 32 MiB, or is a day old, is
 * closed and named after the instant (daemon/journal_files.h), and a thread makes its index; closed
 * ones are kept as long, and up to as many bytes, as the settings say.
 *
 * A journal is a help for people, not a record that mail depends on: it is not synced, and when
 * it cannot be written its lines are dropped. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct journal;

enum { JOURNAL_FILE_LIMIT = 32 << 20 };

struct journal_settings {
    int64_t keep_ms;     /* older journals are removed */
    uint64_t size_bytes; /* of all journals of one process; the oldest are removed */
};

/* Makes the folder where it is missing, and goes on with the file that is there. */
struct journal *journal_open(const char *folder, const char *name,
                             const struct journal_settings *settings, struct error *err);
/* New settings, from the next file on. NULL is fine. */
void journal_set(struct journal *journal, const struct journal_settings *settings);
/* Flushes first; NULL is fine. */
void journal_close(struct journal *journal);
/* A log_sink whose context is the journal: a line without its end, kept in memory until the next
 * flush. */
void journal_add(void *context, int64_t instant_ms, struct bytes line);
/* Writes what was added: once a turn of the loop. NULL is fine. */
void journal_flush(struct journal *journal);
