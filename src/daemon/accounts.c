#include "daemon/accounts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <sqlite3.h>

#include "base/memory.h"

enum {
    SCHEMA_VERSION = 1,
    BUSY_WAIT_MS = 5000, /* for another process's transaction */
    HURRY_WAIT_MS = 100,
    SECRET_SIZE = 32,
};

/* Deleting an account takes what is its with it. */
static const char schema[] =
    "CREATE TABLE account ("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash TEXT NOT NULL,"
    " scram_salt BLOB NOT NULL, scram_iterations INTEGER NOT NULL,"
    " scram_stored BLOB NOT NULL, scram_server BLOB NOT NULL,"
    " is_disabled INTEGER NOT NULL DEFAULT 0,"
    " messages_per_day INTEGER NOT NULL DEFAULT 0,"
    " recipients_per_day INTEGER NOT NULL DEFAULT 0,"
    " created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE own_address ("
    " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
    " address TEXT NOT NULL, PRIMARY KEY (account, address)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE app_password ("
    " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
    " name TEXT NOT NULL, digest BLOB NOT NULL,"
    " messages_per_day INTEGER NOT NULL DEFAULT 0,"
    " recipients_per_day INTEGER NOT NULL DEFAULT 0,"
    " created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (account, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE secret (only INTEGER PRIMARY KEY CHECK (only = 1), value BLOB NOT NULL) STRICT;"
    "PRAGMA user_version = 1;";

struct accounts {
    sqlite3 *file;
};

/* --- SQLite ----------------------------------------------------------------------------------- */

static bool complain(struct accounts *accounts, struct error *err)
{
    return error_set(err, 0, "account directory: %s", sqlite3_errmsg(accounts->file));
}

/* What a statement's ?1, ?2 … stand for. */
struct value {
    enum { VALUE_TEXT, VALUE_BLOB, VALUE_NUMBER } kind;
    struct bytes bytes;
    int64_t number;
};
#define TEXT(text) ((struct value){.kind = VALUE_TEXT, .bytes = (text)})
#define BLOB(from) ((struct value){.kind = VALUE_BLOB, .bytes = {(from), sizeof(from)}})
#define NUMBER(of) ((struct value){.kind = VALUE_NUMBER, .number = (of)})
#define VALUES(...)                                                                                \
    (const struct value[]){__VA_ARGS__},                                                           \
        sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value)

/* NULL and err on failure. The bytes stay the caller's until it is finalized. */
static sqlite3_stmt *prepare(struct accounts *accounts, const char *sql, const struct value *values,
                             size_t count, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(accounts->file, sql, -1, &statement, NULL);
    for (size_t i = 0; i < count && result == SQLITE_OK; i++) {
        const struct value *value = &values[i];
        const char *at = value->bytes.at ? (const char *)value->bytes.at : "";
        int len = (int)value->bytes.len, place = (int)i + 1;
        switch (value->kind) {
        case VALUE_TEXT:
            result = sqlite3_bind_text(statement, place, at, len, SQLITE_STATIC);
            break;
        case VALUE_BLOB:
            result = sqlite3_bind_blob(statement, place, at, len, SQLITE_STATIC);
            break;
        case VALUE_NUMBER: result = sqlite3_bind_int64(statement, place, value->number); break;
        }
    }
    if (result == SQLITE_OK)
        return statement;
    complain(accounts, err);
    sqlite3_finalize(statement);
    return NULL;
}

/* Runs a change: DONE when it touched a row, NONE when it touched none. */
static enum accounts_status change(struct accounts *accounts, struct error *err, const char *sql,
                                   const struct value *values, size_t count)
{
    sqlite3_stmt *statement = prepare(accounts, sql, values, count, err);
    if (!statement)
        return ACCOUNTS_FAILED;
    int result = sqlite3_step(statement);
    enum accounts_status status = ACCOUNTS_FAILED;
    if (result == SQLITE_DONE)
        status = sqlite3_changes(accounts->file) ? ACCOUNTS_DONE : ACCOUNTS_NONE;
    else if (result == SQLITE_CONSTRAINT)
        status = ACCOUNTS_EXISTS;
    else
        complain(accounts, err);
    sqlite3_finalize(statement);
    return status;
}

/* The next row; false at the end and, with *is_good false and err, on failure. */
static bool next_row(struct accounts *accounts, sqlite3_stmt *statement, bool *is_good,
                     struct error *err)
{
    int result = sqlite3_step(statement);
    *is_good = result == SQLITE_ROW || result == SQLITE_DONE || complain(accounts, err);
    return result == SQLITE_ROW;
}

static struct bytes column(sqlite3_stmt *statement, int place)
{
    const void *at = sqlite3_column_blob(statement, place);
    return (struct bytes){at, (size_t)sqlite3_column_bytes(statement, place)};
}

/* False: it does not fit, which nothing that we wrote is. */
static bool take_text(sqlite3_stmt *statement, int place, char *room, size_t size)
{
    struct bytes text = column(statement, place);
    if (text.len >= size)
        return false;
    if (text.len)
        memcpy(room, text.at, text.len);
    room[text.len] = 0;
    return true;
}

static bool take_blob(sqlite3_stmt *statement, int place, uint8_t *room, size_t size)
{
    struct bytes blob = column(statement, place);
    if (blob.len != size)
        return blob.len == 0;
    memcpy(room, blob.at, size);
    return true;
}

static uint32_t take_number(sqlite3_stmt *statement, int place)
{
    int64_t number = sqlite3_column_int64(statement, place);
    return number < 0 ? 0 : number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static bool read_number(struct accounts *accounts, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *statement = prepare(accounts, sql, NULL, 0, err);
    bool is_good = statement != NULL;
    if (is_good && next_row(accounts, statement, &is_good, err))
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return is_good;
}

static bool execute(struct accounts *accounts, const char *sql, struct error *err)
{
    return sqlite3_exec(accounts->file, sql, NULL, NULL, NULL) == SQLITE_OK ||
           complain(accounts, err);
}

/* Two processes may find an empty file at a time: the second one waits, and finds it made. */
static bool make_schema(struct accounts *accounts, struct error *err)
{
    int64_t version = 0;
    uint8_t secret[SECRET_SIZE];
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return error_set(err, errno, "draw random bytes");
    bool is_good = execute(accounts, "BEGIN IMMEDIATE", err) &&
                   read_number(accounts, "PRAGMA user_version", &version, err) &&
                   (version != 0 || execute(accounts, schema, err)) &&
                   (version != 0 || change(accounts, err, "INSERT INTO secret VALUES (1, ?1)",
                                           VALUES(BLOB(secret))) == ACCOUNTS_DONE);
    OPENSSL_cleanse(secret, sizeof secret);
    if (is_good)
        return execute(accounts, "COMMIT", err);
    (void)sqlite3_exec(accounts->file, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

static bool prepare_file(struct accounts *accounts, struct error *err)
{
    int64_t version = 0;
    sqlite3_busy_timeout(accounts->file, BUSY_WAIT_MS);
    if (!execute(accounts,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                 "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
                 "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;",
                 err) ||
        !read_number(accounts, "PRAGMA user_version", &version, err))
        return false;
    if (version > SCHEMA_VERSION)
        return error_set(err, 0, "account directory: a newer version of the program made it");
    return version == SCHEMA_VERSION || make_schema(accounts, err);
}

struct accounts *accounts_open(const char *folder, struct error *err)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/accounts.db", folder);
    struct accounts *accounts = NEW(struct accounts);
    mode_t mask = umask(0077);
    int result =
        sqlite3_open_v2(path, &accounts->file,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    bool is_good = result == SQLITE_OK ? prepare_file(accounts, err) : complain(accounts, err);
    umask(mask);
    if (is_good)
        return accounts;
    error_wrap(err, "%s", path);
    accounts_close(accounts);
    return NULL;
}

void accounts_close(struct accounts *accounts)
{
    if (!accounts)
        return;
    sqlite3_close(accounts->file);
    free(accounts);
}

void accounts_hurry(struct accounts *accounts)
{
    sqlite3_busy_timeout(accounts->file, HURRY_WAIT_MS);
    (void)sqlite3_exec(accounts->file, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
}

/* --- Looking ---------------------------------------------------------------------------------- */

#define ACCOUNT_COLUMNS                                                                            \
    "id, name, hash, scram_salt, scram_iterations, scram_stored, scram_server, is_disabled,"       \
    " messages_per_day, recipients_per_day, created_ms, changed_ms"
#define APP_COLUMNS "name, messages_per_day, recipients_per_day, created_ms, used_ms"
#define ACCOUNT_OF "(SELECT id FROM account WHERE name = ?1)"

static bool take_account(sqlite3_stmt *row, struct account *out)
{
    struct credentials *credentials = &out->credentials;
    *out = (struct account){.id = sqlite3_column_int64(row, 0)};
    bool is_good = take_text(row, 1, out->address, sizeof out->address) &&
                   take_text(row, 2, credentials->hash, sizeof credentials->hash) &&
                   take_blob(row, 3, credentials->salt, sizeof credentials->salt) &&
                   take_blob(row, 5, credentials->keys.stored, sizeof credentials->keys.stored) &&
                   take_blob(row, 6, credentials->keys.server, sizeof credentials->keys.server);
    credentials->iterations = take_number(row, 4);
    out->has_password = credentials->hash[0] != 0;
    out->is_disabled = take_number(row, 7) != 0;
    out->messages_per_day = take_number(row, 8);
    out->recipients_per_day = take_number(row, 9);
    out->created_ms = sqlite3_column_int64(row, 10);
    out->changed_ms = sqlite3_column_int64(row, 11);
    return is_good;
}

enum accounts_status accounts_find(struct accounts *accounts, struct bytes name,
                                   struct account *out, struct error *err)
{
    sqlite3_stmt *statement =
        prepare(accounts, "SELECT " ACCOUNT_COLUMNS " FROM account WHERE name = ?1",
                VALUES(TEXT(name)), err);
    bool is_good = statement != NULL;
    enum accounts_status status = ACCOUNTS_NONE;
    if (is_good && next_row(accounts, statement, &is_good, err))
        status = take_account(statement, out) ? ACCOUNTS_DONE : ACCOUNTS_FAILED;
    if (status == ACCOUNTS_FAILED)
        error_set(err, 0, "account directory: a row is none");
    sqlite3_finalize(statement);
    return is_good ? status : ACCOUNTS_FAILED;
}

static bool take_app(sqlite3_stmt *row, struct app_password *out)
{
    *out = (struct app_password){
        .messages_per_day = take_number(row, 1),
        .recipients_per_day = take_number(row, 2),
        .created_ms = sqlite3_column_int64(row, 3),
        .used_ms = sqlite3_column_int64(row, 4),
    };
    return take_text(row, 0, out->name, sizeof out->name);
}

enum accounts_status accounts_find_app(struct accounts *accounts, int64_t account,
                                       const uint8_t digest[PASSWORD_DIGEST],
                                       struct app_password *out, struct error *err)
{
    struct value wanted = {.kind = VALUE_BLOB, .bytes = {digest, PASSWORD_DIGEST}};
    sqlite3_stmt *statement = prepare(
        accounts, "SELECT " APP_COLUMNS " FROM app_password WHERE account = ?1 AND digest = ?2",
        VALUES(NUMBER(account), wanted), err);
    bool is_good = statement != NULL;
    bool is_found =
        is_good && next_row(accounts, statement, &is_good, err) && take_app(statement, out);
    sqlite3_finalize(statement);
    return !is_good ? ACCOUNTS_FAILED : is_found ? ACCOUNTS_DONE : ACCOUNTS_NONE;
}

bool accounts_each_own_of(struct accounts *accounts, int64_t account, accounts_each_own *each,
                          void *context, struct error *err)
{
    sqlite3_stmt *statement =
        prepare(accounts, "SELECT address FROM own_address WHERE account = ?1 ORDER BY address",
                VALUES(NUMBER(account)), err);
    bool is_good = statement != NULL;
    while (is_good && next_row(accounts, statement, &is_good, err))
        each(context, column(statement, 0));
    sqlite3_finalize(statement);
    return is_good;
}

bool accounts_each_app_of(struct accounts *accounts, int64_t account, accounts_each_app *each,
                          void *context, struct error *err)
{
    struct app_password app;
    sqlite3_stmt *statement = prepare(
        accounts, "SELECT " APP_COLUMNS " FROM app_password WHERE account = ?1 ORDER BY name",
        VALUES(NUMBER(account)), err);
    bool is_good = statement != NULL;
    while (is_good && next_row(accounts, statement, &is_good, err))
        if (take_app(statement, &app))
            each(context, &app);
    sqlite3_finalize(statement);
    return is_good;
}

bool accounts_each_account(struct accounts *accounts, accounts_each *each, void *context,
                           struct error *err)
{
    struct account account;
    sqlite3_stmt *statement =
        prepare(accounts, "SELECT " ACCOUNT_COLUMNS " FROM account ORDER BY name", NULL, 0, err);
    bool is_good = statement != NULL;
    while (is_good && next_row(accounts, statement, &is_good, err))
        if (take_account(statement, &account))
            each(context, &account);
    sqlite3_finalize(statement);
    OPENSSL_cleanse(&account, sizeof account);
    return is_good;
}

bool accounts_names(struct accounts *accounts, struct buf *out, struct error *err)
{
    sqlite3_stmt *statement =
        prepare(accounts, "SELECT name FROM account ORDER BY name", NULL, 0, err);
    bool is_good = statement != NULL;
    while (is_good && next_row(accounts, statement, &is_good, err)) {
        buf_add(out, column(statement, 0));
        buf_add_byte(out, '\n');
    }
    sqlite3_finalize(statement);
    return is_good;
}

bool accounts_version(struct accounts *accounts, int64_t *out, struct error *err)
{
    return read_number(accounts, "PRAGMA data_version", out, err);
}

bool accounts_secret(struct accounts *accounts, uint8_t out[SECRET_SIZE], struct error *err)
{
    sqlite3_stmt *statement = prepare(accounts, "SELECT value FROM secret", NULL, 0, err);
    bool is_good = statement != NULL;
    bool is_found = is_good && next_row(accounts, statement, &is_good, err) &&
                    column(statement, 0).len == SECRET_SIZE &&
                    take_blob(statement, 0, out, SECRET_SIZE);
    sqlite3_finalize(statement);
    return is_found || (is_good ? error_set(err, 0, "account directory: it has no secret") : false);
}

/* --- Changing --------------------------------------------------------------------------------- */

static const struct credentials no_credentials;

enum accounts_status accounts_add(struct accounts *accounts, struct bytes name,
                                  const struct credentials *credentials, int64_t now_ms,
                                  struct error *err)
{
    const struct credentials *with = credentials ? credentials : &no_credentials;
    return change(accounts, err,
                  "INSERT INTO account (name, hash, scram_salt, scram_iterations, scram_stored,"
                  " scram_server, created_ms, changed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
                  VALUES(TEXT(name), TEXT(bytes_of(with->hash)), BLOB(with->salt),
                         NUMBER(with->iterations), BLOB(with->keys.stored), BLOB(with->keys.server),
                         NUMBER(now_ms)));
}

enum accounts_status accounts_set_password(struct accounts *accounts, struct bytes name,
                                           const struct credentials *credentials, int64_t now_ms,
                                           struct error *err)
{
    const struct credentials *with = credentials ? credentials : &no_credentials;
    return change(accounts, err,
                  "UPDATE account SET hash = ?2, scram_salt = ?3, scram_iterations = ?4,"
                  " scram_stored = ?5, scram_server = ?6, changed_ms = ?7 WHERE name = ?1",
                  VALUES(TEXT(name), TEXT(bytes_of(with->hash)), BLOB(with->salt),
                         NUMBER(with->iterations), BLOB(with->keys.stored), BLOB(with->keys.server),
                         NUMBER(now_ms)));
}

enum accounts_status accounts_renew_password(struct accounts *accounts, struct bytes name,
                                             const char *old_hash,
                                             const struct credentials *credentials,
                                             struct error *err)
{
    return change(accounts, err,
                  "UPDATE account SET hash = ?2, scram_salt = ?3, scram_iterations = ?4,"
                  " scram_stored = ?5, scram_server = ?6 WHERE name = ?1 AND hash = ?7",
                  VALUES(TEXT(name), TEXT(bytes_of(credentials->hash)), BLOB(credentials->salt),
                         NUMBER(credentials->iterations), BLOB(credentials->keys.stored),
                         BLOB(credentials->keys.server), TEXT(bytes_of(old_hash))));
}

enum accounts_status accounts_set_disabled(struct accounts *accounts, struct bytes name,
                                           bool is_disabled, struct error *err)
{
    return change(accounts, err, "UPDATE account SET is_disabled = ?2 WHERE name = ?1",
                  VALUES(TEXT(name), NUMBER(is_disabled)));
}

enum accounts_status accounts_set_limits(struct accounts *accounts, struct bytes name,
                                         uint32_t messages_per_day, uint32_t recipients_per_day,
                                         struct error *err)
{
    return change(accounts, err,
                  "UPDATE account SET messages_per_day = ?2, recipients_per_day = ?3"
                  " WHERE name = ?1",
                  VALUES(TEXT(name), NUMBER(messages_per_day), NUMBER(recipients_per_day)));
}

enum accounts_status accounts_remove(struct accounts *accounts, struct bytes name,
                                     struct error *err)
{
    return change(accounts, err, "DELETE FROM account WHERE name = ?1", VALUES(TEXT(name)));
}

/* A row is added only where the account is: none means that it is not there. */
enum accounts_status accounts_grant(struct accounts *accounts, struct bytes name,
                                    struct bytes address, struct error *err)
{
    return change(accounts, err,
                  "INSERT INTO own_address SELECT id, ?2 FROM account WHERE name = ?1",
                  VALUES(TEXT(name), TEXT(address)));
}

enum accounts_status accounts_revoke(struct accounts *accounts, struct bytes name,
                                     struct bytes address, struct error *err)
{
    return change(accounts, err,
                  "DELETE FROM own_address WHERE account = " ACCOUNT_OF " AND address = ?2",
                  VALUES(TEXT(name), TEXT(address)));
}

enum accounts_status accounts_add_app(struct accounts *accounts, struct bytes name,
                                      struct bytes app_name, const uint8_t digest[PASSWORD_DIGEST],
                                      int64_t now_ms, struct error *err)
{
    struct value kept = {.kind = VALUE_BLOB, .bytes = {digest, PASSWORD_DIGEST}};
    return change(accounts, err,
                  "INSERT INTO app_password (account, name, digest, created_ms)"
                  " SELECT id, ?2, ?3, ?4 FROM account WHERE name = ?1",
                  VALUES(TEXT(name), TEXT(app_name), kept, NUMBER(now_ms)));
}

enum accounts_status accounts_remove_app(struct accounts *accounts, struct bytes name,
                                         struct bytes app_name, struct error *err)
{
    return change(accounts, err,
                  "DELETE FROM app_password WHERE account = " ACCOUNT_OF " AND name = ?2",
                  VALUES(TEXT(name), TEXT(app_name)));
}

enum accounts_status accounts_used_app(struct accounts *accounts, int64_t account,
                                       struct bytes app_name, int64_t now_ms, struct error *err)
{
    return change(accounts, err,
                  "UPDATE app_password SET used_ms = ?3 WHERE account = ?1 AND name = ?2",
                  VALUES(NUMBER(account), TEXT(app_name), NUMBER(now_ms)));
}
