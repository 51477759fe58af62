/* The account directory: a SQLite file in a folder of its own, which the keeper reads and the
 * commands write, the server running or not. Who may log in, with what, and as whom.
 *
 * Names are as directory_name() gives them. One thread at a time for each struct accounts. */
#pragma once

#include "base/error.h"
#include "daemon/password.h"
#include "policy/directory.h"

struct accounts;

struct account {
    int64_t id;
    char address[DIRECTORY_NAME_LIMIT + 1];
    bool has_password, is_disabled;
    struct credentials credentials;                /* zeros without a password */
    uint32_t messages_per_day, recipients_per_day; /* 0: the configuration's */
    int64_t created_ms, changed_ms;                /* wall; of the password */
};

enum { APP_NAME_LIMIT = 64 };
struct app_password {
    char name[APP_NAME_LIMIT + 1];
    uint32_t messages_per_day, recipients_per_day; /* 0: the account's */
    int64_t created_ms, used_ms;                   /* used: 0: never */
};

/* Opens accounts.db in the folder, or makes it. NULL and err on failure. */
struct accounts *accounts_open(const char *folder, struct error *err);
void accounts_close(struct accounts *accounts);
/* For the keeper's loop: waits for others a moment only, and leaves syncing to the file's next
 * checkpoint. */
void accounts_hurry(struct accounts *accounts);

/* What a look or a change came to. */
enum accounts_status {
    ACCOUNTS_DONE,
    ACCOUNTS_NONE,   /* there is no such account, app password or address */
    ACCOUNTS_EXISTS, /* there is one already */
    ACCOUNTS_FAILED, /* err says why */
};

enum accounts_status accounts_find(struct accounts *accounts, struct bytes name,
                                   struct account *out, struct error *err);
/* The app password of the account that has this digest. */
enum accounts_status accounts_find_app(struct accounts *accounts, int64_t account,
                                       const uint8_t digest[PASSWORD_DIGEST],
                                       struct app_password *out, struct error *err);
/* Remembers that it was used. */
enum accounts_status accounts_used_app(struct accounts *accounts, int64_t account,
                                       struct bytes app_name, int64_t now_ms, struct error *err);
typedef void accounts_each_own(void *context, struct bytes address);
/* Calls each for the further addresses of the account, in order. */
MUST_CHECK bool accounts_each_own_of(struct accounts *accounts, int64_t account,
                                     accounts_each_own *each, void *context, struct error *err);
typedef void accounts_each_app(void *context, const struct app_password *app);
MUST_CHECK bool accounts_each_app_of(struct accounts *accounts, int64_t account,
                                     accounts_each_app *each, void *context, struct error *err);
/* Calls each for all accounts, by name. */
typedef void accounts_each(void *context, const struct account *account);
MUST_CHECK bool accounts_each_account(struct accounts *accounts, accounts_each *each, void *context,
                                      struct error *err);
/* Appends all names, sorted, a line feed behind each. */
MUST_CHECK bool accounts_names(struct accounts *accounts, struct buf *out, struct error *err);
/* A number that changes when another process (or struct accounts) has changed something. */
MUST_CHECK bool accounts_version(struct accounts *accounts, int64_t *out, struct error *err);
/* 32 random bytes, the same for the life of the directory, that nobody else knows: from them comes
 * the salt of an account that is not there. */
MUST_CHECK bool accounts_secret(struct accounts *accounts, uint8_t out[32], struct error *err);

/* Changes; each is a transaction of its own. NULL for credentials: an account without a password,
 * for app passwords, tokens and certificates alone. */
enum accounts_status accounts_add(struct accounts *accounts, struct bytes name,
                                  const struct credentials *credentials, int64_t now_ms,
                                  struct error *err);
enum accounts_status accounts_set_password(struct accounts *accounts, struct bytes name,
                                           const struct credentials *credentials, int64_t now_ms,
                                           struct error *err);
/* The same password under another cost: NONE when it is not the one that had the old hash any more.
 */
enum accounts_status accounts_renew_password(struct accounts *accounts, struct bytes name,
                                             const char *old_hash,
                                             const struct credentials *credentials,
                                             struct error *err);
enum accounts_status accounts_set_disabled(struct accounts *accounts, struct bytes name,
                                           bool is_disabled, struct error *err);
enum accounts_status accounts_set_limits(struct accounts *accounts, struct bytes name,
                                         uint32_t messages_per_day, uint32_t recipients_per_day,
                                         struct error *err);
enum accounts_status accounts_remove(struct accounts *accounts, struct bytes name,
                                     struct error *err);
/* address: another name, or "@example.org" for all of a domain. */
enum accounts_status accounts_grant(struct accounts *accounts, struct bytes name,
                                    struct bytes address, struct error *err);
enum accounts_status accounts_revoke(struct accounts *accounts, struct bytes name,
                                     struct bytes address, struct error *err);
enum accounts_status accounts_add_app(struct accounts *accounts, struct bytes name,
                                      struct bytes app_name, const uint8_t digest[PASSWORD_DIGEST],
                                      int64_t now_ms, struct error *err);
enum accounts_status accounts_remove_app(struct accounts *accounts, struct bytes name,
                                         struct bytes app_name, struct error *err);
