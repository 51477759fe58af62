/* Who has guessed too often: failures of logging in, by address, by network and by account, what
 * they cost, and when they are forgotten. Pure: time is handed in.
 *
 * A failure weighs half as much ten minutes later. With each the next answer comes later, and
 * beyond a weight there is a ban: of the address, of its network (/24, /64), and beyond a higher
 * one of the account. Each next ban of the same is twice as long. An account's ban does not hold
 * for an address that has logged in to it before, so that nobody can shut its owner out. */
#pragma once

#include "base/buf.h"
#include "policy/networks.h"

enum ban_kind {
    BAN_ADDRESS,
    BAN_NETWORK,
    BAN_ACCOUNT,
    BAN_KNOWN, /* no ban: an address that has logged in to an account */
};
enum {
    BAN_KIND_COUNT = BAN_KNOWN + 1,
    BAN_ACCOUNT_LIMIT = 320,                /* bytes of an account's name; more is cut */
    BAN_KEY_LIMIT = BAN_ACCOUNT_LIMIT + 64, /* of an entry's key */
    BANS_LIMIT = 50000, /* entries; then the ones longest untouched are forgotten */
};

/* "address", "network", "account", "known". */
const char *ban_kind_word(enum ban_kind kind);
MUST_CHECK bool ban_kind_find(struct bytes word, enum ban_kind *out);

struct bans;
struct bans *bans_new(uint64_t seed);
void bans_free(struct bans *bans);

/* A login: from where, at which account. */
struct ban_query {
    struct ip client;
    struct bytes account; /* its name in the directory's form, or what was written */
};

struct ban_verdict {
    bool is_banned;
    enum ban_kind kind; /* of the ban */
    int64_t until_ms;
};
struct ban_verdict bans_check(const struct bans *bans, const struct ban_query *query,
                              int64_t now_ms);
/* It failed. Gives how long its answer is to wait (ms), and in *out what is banned from now on
 * that was not. */
int64_t bans_fail(struct bans *bans, const struct ban_query *query, int64_t now_ms,
                  struct ban_verdict *out);
/* It went well: the account knows the address from now on, and the address's failures are
 * forgiven. */
void bans_succeed(struct bans *bans, const struct ban_query *query, int64_t now_ms);

/* --- Kept over restarts ----------------------------------------------------------------------- */

/* An entry as it is kept and listed. Its key: "192.0.2.1", "192.0.2.0/24", "ann@example.org"; of
 * BAN_KNOWN "192.0.2.1 ann@example.org". */
struct ban_entry {
    enum ban_kind kind;
    struct bytes key;
    double weight;           /* as of at_ms */
    int64_t at_ms, until_ms; /* until: banned; 0: never was */
    uint64_t count;          /* bans so far */
};
/* Takes up an entry, in place of one with its key. */
void bans_restore(struct bans *bans, const struct ban_entry *entry);
/* Hands out what has changed since it was last handed out, one at a time; the key is borrowed until
 * the bans next change. False: nothing has. */
bool bans_take_changed(struct bans *bans, struct ban_entry *out);
/* Does the entry still say anything at this instant? */
bool ban_entry_matters(const struct ban_entry *entry, int64_t now_ms);
size_t bans_count(const struct bans *bans);
/* Drops all that has not changed since it was handed out and of which is_kept says no: what
 * somebody else has removed. */
typedef bool bans_is_kept(void *context, enum ban_kind kind, struct bytes key);
void bans_sift(struct bans *bans, bans_is_kept *is_kept, void *context);
