/* The first account: its password, and its place in the directory. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum init_password { INIT_PASSWORD_MADE, INIT_PASSWORD_STDIN, INIT_PASSWORD_ASKED };

struct init_account {
    struct buf password;
    bool is_made; /* by us: it has to be shown */
};

/* False: standard error has said why. */
MUST_CHECK bool init_account_password(struct init_account *account, enum init_password from);
/* Wipes and frees. */
void init_account_done(struct init_account *account);

/* Adds it to the directory of the configuration in that file. Started as root, and with a user in
 * the configuration, this process becomes that user for good. */
MUST_CHECK bool init_account_add(const struct init_account *account, const char *config_path,
                                 const char *address, struct error *err);
