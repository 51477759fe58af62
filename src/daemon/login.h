/* The logins of one incoming session: what the SASL machine asks goes to the keeper, and who has
 * come in is known here from then on. */
#pragma once

#include "daemon/worker.h"
#include "policy/quota.h"
#include "policy/sender.h"

struct login;

struct login *login_new(struct worker *worker, struct session *session,
                        struct generation *generation);
/* An answer that is under way is not waited for. */
void login_free(struct login *login);

/* The account whose client certificate (by auth.certificates) it is; NULL: nobody's. */
const char *login_by_certificate(const struct config *config, const struct tls_facts *facts);

/* session_host's login() and logged(). */
void login_ask(struct login *login);
void login_ended(struct login *login);

/* Who is logged in: what it may send as. NULL: nobody. */
const struct sender_rights *login_rights(const struct login *login);
/* And how much: 0 is any. */
struct quota_limits login_quota(const struct login *login);
