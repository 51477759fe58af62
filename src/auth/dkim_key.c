#include "auth/dkim_key.h"

#include "auth/tag.h"
#include "mail/base64.h"

/* A record is at most what one TXT record holds. */
enum { KEY_DATA_LIMIT = 65536 };

bool dkim_list_has(struct bytes list, const char *word)
{
    bool has_more = true;
    while (has_more) {
        struct bytes item;
        has_more = bytes_cut(list, ':', &item, &list);
        if (bytes_equal(bytes_trim(item), bytes_of(word)))
            return true;
    }
    return false;
}

bool dkim_base64_scan(struct buf *out, struct bytes text)
{
    struct buf dense;
    buf_init(&dense, text.len);
    uint8_t *to = buf_reserve(&dense, text.len);
    size_t len = 0;
    for (size_t i = 0; to && i < text.len; i++) {
        uint8_t byte = text.at[i];
        to[len] = byte;
        len += byte != ' ' && byte != '\t' && byte != '\r' && byte != '\n';
    }
    buf_grow(&dense, len);
    bool is_good = base64_scan(out, buf_view(&dense), BASE64_PLAIN);
    buf_done(&dense);
    return is_good;
}

static enum dkim_key_status bad(struct bytes *reason, struct bytes text)
{
    *reason = text;
    return DKIM_KEY_BAD;
}

/* RFC 6376, 3.6.1: v= may be missing, but where it is, it is the first. */
static bool is_our_version(const struct tag_list *record)
{
    struct bytes version;
    if (!tag_list_find(record, "v", &version))
        return true;
    return bytes_equal(record->tags[0].name, BYTES("v")) && bytes_equal(version, BYTES("DKIM1"));
}

static bool algorithm_of(const struct tag_list *record, enum key_algorithm *out)
{
    struct bytes name;
    *out = KEY_RSA;
    if (!tag_list_find(record, "k", &name) || bytes_equal(name, BYTES("rsa")))
        return true;
    *out = KEY_ED25519;
    return bytes_equal(name, BYTES("ed25519"));
}

enum dkim_key_status dkim_key_parse(struct bytes record, struct dkim_key *out, struct bytes *reason)
{
    struct dkim_key key = {.allows_sha256 = true};
    struct tag_list list;
    struct bytes value;
    tag_list_read(&list, record);
    if (record.len > KEY_DATA_LIMIT || !list.is_valid)
        return bad(reason, BYTES("the key record is no list of tags"));
    if (!is_our_version(&list))
        return bad(reason, BYTES("the key record's v= is not DKIM1"));
    if (!tag_list_find(&list, "p", &key.data))
        return bad(reason, BYTES("the key record has no p="));
    if (!algorithm_of(&list, &key.algorithm))
        return bad(reason, BYTES("the key record's k= is unknown"));
    if (tag_list_find(&list, "s", &value) && !dkim_list_has(value, "*") &&
        !dkim_list_has(value, "email"))
        return bad(reason, BYTES("the key record's s= is not for mail"));
    if (key.data.len == 0) {
        *reason = BYTES("the key is revoked");
        return DKIM_KEY_REVOKED;
    }
    if (tag_list_find(&list, "h", &value))
        key.allows_sha256 = dkim_list_has(value, "sha256");
    if (tag_list_find(&list, "t", &value)) {
        key.is_testing = dkim_list_has(value, "y");
        key.is_strict = dkim_list_has(value, "s");
    }
    *out = key;
    return DKIM_KEY_GOOD;
}

struct public_key *dkim_key_open(const struct dkim_key *key)
{
    struct public_key *opened = NULL;
    struct buf data;
    buf_init(&data, KEY_DATA_LIMIT);
    if (dkim_base64_scan(&data, key->data))
        opened = public_key_new(key->algorithm, buf_view(&data));
    buf_done(&data);
    return opened;
}
