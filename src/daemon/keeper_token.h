/* The keeper's answers about bearer tokens: checked offline (auth/jwt.h) with the keys that the
 * configuration's `oauth` names, which are public, but come with the other files of the keeper. */
#pragma once

#include "daemon/keeper.h"

/* KEEPER_VERIFY_TOKEN. */
void keeper_token_begin(struct keeper_job *job);
/* Forgets the keys: there may be others. */
void keeper_token_reload(struct keeper *keeper);
