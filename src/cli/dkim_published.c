#include "cli/dkim_published.h"

#include "auth/dkim_key.h"
#include "cli/dkim_store.h"

const char *published_word(enum published published)
{
    switch (published) {
    case PUBLISHED_ASKING:
    case PUBLISHED_UNKNOWN: return "unknown";
    case PUBLISHED_RIGHT: return "published";
    case PUBLISHED_MISSING: return "missing";
    case PUBLISHED_OTHER: return "different";
    }
    return "";
}

/* The same key, whatever else the records say. */
static bool is_same_key(struct bytes a, struct bytes b)
{
    struct dkim_key first, second;
    struct bytes reason;
    struct buf one, two;
    if (dkim_key_parse(a, &first, &reason) != DKIM_KEY_GOOD ||
        dkim_key_parse(b, &second, &reason) != DKIM_KEY_GOOD ||
        first.algorithm != second.algorithm || !first.allows_sha256)
        return false;
    buf_init(&one, a.len);
    buf_init(&two, b.len);
    bool is_same = dkim_base64_scan(&one, first.data) && dkim_base64_scan(&two, second.data) &&
                   bytes_equal(buf_view(&one), buf_view(&two));
    buf_done(&one);
    buf_done(&two);
    return is_same;
}

enum published published_find(struct facts *facts, const struct keyring_key *key,
                              struct bytes record)
{
    struct buf name;
    buf_init(&name, 1000);
    dkim_store_name(&name, key);
    const struct answer *answer = facts_ask(facts, FACT_TXT, buf_view(&name));
    buf_done(&name);
    if (!answer)
        return PUBLISHED_ASKING;
    switch (answer->status) {
    case ANSWER_FOUND: break;
    case ANSWER_NODATA:
    case ANSWER_NXDOMAIN: return PUBLISHED_MISSING;
    case ANSWER_SERVFAIL:
    case ANSWER_TIMEOUT: return PUBLISHED_UNKNOWN;
    }
    for (size_t i = 0; i < answer->count; i++)
        if (is_same_key(answer->records[i].data, record))
            return PUBLISHED_RIGHT;
    return PUBLISHED_OTHER;
}
