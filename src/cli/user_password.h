/* Where a command gets a new password from: standard input, a prompt without echo, or chance. */
#pragma once

#include "cli/command.h"

/* Appends it in the form in which passwords are compared. False: standard error has said why. By
 * --generate it is a new one, which the command has to show; *is_new says so. */
MUST_CHECK bool user_password(const struct options *options, struct buf *out, bool *is_new);
/* Wipes and frees. */
void user_password_done(struct buf *password);
