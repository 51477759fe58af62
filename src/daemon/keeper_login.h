/* The keeper's answers about accounts: passwords, SCRAM, who somebody is. Nobody learns whether an
 * account exists: what is not there is answered like a wrong password, after the same work. */
#pragma once

#include "daemon/accounts.h"
#include "daemon/keeper.h"

/* Opens the directory. False: err. */
MUST_CHECK bool keeper_login_open(struct keeper *keeper, struct error *err);
/* Nothing may be under way. */
void keeper_login_close(struct keeper *keeper);
/* After a reload. */
void keeper_login_reload(struct keeper *keeper);
/* Takes up a request about an account, and answers now or later. */
void keeper_login_begin(struct keeper_job *job);
/* For keeper_job_drop() alone. */
void keeper_login_free(struct keeper_login *login);
/* Has it been refused, and only the answer waits for its time? NULL is fine. */
bool keeper_login_is_delayed(const struct keeper_login *login);

/* For what has found out by itself who the client is (a token): lets it in as the account of that
 * name (KEEPER_OK with its facts), or refuses when there is none. */
void keeper_login_as(struct keeper_job *job, struct bytes name);
/* The same for what others vouch for by a password (Dovecot): an account need not be in the
 * directory; one that is there has its further addresses and limits, and may be disabled. */
void keeper_login_granted_as(struct keeper_job *job, struct bytes name);
/* Refuses: logs who, whence and why, and answers KEEPER_NO. */
void keeper_login_refuse(struct keeper_job *job, const char *why);
