#include "daemon/failures.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/memory.h"

enum {
    BUSY_WAIT_MS = 5000,
    DAY_MS = 24 * 3600 * 1000,
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS failure ("
    " kind TEXT NOT NULL, key TEXT NOT NULL, weight REAL NOT NULL, at_ms INTEGER NOT NULL,"
    " until_ms INTEGER NOT NULL, bans INTEGER NOT NULL,"
    " PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;";

struct failures {
    sqlite3 *file;
};

static bool complain(struct failures *failures, struct error *err)
{
    return error_set(err, 0, "failures.db: %s", sqlite3_errmsg(failures->file));
}

static bool execute(struct failures *failures, const char *sql, struct error *err)
{
    return sqlite3_exec(failures->file, sql, NULL, NULL, NULL) == SQLITE_OK ||
           complain(failures, err);
}

struct failures *failures_open(const char *folder, struct error *err)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/failures.db", folder);
    struct failures *failures = NEW(struct failures);
    mode_t mask = umask(0077);
    bool is_good = sqlite3_open_v2(path, &failures->file,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                   NULL) == SQLITE_OK;
    if (is_good) {
        sqlite3_busy_timeout(failures->file, BUSY_WAIT_MS);
        is_good = execute(failures,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                          "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
                          err) &&
                  execute(failures, schema, err);
    } else {
        complain(failures, err);
    }
    umask(mask);
    if (is_good)
        return failures;
    error_wrap(err, "%s", path);
    failures_close(failures);
    return NULL;
}

void failures_close(struct failures *failures)
{
    if (!failures)
        return;
    sqlite3_close(failures->file);
    free(failures);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool write_entry(sqlite3_stmt *statement, const struct ban_entry *entry)
{
    struct bytes key = entry->key;
    bool is_good = sqlite3_reset(statement) == SQLITE_OK &&
                   sqlite3_bind_text(statement, 1, ban_kind_word(entry->kind), -1, SQLITE_STATIC) ==
                       SQLITE_OK &&
                   sqlite3_bind_text(statement, 2, (const char *)key.at, (int)key.len,
                                     SQLITE_STATIC) == SQLITE_OK &&
                   sqlite3_bind_double(statement, 3, entry->weight) == SQLITE_OK &&
                   sqlite3_bind_int64(statement, 4, entry->at_ms) == SQLITE_OK &&
                   sqlite3_bind_int64(statement, 5, entry->until_ms) == SQLITE_OK &&
                   sqlite3_bind_int64(statement, 6, (int64_t)entry->count) == SQLITE_OK;
    return is_good && sqlite3_step(statement) == SQLITE_DONE;
}

static bool write_all(struct failures *failures, const struct ban_entry *entries, size_t count)
{
    sqlite3_stmt *statement = NULL;
    bool is_good = sqlite3_prepare_v2(failures->file,
                                      "INSERT OR REPLACE INTO failure VALUES (?1,?2,?3,?4,?5,?6)",
                                      -1, &statement, NULL) == SQLITE_OK;
    for (size_t i = 0; i < count && is_good; i++)
        is_good = write_entry(statement, &entries[i]);
    sqlite3_finalize(statement);
    return is_good;
}

/* What no kind keeps any more (ban_entry_matters). */
static bool forget_old(struct failures *failures, int64_t now_ms)
{
    sqlite3_stmt *statement = NULL;
    static const struct {
        const char *sql;
        int64_t days;
    } rows[] = {
        {"DELETE FROM failure WHERE kind = 'known' AND at_ms < ?1", 61},
        {"DELETE FROM failure WHERE kind <> 'known' AND at_ms < ?1 AND until_ms < ?1", 3},
    };
    bool is_good = true;
    for (size_t i = 0; i < COUNT(rows) && is_good; i++) {
        is_good =
            sqlite3_prepare_v2(failures->file, rows[i].sql, -1, &statement, NULL) == SQLITE_OK &&
            sqlite3_bind_int64(statement, 1, now_ms - rows[i].days * DAY_MS) == SQLITE_OK &&
            sqlite3_step(statement) == SQLITE_DONE;
        sqlite3_finalize(statement);
    }
    return is_good;
}

bool failures_write(struct failures *failures, const struct ban_entry *entries, size_t count,
                    int64_t now_ms, struct error *err)
{
    if (!execute(failures, "BEGIN IMMEDIATE", err))
        return false;
    if (write_all(failures, entries, count) && forget_old(failures, now_ms))
        return execute(failures, "COMMIT", err);
    complain(failures, err);
    (void)sqlite3_exec(failures->file, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

bool failures_lift(struct failures *failures, struct bytes key, uint64_t *out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    const char *sql = key.len ? "DELETE FROM failure WHERE key = ?1 AND kind <> 'known'"
                              : "DELETE FROM failure WHERE until_ms > 0";
    bool is_good = sqlite3_prepare_v2(failures->file, sql, -1, &statement, NULL) == SQLITE_OK &&
                   (!key.len || sqlite3_bind_text(statement, 1, (const char *)key.at, (int)key.len,
                                                  SQLITE_STATIC) == SQLITE_OK) &&
                   sqlite3_step(statement) == SQLITE_DONE;
    if (is_good)
        *out = (uint64_t)sqlite3_changes(failures->file);
    else
        complain(failures, err);
    sqlite3_finalize(statement);
    return is_good;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* False: the row is none of ours. */
static bool take_entry(sqlite3_stmt *row, struct ban_entry *out)
{
    struct bytes kind = {sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0)};
    struct bytes key = {sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1)};
    int64_t count = sqlite3_column_int64(row, 5);
    *out = (struct ban_entry){.key = key,
                              .weight = sqlite3_column_double(row, 2),
                              .at_ms = sqlite3_column_int64(row, 3),
                              .until_ms = sqlite3_column_int64(row, 4),
                              .count = count > 0 ? (uint64_t)count : 0};
    return ban_kind_find(kind, &out->kind) && key.len <= BAN_KEY_LIMIT;
}

bool failures_each_of(struct failures *failures, failures_each *each, void *context,
                      struct error *err)
{
    sqlite3_stmt *statement = NULL;
    struct ban_entry entry;
    int result = sqlite3_prepare_v2(failures->file,
                                    "SELECT kind, key, weight, at_ms, until_ms, bans FROM failure"
                                    " ORDER BY at_ms",
                                    -1, &statement, NULL);
    if (result == SQLITE_OK)
        while ((result = sqlite3_step(statement)) == SQLITE_ROW)
            if (take_entry(statement, &entry))
                each(context, &entry);
    if (result != SQLITE_DONE)
        complain(failures, err);
    sqlite3_finalize(statement);
    return result == SQLITE_DONE;
}

bool failures_version(struct failures *failures, int64_t *out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool is_good = sqlite3_prepare_v2(failures->file, "PRAGMA data_version", -1, &statement,
                                      NULL) == SQLITE_OK &&
                   sqlite3_step(statement) == SQLITE_ROW;
    if (is_good)
        *out = sqlite3_column_int64(statement, 0);
    else
        complain(failures, err);
    sqlite3_finalize(statement);
    return is_good;
}
