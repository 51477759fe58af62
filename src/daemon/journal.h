/* The trace journal: each process keeps the lines of its log (always logfmt) in a file of its
 * own, FOLDER/NAME.log, for `postrider trace`. A file that has grown to 64 MiB becomes NAME.log.1,
 * that one NAME.log.2 and so on; four old ones are kept.
 *
 * A journal is a help for people, not a record that mail depends on: it is not synced, and when
 * it cannot be written its lines are dropped. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct journal;

enum { JOURNAL_FILE_LIMIT = 64 << 20, JOURNAL_OLD_FILES = 4 };

/* Makes the folder where it is missing, and goes on with the file that is there. */
struct journal *journal_open(const char *folder, const char *name, struct error *err);
/* Flushes first; NULL is fine. */
void journal_close(struct journal *journal);
/* A log_sink whose context is the journal: a line without its end, kept in memory until the next
 * flush. */
void journal_add(void *context, int64_t instant_ms, struct bytes line);
/* Writes what was added: once a turn of the loop. NULL is fine. */
void journal_flush(struct journal *journal);
