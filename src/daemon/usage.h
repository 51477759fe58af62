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

struct usage_message {
    struct bytes account;    /* its name as the directory has it */
    struct bytes recipients; /* eight bytes each: a hash of the address */
    struct quota_limits limits;
    int64_t now_ms; /* wall */
};

struct usage_result {
    enum quota_verdict verdict;
    struct quota_use use; /* of the day, this message included where it may go */
};

/* Counts a message within the limits; what is over them is not counted. */
MUST_CHECK bool usage_spend(struct usage *usage, const struct usage_message *message,
                            struct usage_result *out, struct error *err);
