/* The keeper's list of all mailboxes, for those who accept mail: made anew when the account
 * directory has changed, and sent to all who may ask. Only where a domain has its mailboxes there.
 */
#pragma once

#include "daemon/keeper.h"

void keeper_directory_open(struct keeper *keeper);
void keeper_directory_close(struct keeper *keeper);
/* After a reload. */
void keeper_directory_reload(struct keeper *keeper);
