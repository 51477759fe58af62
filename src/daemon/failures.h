/* Failures of logging in and their bans (policy/ban.h) as they are kept over restarts: a SQLite
 * file beside the account directory, which the keeper writes, and commands read and shorten. One
 * thread at a time for each struct failures. */
#pragma once

#include "base/error.h"
#include "policy/ban.h"

struct failures;

/* Opens failures.db in the folder, or makes it. NULL and err on failure. */
struct failures *failures_open(const char *folder, struct error *err);
void failures_close(struct failures *failures);

/* Writes the entries, and forgets what does not matter any more. */
MUST_CHECK bool failures_write(struct failures *failures, const struct ban_entry *entries,
                               size_t count, int64_t now_ms, struct error *err);
/* Calls each for all entries; their keys are borrowed for the call. */
typedef void failures_each(void *context, const struct ban_entry *entry);
MUST_CHECK bool failures_each_of(struct failures *failures, failures_each *each, void *context,
                                 struct error *err);
/* Removes all entries with this key, of any kind ("192.0.2.1", "192.0.2.0/24", "ann@example.org");
 * an empty one: all bans. How many there were is in *out. */
MUST_CHECK bool failures_lift(struct failures *failures, struct bytes key, uint64_t *out,
                              struct error *err);
/* A number that changes when another process has changed something. */
MUST_CHECK bool failures_version(struct failures *failures, int64_t *out, struct error *err);
