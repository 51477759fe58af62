#include "mail/typo.h"

#include <string.h>

enum {
    NAME_LIMIT = 32,    /* longer than any provider's and two letters more */
    SHORT_NAME = 7,     /* "gmx.net": two changes make a word of its own */
    DISTANCE_SHORT = 1, /* for names so short */
    DISTANCE_LONG = 2,  /* for the others */
    ENDING_LIMIT = 8,   /* of a last label, with a letter too many */
};

/* Where most people have their mail; those with more readers first, as the first of equals wins. */
static const char *const providers[] = {
    "gmail.com",      "outlook.com",    "hotmail.com",    "yahoo.com",     "icloud.com",
    "googlemail.com", "live.com",       "aol.com",        "gmx.de",        "gmx.net",
    "gmx.com",        "gmx.at",         "gmx.ch",         "web.de",        "t-online.de",
    "freenet.de",     "mail.com",       "mail.ru",        "yandex.ru",     "yandex.com",
    "proton.me",      "protonmail.com", "pm.me",          "fastmail.com",  "zoho.com",
    "msn.com",        "me.com",         "mac.com",        "ymail.com",     "rocketmail.com",
    "yahoo.co.uk",    "yahoo.de",       "yahoo.fr",       "yahoo.es",      "yahoo.it",
    "yahoo.co.jp",    "yahoo.co.in",    "yahoo.com.br",   "hotmail.co.uk", "hotmail.de",
    "hotmail.fr",     "hotmail.es",     "hotmail.it",     "outlook.de",    "outlook.fr",
    "live.co.uk",     "live.de",        "live.fr",        "live.nl",       "orange.fr",
    "free.fr",        "laposte.net",    "sfr.fr",         "wanadoo.fr",    "libero.it",
    "virgilio.it",    "tiscali.it",     "btinternet.com", "sky.com",       "comcast.net",
    "verizon.net",    "att.net",        "qq.com",         "163.com",       "126.com",
    "naver.com",      "daum.net",       "rediffmail.com", "uol.com.br",    "bol.com.br",
    "posteo.de",      "mailbox.org",    "tutanota.com",   "bluewin.ch",    "seznam.cz",
    "wp.pl",          "o2.pl",          "ukr.net",        "abv.bg",
};

/* Last labels that are slips of the finger. Some are countries' (.co, .cm, .om): right for a domain
 * that takes mail, and a slip where there is none. */
static const struct {
    const char *slip, *meant;
} endings[] = {
    {"con", "com"},  {"cmo", "com"}, {"ocm", "com"},  {"comm", "com"}, {"coom", "com"},
    {"ccom", "com"}, {"vom", "com"}, {"xom", "com"},  {"com1", "com"}, {"comn", "com"},
    {"cpm", "com"},  {"cim", "com"}, {"clm", "com"},  {"cok", "com"},  {"coml", "com"},
    {"co", "com"},   {"cm", "com"},  {"om", "com"},   {"nte", "net"},  {"ent", "net"},
    {"nett", "net"}, {"bet", "net"}, {"met", "net"},  {"ner", "net"},  {"ney", "net"},
    {"ogr", "org"},  {"rog", "org"}, {"orgg", "org"}, {"orf", "org"},  {"prg", "org"},
    {"or", "org"},   {"edi", "edu"}, {"eud", "edu"},  {"dee", "de"},   {"fe", "de"},
    {"ed", "de"},
};

/* The number of changes that lead from a to b, or most + 1 where it is more than `most`. Both are
 * at most NAME_LIMIT long. */
static size_t distance(struct bytes a, struct bytes b, size_t most)
{
    size_t rows[3][NAME_LIMIT + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    if (a.len > b.len + most || b.len > a.len + most)
        return most + 1;
    for (size_t j = 0; j <= b.len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = above[j - 1] + (a.at[i - 1] != b.at[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            bool is_swap =
                i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1];
            if (is_swap && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b.len] > most ? most + 1 : above[b.len];
}

/* The nearest provider; NULL: none is near. *is_known: it is one itself. */
static const char *find_provider(struct bytes name, bool *is_known)
{
    const char *found = NULL;
    size_t nearest = DISTANCE_LONG + 1;
    for (size_t i = 0; i < COUNT(providers); i++) {
        struct bytes provider = bytes_of(providers[i]);
        size_t shorter = name.len < provider.len ? name.len : provider.len;
        size_t most = shorter <= SHORT_NAME ? DISTANCE_SHORT : DISTANCE_LONG;
        size_t changes = distance(name, provider, most);
        if (changes == 0) {
            *is_known = true;
            return NULL;
        }
        if (changes <= most && changes < nearest) {
            nearest = changes;
            found = providers[i];
        }
    }
    return found;
}

static bool find_ending(struct bytes domain, struct buf *out)
{
    uint8_t room[ENDING_LIMIT];
    size_t dot = bytes_find_last(domain, '.');
    struct bytes last = bytes_from(domain, dot + 1);
    if (dot == domain.len || dot == 0 || last.len > sizeof room)
        return false;
    for (size_t i = 0; i < COUNT(endings); i++) {
        if (!bytes_equal_nocase(last, bytes_of(endings[i].slip)))
            continue;
        for (size_t j = 0; j <= dot; j++)
            buf_add_byte(out, ascii_lower(domain.at[j]));
        buf_add(out, bytes_of(endings[i].meant));
        return true;
    }
    return false;
}

/* The nearest provider to a name in any case. */
static const char *look_up(struct bytes domain, bool *is_known)
{
    uint8_t room[NAME_LIMIT];
    if (domain.len == 0 || domain.len > sizeof room)
        return NULL;
    for (size_t i = 0; i < domain.len; i++)
        room[i] = ascii_lower(domain.at[i]);
    return find_provider((struct bytes){room, domain.len}, is_known);
}

enum typo_kind typo_find(struct bytes domain, struct buf *out)
{
    bool is_known = false;
    if (domain.len && domain.at[domain.len - 1] == '.')
        domain.len--;
    size_t begin = out->len;
    const char *provider = look_up(domain, &is_known);
    if (!provider && (is_known || !find_ending(domain, out)))
        return TYPO_NONE;
    /* Both slips at once: "gmai.co". */
    if (!provider)
        provider = look_up(bytes_from(buf_view(out), begin), &is_known);
    if (!provider)
        return TYPO_ENDING;
    out->len = begin;
    buf_add(out, bytes_of(provider));
    return TYPO_PROVIDER;
}
