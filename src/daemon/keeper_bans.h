/* The keeper's hand on those who guess: asks policy/ban.h before each login and tells it the
 * outcome, and keeps what it says in a file, written each second on a thread of its own. Networks
 * that the configuration trusts (auth.unbanned) are let alone. */
#pragma once

#include "daemon/keeper.h"

/* False: err. */
MUST_CHECK bool keeper_bans_open(struct keeper *keeper, struct error *err);
/* Writes what is not written yet. */
void keeper_bans_close(struct keeper_bans *bans);
bool keeper_bans_is_idle(const struct keeper_bans *bans);

/* May this login be tried? False: it is banned; the job has been answered, and the log told.
 * account is its name in the directory's form, or as the client wrote it. */
MUST_CHECK bool keeper_bans_admit(struct keeper_job *job, struct bytes account);
/* It failed: how long its answer is to wait (ms). */
int64_t keeper_bans_fail(struct keeper_job *job, struct bytes account);
void keeper_bans_succeed(struct keeper_job *job, struct bytes account);
