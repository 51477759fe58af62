#include "auth/dmarc_record.h"

/* A tag as it was found. What is there twice is an error like any other: nobody knows which was
 * meant (RFC 6376, 3.2). */
struct value {
    struct bytes text;
    unsigned times;
};

enum { TAG_P, TAG_SP, TAG_NP, TAG_PSD, TAG_T, TAG_ADKIM, TAG_ASPF, TAG_FO, TAG_RUA, TAG_RUF, TAGS };
static const struct bytes tag_names[TAGS] = {
    BYTES_INIT("p"),     BYTES_INIT("sp"),   BYTES_INIT("np"), BYTES_INIT("psd"), BYTES_INIT("t"),
    BYTES_INIT("adkim"), BYTES_INIT("aspf"), BYTES_INIT("fo"), BYTES_INIT("rua"), BYTES_INIT("ruf"),
};

static const char *const policy_names[] = {"none", "quarantine", "reject"};

const char *dmarc_policy_name(enum dmarc_policy policy)
{
    return policy_names[policy];
}

static void find_tags(struct bytes list, struct value values[TAGS])
{
    while (list.len) {
        struct bytes item, name, value;
        bytes_cut(list, ';', &item, &list);
        if (!bytes_cut(item, '=', &name, &value))
            continue;
        for (size_t i = 0; i < TAGS; i++) {
            if (!bytes_equal_nocase(bytes_trim(name), tag_names[i]))
                continue;
            values[i].text = bytes_trim(value);
            values[i].times++;
        }
    }
}

/* The place of the tag's value among the words, which end with NULL; -1: it is absent, there more
 * than once, or none of them. */
static int find_word(const struct value *value, const char *const *words)
{
    for (int i = 0; value->times == 1 && words[i]; i++)
        if (bytes_equal_nocase(value->text, bytes_of(words[i])))
            return i;
    return -1;
}

/* An absent policy is the fallback; one that is none makes the record broken. */
static enum dmarc_policy read_policy(const struct value *value, enum dmarc_policy fallback,
                                     bool *is_there, bool *is_broken)
{
    static const char *const words[] = {"none", "quarantine", "reject", NULL};
    int word = find_word(value, words);
    *is_there = word >= 0;
    *is_broken |= value->times > 0 && word < 0;
    return word >= 0 ? (enum dmarc_policy)word : fallback;
}

static enum dmarc_psd read_psd(const struct value *value)
{
    static const char *const words[] = {"u", "y", "n", NULL};
    int word = find_word(value, words);
    return word >= 0 ? (enum dmarc_psd)word : DMARC_PSD_UNTOLD;
}

static bool has_word(const struct value *value, const char *word)
{
    return value->times == 1 && bytes_equal_nocase(value->text, bytes_of(word));
}

/* RFC 9989, 4.8: each at most once, 0 and 1 exclude each other; anything else is the default. */
static unsigned read_reports(const struct value *value)
{
    static const struct bytes letters = BYTES_INIT("01ds");
    struct bytes list = value->text, word;
    unsigned reports = 0;
    bool has_more = value->times == 1;
    while (has_more) {
        has_more = bytes_cut(list, ':', &word, &list);
        word = bytes_trim(word);
        size_t at = word.len == 1 ? bytes_find(letters, ascii_lower(word.at[0])) : letters.len;
        if (at == letters.len || reports & 1u << at)
            return DMARC_REPORT_ALL;
        reports |= 1u << at;
    }
    bool has_both = (reports & DMARC_REPORT_ALL) && (reports & DMARC_REPORT_ANY);
    return reports && !has_both ? reports : DMARC_REPORT_ALL;
}

/* Letters of a URI (RFC 3986, 2), but for "," and "!", which a record must encode. */
static bool is_uri_byte(uint8_t byte)
{
    static const struct bytes others = BYTES_INIT("-._~:/?#[]@$&'()*+;=%");
    return ascii_is_alpha(byte) || ascii_is_digit(byte) || bytes_find(others, byte) < others.len;
}

static bool uri_is_valid(struct bytes uri)
{
    struct bytes scheme, rest;
    if (!bytes_cut(uri, ':', &scheme, &rest) || scheme.len == 0 || rest.len == 0)
        return false;
    for (size_t i = 0; i < scheme.len; i++) {
        uint8_t byte = scheme.at[i];
        bool is_other = ascii_is_digit(byte) || byte == '+' || byte == '-' || byte == '.';
        if (!ascii_is_alpha(byte) && (i == 0 || !is_other))
            return false;
    }
    for (size_t i = 0; i < rest.len; i++)
        if (!is_uri_byte(rest.at[i]))
            return false;
    size_t at = bytes_find(rest, '@');
    return !bytes_equal_nocase(scheme, BYTES("mailto")) || (at > 0 && at + 1 < rest.len);
}

/* "!10m": read, and of no use since RFC 9989. */
static bool size_is_valid(struct bytes size)
{
    uint64_t number;
    if (size.len && bytes_find(BYTES("kmgt"), ascii_lower(size.at[size.len - 1])) < 4)
        size.len--;
    return scan_u64(size, UINT64_MAX, &number);
}

bool dmarc_uri_next(struct bytes *list, struct bytes *uri)
{
    while (list->len) {
        struct bytes item, size;
        bytes_cut(*list, ',', &item, list);
        bool has_size = bytes_cut(bytes_trim(item), '!', &item, &size);
        if (!uri_is_valid(item) || (has_size && !size_is_valid(size)))
            continue;
        *uri = item;
        return true;
    }
    return false;
}

static struct bytes uri_list(const struct value *value)
{
    struct bytes list = value->times == 1 ? value->text : BYTES_NONE, uri;
    struct bytes rest = list;
    return dmarc_uri_next(&rest, &uri) ? list : BYTES_NONE;
}

/* The tag list begins with "v=DMARC1" (RFC 9989, 4.7): *rest is what follows. */
static bool take_version(struct bytes text, struct bytes *rest)
{
    struct bytes item, name, value;
    bytes_cut(text, ';', &item, rest);
    return bytes_cut(item, '=', &name, &value) &&
           bytes_equal_nocase(bytes_trim(name), BYTES("v")) &&
           bytes_equal(bytes_trim(value), BYTES("DMARC1"));
}

bool dmarc_record_parse(struct bytes text, struct dmarc_record *out)
{
    struct value values[TAGS] = {0};
    struct bytes rest;
    if (!take_version(text, &rest))
        return false;
    find_tags(rest, values);
    struct dmarc_record record = {.text = text,
                                  .psd = read_psd(&values[TAG_PSD]),
                                  .is_test = has_word(&values[TAG_T], "y"),
                                  .is_strict_dkim = has_word(&values[TAG_ADKIM], "s"),
                                  .is_strict_spf = has_word(&values[TAG_ASPF], "s"),
                                  .reports = read_reports(&values[TAG_FO]),
                                  .rua = uri_list(&values[TAG_RUA]),
                                  .ruf = uri_list(&values[TAG_RUF])};
    bool is_broken = false, has_p;
    record.p = read_policy(&values[TAG_P], DMARC_POLICY_NONE, &has_p, &is_broken);
    record.sp = read_policy(&values[TAG_SP], record.p, &record.has_sp, &is_broken);
    record.np = read_policy(&values[TAG_NP], record.sp, &record.has_np, &is_broken);
    record.is_usable = !is_broken || record.rua.len > 0;
    if (is_broken)
        record.p = record.sp = record.np = DMARC_POLICY_NONE;
    *out = record;
    return true;
}
