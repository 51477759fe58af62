/* A message of an account counts (policy/quota.h): the keeper is asked whether one more may go. */
#pragma once

#include "base/arena.h"
#include "daemon/login.h"

/* What came of it: texts are in the arena or constant. */
struct spending_result {
    const struct smtp_answer *refusal; /* NULL: the message may go */
    const char *rule;                  /* of the refusal, for the log */
    struct bytes warning;              /* for the reply to one that may go: little is left */
};
typedef void spending_done(void *context, const struct spending_result *result);

struct spending {
    struct worker *worker;
    const struct login *login; /* NULL: nobody is logged in */
    const struct envelope *envelope;
    struct bytes client; /* the peer's address */
    struct arena *arena;
    spending_done *done;
    void *context;
};

/* Asks; done comes later, and all that is borrowed stays until then. False: there is nothing to
 * count, or nobody to do it; done does not come. */
MUST_CHECK bool spending_begin(const struct spending *spending);
