/* Where a command gets a password from: standard input, a prompt without echo, or, a new one,
 * chance.
 */
#pragma once

#include "cli/command.h"

/* Appends it in the form in which passwords are compared. False: standard error has said why. By
 * --generate it is a new one, which the command has to show; *is_new says so. */
MUST_CHECK bool user_password(const struct options *options, struct buf *out, bool *is_new);
/* Appends the password that somebody has already, as it was typed. False: standard error has said
 * why there is none. */
MUST_CHECK bool user_password_ask(const char *user, bool is_from_stdin, struct buf *out);
/* Wipes and frees. */
void user_password_done(struct buf *password);
