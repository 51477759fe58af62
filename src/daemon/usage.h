/* What accounts have sent: how many messages today, and to whom ever, by which it is known who is a
 * stranger. A SQLite file beside the account directory, which only the keeper opens; losing it
 * costs a day's counts and makes everybody a stranger once. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "policy/quota.h"

struct usage;

/* Opens usage.db in the folder, or makes it. NULL and err on failure. */
struct usage *usage_open(const char *folder, struct error *err);
void usage_close(struct usage *usage);

/* Counts a message of the account (its name as the directory has it) to recipients (each eight
 * bytes: a hash of the address), within the limits. What is over them is not counted. */
MUST_CHECK bool usage_spend(struct usage *usage, struct bytes account, struct bytes recipients,
                            const struct quota_limits *limits, int64_t now_ms,
                            enum quota_verdict *out, struct error *err);
