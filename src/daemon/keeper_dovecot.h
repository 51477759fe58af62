/* Passwords that Dovecot verifies (auth.dovecot): the keeper's connection to its auth socket, made
 * when it is first needed and again when it has gone. */
#pragma once

#include "daemon/keeper.h"

void keeper_dovecot_open(struct keeper *keeper);
/* Drops what waits for an answer. */
void keeper_dovecot_close(struct keeper_dovecot *dovecot);
/* Asks for the job's user and password, as the client wrote them. It ends by
 * keeper_login_granted_as(), keeper_login_refuse() or KEEPER_UNAVAILABLE. */
void keeper_dovecot_ask(struct keeper_job *job);
