#include "daemon/journal_words.h"

#include "base/hash.h"

enum {
    NAME_LEAST = 3,       /* a shorter one is in every block */
    HASHED_MOST = 256,    /* of a longer name the beginning will do */
    ESCAPE_LENGTH = 2,    /* \n */
    ESCAPE_HEX_LENGTH = 4 /* \xHH */
};

struct bytes journal_line_words(struct bytes line)
{
    return bytes_from(line, bytes_find(line, ' '));
}

/* Asked of every byte of a journal: a bit for each of the 128 of ASCII, the lowest first, set for
 * letters, digits, and . _ - + @ : */
static bool is_word_byte(uint8_t byte)
{
    static const uint64_t low = UINT64_C(0x07FF680000000000), high = UINT64_C(0x07FFFFFE87FFFFFF);
    return byte >= 0x80 || (byte < 64 ? low >> byte : high >> (byte - 64)) & 1;
}

static bool is_number(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_digit(name.at[i]) && name.at[i] != '.' && name.at[i] != ':')
            return false;
    return true;
}

/* Without the marks that end a sentence, and without a port: "mx.example:25" is two words,
 * "2001:db8::1" is one. */
static size_t word_length(struct bytes run)
{
    size_t colon = bytes_find(run, ':');
    if (colon < run.len && bytes_find_last(run, ':') == colon)
        return colon;
    return run.len;
}

bool journal_word_next(struct bytes *rest, struct bytes *word)
{
    while (rest->len) {
        size_t len = 0;
        while (len < rest->len && is_word_byte(rest->at[len]))
            len++;
        if (len == 0) {
            bool is_hex = rest->len > 1 && rest->at[0] == '\\' && rest->at[1] == 'x';
            size_t skip = rest->at[0] != '\\' ? 1 : is_hex ? ESCAPE_HEX_LENGTH : ESCAPE_LENGTH;
            *rest = bytes_from(*rest, skip);
            continue;
        }
        struct bytes run = bytes_sub(*rest, 0, len);
        size_t cut = word_length(run);
        *word = bytes_sub(run, 0, cut);
        *rest = bytes_from(*rest, cut < len ? cut + 1 : len);
        while (word->len && word->at[word->len - 1] == '.')
            word->len--;
        if (word->len)
            return true;
    }
    return false;
}

bool journal_word_name(struct bytes word, size_t *place, struct bytes *name)
{
    if (*place == 0) {
        *place = 1;
        *name = word;
        return true;
    }
    if (is_number(word))
        return false;
    for (size_t i = *place; i < word.len; i++) {
        uint8_t before = word.at[i - 1];
        if (before != '@' && before != '.')
            continue;
        struct bytes rest = bytes_from(word, i);
        if (before == '.' && bytes_find(rest, '.') == rest.len)
            continue;
        *place = i + 1;
        *name = rest;
        return true;
    }
    return false;
}

bool journal_name_is_indexed(struct bytes name)
{
    if (name.len < NAME_LEAST)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_digit(name.at[i]))
            return true;
    return false;
}

uint64_t journal_name_hash(struct bytes name)
{
    uint8_t lower[HASHED_MOST];
    size_t len = name.len < sizeof lower ? name.len : sizeof lower;
    for (size_t i = 0; i < len; i++)
        lower[i] = name.at[i] >= 'A' && name.at[i] <= 'Z' ? name.at[i] | 0x20 : name.at[i];
    return hash_bytes((struct bytes){lower, len}, 0);
}

/* --- Searching -------------------------------------------------------------------------------- */

bool journal_needle_init(struct journal_needle *needle, struct bytes text)
{
    needle->count = 0;
    while (needle->count < JOURNAL_NEEDLE_WORDS &&
           journal_word_next(&text, &needle->words[needle->count]))
        needle->count++;
    return needle->count > 0;
}

/* Compared with each name only where the end fits, which it seldom does. */
static bool is_name_of(struct bytes wanted, struct bytes word)
{
    struct bytes name;
    if (!bytes_ends_nocase(word, wanted))
        return false;
    for (size_t place = 0; journal_word_name(word, &place, &name);)
        if (bytes_equal_nocase(name, wanted))
            return true;
    return false;
}

static bool rest_follows(const struct journal_needle *needle, struct bytes rest)
{
    struct bytes word;
    for (size_t i = 1; i < needle->count; i++)
        if (!journal_word_next(&rest, &word) || !bytes_equal_nocase(word, needle->words[i]))
            return false;
    return true;
}

bool journal_needle_matches(const struct journal_needle *needle, struct bytes line)
{
    struct bytes rest = journal_line_words(line), word;
    while (journal_word_next(&rest, &word))
        if (is_name_of(needle->words[0], word) && rest_follows(needle, rest))
            return true;
    return false;
}
