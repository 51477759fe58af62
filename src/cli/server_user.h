/* For commands that work on the server's own files beside it: becomes the user that the files
 * belong to, so that none is left that the server cannot open. */
#pragma once

#include "cli/command.h"

/* Makes the accounts' folder where it is missing. EXIT_GOOD, or standard error has said why not. */
int server_user_become(const struct config *config);
