/* Logging in at a smarthost: the keeper has the password, and it is passed on to the machine. */
#pragma once

#include "daemon/worker.h"

struct outbound_login;

/* The machine has its credential, or knows why there is none: step on. */
typedef void outbound_login_done(void *context);

/* In CLIENT_WANT_CREDENTIAL. done() comes later, or not at all after outbound_login_cancel(); NULL:
 * there is nobody to ask, which the machine knows already. All are borrowed until then. */
struct outbound_login *outbound_login_begin(struct worker *worker, const struct endpoint *endpoint,
                                            const struct stream *stream, struct smtp_client *client,
                                            outbound_login_done *done, void *context);
/* NULL is fine. */
void outbound_login_cancel(struct outbound_login *login_owned);
