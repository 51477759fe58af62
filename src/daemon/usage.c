#include "daemon/usage.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/memory.h"

enum {
    BUSY_WAIT_MS = 100, /* nobody else writes but a backup */
    HASH_SIZE = 8,
    KNOWN_DAYS = 400, /* so that the yearly letter is not to strangers */
};

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
    "PRAGMA trusted_schema = OFF;"
    "CREATE TABLE IF NOT EXISTS day (account TEXT PRIMARY KEY, day INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, strangers INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS known (account TEXT NOT NULL, recipient BLOB NOT NULL,"
    " day INTEGER NOT NULL, PRIMARY KEY (account, recipient)) STRICT, WITHOUT ROWID;";

static const char write_day[] =
    "INSERT INTO day VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET day = ?2, messages = ?3,"
    " strangers = ?4";

enum query { READ_DAY, WRITE_DAY, IS_KNOWN, SET_KNOWN, FORGET, QUERIES };
static const char *const queries[QUERIES] = {
    [READ_DAY] = "SELECT day, messages, strangers FROM day WHERE account = ?1",
    [WRITE_DAY] = write_day,
    [IS_KNOWN] = "SELECT 1 FROM known WHERE account = ?1 AND recipient = ?2",
    [SET_KNOWN] = "INSERT INTO known VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET day = ?3",
    [FORGET] = "DELETE FROM known WHERE account = ?1 AND day < ?2",
};

struct usage {
    sqlite3 *file;
    sqlite3_stmt *statements[QUERIES];
};

static bool complain(const struct usage *usage, struct error *err)
{
    return error_set(err, 0, "usage of accounts: %s", sqlite3_errmsg(usage->file));
}

struct usage *usage_open(const char *folder, struct error *err)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/usage.db", folder);
    struct usage *usage = NEW(struct usage);
    mode_t mask = umask(0077);
    int result = sqlite3_open_v2(
        path, &usage->file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_busy_timeout(usage->file, BUSY_WAIT_MS);
    bool is_good =
        result == SQLITE_OK && sqlite3_exec(usage->file, schema, NULL, NULL, NULL) == SQLITE_OK;
    umask(mask);
    for (size_t i = 0; i < QUERIES && is_good; i++)
        is_good = sqlite3_prepare_v3(usage->file, queries[i], -1, SQLITE_PREPARE_PERSISTENT,
                                     &usage->statements[i], NULL) == SQLITE_OK;
    if (is_good)
        return usage;
    complain(usage, err);
    error_wrap(err, "%s", path);
    usage_close(usage);
    return NULL;
}

void usage_close(struct usage *usage)
{
    if (!usage)
        return;
    for (size_t i = 0; i < QUERIES; i++)
        sqlite3_finalize(usage->statements[i]);
    sqlite3_close(usage->file);
    free(usage);
}

/* Begins a query about an account. */
static sqlite3_stmt *begin(struct usage *usage, enum query query, struct bytes account)
{
    sqlite3_stmt *statement = usage->statements[query];
    sqlite3_reset(statement);
    sqlite3_bind_text(statement, 1, (const char *)account.at, (int)account.len, SQLITE_STATIC);
    return statement;
}

/* Ends one that gives at most a row; *has_row may be NULL. */
static bool run(const struct usage *usage, sqlite3_stmt *statement, bool *has_row,
                struct error *err)
{
    int result = sqlite3_step(statement);
    if (has_row)
        *has_row = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE || complain(usage, err);
}

static bool read_day(struct usage *usage, struct bytes account, struct quota_use *out,
                     struct error *err)
{
    bool has_row;
    sqlite3_stmt *statement = begin(usage, READ_DAY, account);
    *out = (struct quota_use){.day = 0};
    if (!run(usage, statement, &has_row, err))
        return false;
    if (has_row)
        *out = (struct quota_use){sqlite3_column_int64(statement, 0),
                                  (uint32_t)sqlite3_column_int64(statement, 1),
                                  (uint32_t)sqlite3_column_int64(statement, 2)};
    sqlite3_reset(statement);
    return true;
}

static bool count_strangers(struct usage *usage, struct bytes account, struct bytes recipients,
                            uint32_t *out, struct error *err)
{
    *out = 0;
    for (; recipients.len >= HASH_SIZE; recipients = bytes_from(recipients, HASH_SIZE)) {
        bool is_known;
        sqlite3_stmt *statement = begin(usage, IS_KNOWN, account);
        sqlite3_bind_blob(statement, 2, recipients.at, HASH_SIZE, SQLITE_STATIC);
        if (!run(usage, statement, &is_known, err))
            return false;
        sqlite3_reset(statement);
        *out += !is_known;
    }
    return true;
}

/* Writes what was spent; on a new day, forgets whom the account has not written to for long. */
static bool write_down(struct usage *usage, struct bytes account, struct bytes recipients,
                       const struct quota_use *use, struct error *err)
{
    sqlite3_stmt *statement = begin(usage, WRITE_DAY, account);
    sqlite3_bind_int64(statement, 2, use->day);
    sqlite3_bind_int64(statement, 3, use->messages);
    sqlite3_bind_int64(statement, 4, use->strangers);
    if (!run(usage, statement, NULL, err))
        return false;
    for (; recipients.len >= HASH_SIZE; recipients = bytes_from(recipients, HASH_SIZE)) {
        statement = begin(usage, SET_KNOWN, account);
        sqlite3_bind_blob(statement, 2, recipients.at, HASH_SIZE, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, use->day);
        if (!run(usage, statement, NULL, err))
            return false;
    }
    return true;
}

static bool forget_old(struct usage *usage, struct bytes account, int64_t day, struct error *err)
{
    sqlite3_stmt *statement = begin(usage, FORGET, account);
    sqlite3_bind_int64(statement, 2, day - KNOWN_DAYS);
    return run(usage, statement, NULL, err);
}

/* Within a transaction. */
static bool spend(struct usage *usage, const struct usage_message *message,
                  struct usage_result *out, struct error *err)
{
    struct quota_use before;
    struct bytes account = message->account;
    uint32_t strangers;
    if (!read_day(usage, account, &before, err) ||
        !count_strangers(usage, account, message->recipients, &strangers, err))
        return false;
    out->use = before;
    out->verdict = quota_spend(&message->limits, message->now_ms, strangers, &out->use);
    bool is_spent = out->verdict == QUOTA_FINE || out->verdict == QUOTA_NEAR;
    return write_down(usage, account, is_spent ? message->recipients : BYTES_NONE, &out->use,
                      err) &&
           (out->use.day == before.day || forget_old(usage, account, out->use.day, err));
}

bool usage_spend(struct usage *usage, const struct usage_message *message, struct usage_result *out,
                 struct error *err)
{
    struct usage_result result;
    if (sqlite3_exec(usage->file, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return complain(usage, err);
    bool is_good = spend(usage, message, &result, err);
    for (size_t i = 0; i < QUERIES; i++) {
        sqlite3_reset(usage->statements[i]);
        sqlite3_clear_bindings(usage->statements[i]);
    }
    if (is_good && sqlite3_exec(usage->file, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) {
        *out = result;
        return true;
    }
    if (is_good)
        complain(usage, err);
    (void)sqlite3_exec(usage->file, "ROLLBACK", NULL, NULL, NULL);
    return false;
}
