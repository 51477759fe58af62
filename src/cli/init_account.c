#include "cli/init_account.h"

#include <openssl/crypto.h>

#include "base/instant.h"
#include "cli/user_password.h"
#include "daemon/accounts.h"
#include "daemon/supervisor_ground.h"

bool init_account_password(struct init_account *account, enum init_password from)
{
    struct options options = {.config = NULL};
    if (from == INIT_PASSWORD_STDIN)
        options.is_password_stdin = "";
    else if (from == INIT_PASSWORD_MADE)
        options.is_generated = "";
    return user_password(&options, &account->password, &account->is_made);
}

void init_account_done(struct init_account *account)
{
    user_password_done(&account->password);
}

static bool add(struct accounts *accounts, const struct init_account *account, const char *address,
                const struct config *config, struct error *err)
{
    struct credentials made;
    struct buf name;
    buf_init(&name, DIRECTORY_NAME_LIMIT);
    bool is_name = directory_name(&name, bytes_of(address));
    ASSERT(is_name); /* init_plan_set_user() has asked the same */
    bool is_added =
        password_derive(buf_view(&account->password), config->auth.hash_cost, &made, err) &&
        accounts_add(accounts, buf_view(&name), &made, instant_now_ms(), err) == ACCOUNTS_DONE;
    OPENSSL_cleanse(&made, sizeof made);
    buf_done(&name);
    return is_added;
}

bool init_account_add(const struct init_account *account, const char *config_path,
                      const char *address, struct error *err)
{
    struct ground ground = {.lock_fd = -1};
    struct accounts *accounts = NULL;
    struct buf problems;
    buf_init(&problems, sizeof err->text);
    struct config *config = config_load(config_path, &problems);
    if (!config)
        error_set(err, 0, "%.*s", BYTES_ARGS(bytes_trim(buf_view(&problems))));
    else if (ground_open_accounts(&ground, config, err) &&
             ground_become(&ground, config->user, err))
        accounts = accounts_open(config->accounts_folder, err);
    bool is_added = accounts && add(accounts, account, address, config, err);
    accounts_close(accounts);
    config_free(config);
    buf_done(&problems);
    return is_added;
}
