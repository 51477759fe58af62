#include "auth/authres.h"

#include "mail/address.h"
#include "mail/fold.h"
#include "mail/header.h"
#include "mail/idna.h"

static const struct bytes field_name = BYTES_INIT("Authentication-Results");

/* --- Writing ---------------------------------------------------------------------------------- */

/* RFC 2045, 5.1: a token. */
static bool is_token_byte(uint8_t byte)
{
    switch (byte) {
    case '(':
    case ')':
    case '<':
    case '>':
    case '@':
    case ',':
    case ';':
    case ':':
    case '\\':
    case '"':
    case '/':
    case '[':
    case ']':
    case '?':
    case '=': return false;
    default: return byte > ' ' && byte < 0x7F;
    }
}

static bool is_token(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_byte(text.at[i]))
            return false;
    return text.len > 0;
}

/* "user@domain" or "@domain", which need no quotes (RFC 8601, 2.2: pvalue). */
static bool is_address(struct bytes text)
{
    struct address address;
    if (text.len && text.at[0] == '@')
        return domain_is_valid(bytes_from(text, 1), ADDRESS_ASCII);
    return address_parse(text, ADDRESS_ASCII, &address) == PATH_OK && address.local.at[0] != '"' &&
           !address.is_literal;
}

static void add_escaped(struct buf *out, struct bytes text, struct bytes specials)
{
    text = bytes_sub(text, 0, AUTHRES_VALUE_LIMIT);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (bytes_find(specials, byte) < specials.len)
            buf_add_byte(out, '\\');
        buf_add_byte(out, byte >= ' ' && byte < 0x7F ? byte : '?');
    }
}

static void add_value(struct buf *out, struct bytes value)
{
    if (value.len <= AUTHRES_VALUE_LIMIT && (is_token(value) || is_address(value))) {
        buf_add(out, value);
        return;
    }
    buf_add_byte(out, '"');
    add_escaped(out, value, BYTES("\"\\"));
    buf_add_byte(out, '"');
}

static void fold_result(struct fold *fold, struct buf *word, const struct authres_result *result)
{
    buf_clear(word);
    buf_add(word, bytes_of(result->method));
    buf_add_byte(word, '=');
    buf_add(word, bytes_of(result->result));
    fold_line(fold, buf_view(word));
    if (result->comment.len) {
        buf_clear(word);
        buf_add_byte(word, '(');
        add_escaped(word, result->comment, BYTES("()\\"));
        buf_add_byte(word, ')');
        fold_words(fold, buf_view(word));
    }
    for (size_t i = 0; i < AUTHRES_PROPERTY_LIMIT && result->properties[i].name; i++) {
        if (result->properties[i].value.len == 0)
            continue;
        buf_clear(word);
        buf_add(word, bytes_of(result->properties[i].name));
        buf_add_byte(word, '=');
        add_value(word, result->properties[i].value);
        fold_word(fold, buf_view(word));
    }
}

void authres_print(struct buf *out, struct bytes authserv_id, const struct authres_result *results,
                   size_t count)
{
    struct buf word;
    buf_init(&word, AUTHRES_RESULT_BYTES);
    struct fold fold = fold_field(out, BYTES("Authentication-Results:"));
    add_value(&word, authserv_id);
    buf_add_byte(&word, ';');
    fold_word(&fold, buf_view(&word));
    if (count == 0)
        fold_word(&fold, BYTES("none"));
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_byte(out, ';');
        fold_result(&fold, &word, &results[i]);
    }
    buf_add(out, BYTES("\r\n"));
    buf_done(&word);
}

/* --- Cutting out ------------------------------------------------------------------------------ */

/* What stands in front of the results: the authserv-id and the version, as a reader may see them.
 * Not every reader knows comments and quotes, so that each word in them counts. */
struct claim {
    size_t words;
    bool is_ours;
    bool is_odd; /* bytes that no reader can be trusted with */
};

static bool is_separator(uint8_t byte)
{
    static const struct bytes separators = BYTES_INIT(" \t\r\n()\"<>,/=");
    return bytes_find(separators, byte) < separators.len;
}

/* Is the word our id, as it stands, without the backslashes of quoted pairs, in either script? */
static bool is_id(struct bytes word, struct bytes authserv_id)
{
    uint8_t rooms[3][HOST_NAME_LIMIT + 1];
    struct buf plain = {.at = rooms[0], .cap = sizeof *rooms, .limit = sizeof *rooms};
    struct buf its = {.at = rooms[1], .cap = sizeof *rooms, .limit = sizeof *rooms};
    struct buf ours = {.at = rooms[2], .cap = sizeof *rooms, .limit = sizeof *rooms};
    for (size_t i = 0; i < word.len; i++)
        if (word.at[i] != '\\')
            buf_add_byte(&plain, word.at[i]);
    while (plain.len && plain.at[plain.len - 1] == '.')
        plain.len--;
    if (plain.overflowed)
        return false;
    return bytes_equal_nocase(buf_view(&plain), authserv_id) ||
           (idna_to_ascii(buf_view(&plain), &its) && idna_to_ascii(authserv_id, &ours) &&
            bytes_equal(buf_view(&its), buf_view(&ours)));
}

static struct claim read_words(struct bytes text, struct bytes authserv_id)
{
    struct claim claim = {.is_odd = bytes_search(text, BYTES("=?")) < text.len};
    while (text.len) {
        size_t len = 0;
        while (len < text.len && !is_separator(text.at[len]))
            len++;
        struct bytes word = bytes_sub(text, 0, len);
        claim.words += len > 0;
        claim.is_ours |= len > 0 && is_id(word, authserv_id);
        for (size_t i = 0; i < len; i++)
            claim.is_odd |= word.at[i] < ' ' || word.at[i] == 0x7F;
        text = bytes_from(text, len + 1);
    }
    return claim;
}

/* Skips blanks and comments; false: a comment does not end. */
static bool skip_cfws(struct bytes *rest)
{
    size_t depth = 0;
    for (; rest->len; *rest = bytes_from(*rest, 1)) {
        uint8_t byte = rest->at[0];
        bool is_blank = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
        if (byte == '\\' && depth)
            *rest = bytes_from(*rest, 1);
        else if (byte == '(')
            depth++;
        else if (byte == ')' && depth)
            depth--;
        else if (!is_blank && !depth)
            return true;
    }
    return depth == 0;
}

/* Takes the authserv-id from the front: a quoted string or a run of anything up to what ends it.
 * False: there is none that can be read. */
static bool skip_id(struct bytes *rest)
{
    size_t len = 0;
    if (rest->len == 0)
        return false;
    if (rest->at[0] != '"') {
        while (len < rest->len && bytes_find(BYTES(" \t\r\n();\""), rest->at[len]) == 8)
            len++;
        *rest = bytes_from(*rest, len);
        return len > 0;
    }
    for (len = 1; len < rest->len && rest->at[len] != '"'; len++)
        len += rest->at[len] == '\\';
    *rest = bytes_from(*rest, len + 1);
    return len > 1;
}

/* Is it well formed, and of our version: "id", then ";" or the end, with "1" between or not? */
static bool is_version_1(struct bytes value)
{
    if (!skip_cfws(&value) || !skip_id(&value) || !skip_cfws(&value))
        return false;
    if (value.len && value.at[0] == '1') {
        value = bytes_from(value, 1);
        if (!skip_cfws(&value))
            return false;
    }
    return value.len == 0 || value.at[0] == ';';
}

static bool is_forged(struct bytes value, struct bytes authserv_id)
{
    /* A ";" within a comment or a quoted string ends the id for some readers. */
    struct bytes head = value, rest = value;
    if (skip_cfws(&rest) && skip_id(&rest) && skip_cfws(&rest))
        head.len = value.len - rest.len + bytes_find(rest, ';');
    struct claim claim = read_words(head, authserv_id);
    return claim.is_ours || claim.is_odd || claim.words == 0 || !is_version_1(value);
}

/* Does the name stand behind one of these bytes? */
static bool is_behind(struct bytes whole, uint8_t end)
{
    for (size_t at = bytes_find(whole, end); at < whole.len; at = bytes_find(whole, end)) {
        whole = bytes_from(whole, at + 1);
        if (bytes_starts_nocase(whole, field_name))
            return true;
    }
    return false;
}

/* A CR or LF that ends no line is the end of one to some readers, and what follows it a field. */
static bool hides_field(struct bytes whole)
{
    return is_behind(whole, '\n') || is_behind(whole, '\r');
}

static bool is_cut(const struct header_field *field, struct bytes authserv_id)
{
    if (bytes_equal_nocase(field->name, field_name))
        return is_forged(field->value, authserv_id);
    return hides_field(field->whole);
}

size_t authres_cut(struct buf *out, struct bytes section, struct bytes authserv_id)
{
    struct header_field field;
    struct bytes rest = section;
    size_t count = 0;
    while (header_next(&rest, &field))
        count += is_cut(&field, authserv_id);
    rest = section;
    while (count && header_next(&rest, &field))
        if (!is_cut(&field, authserv_id))
            buf_add(out, field.whole);
    return count;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Takes what is up to the next ";" that is in no comment and no quoted string. */
static struct bytes take_item(struct bytes *rest)
{
    size_t depth = 0, at = 0;
    bool is_quoted = false;
    for (; at < rest->len; at++) {
        uint8_t byte = rest->at[at];
        if (byte == '\\' && (is_quoted || depth))
            at++;
        else if (byte == '"' && !depth)
            is_quoted = !is_quoted;
        else if (byte == '(' && !is_quoted)
            depth++;
        else if (byte == ')' && depth)
            depth--;
        else if (byte == ';' && !is_quoted && !depth)
            break;
    }
    struct bytes item = bytes_sub(*rest, 0, at);
    *rest = bytes_from(*rest, at + 1);
    return item;
}

static struct bytes take_word(struct bytes *rest)
{
    size_t len = 0;
    if (!skip_cfws(rest))
        return BYTES_NONE;
    while (len < rest->len && is_token_byte(rest->at[len]))
        len++;
    struct bytes word = bytes_sub(*rest, 0, len);
    *rest = bytes_from(*rest, len);
    return skip_cfws(rest) ? word : BYTES_NONE;
}

/* "method = result", with a version behind the method or not. */
static bool item_says(struct bytes item, struct bytes method, struct bytes result)
{
    if (!bytes_equal_nocase(take_word(&item), method))
        return false;
    if (item.len && item.at[0] == '/') {
        item = bytes_from(item, 1);
        if (!bytes_equal(take_word(&item), BYTES("1")))
            return false;
    }
    if (item.len == 0 || item.at[0] != '=')
        return false;
    item = bytes_from(item, 1);
    return bytes_equal_nocase(take_word(&item), result);
}

bool authres_says(struct bytes value, const char *method, const char *result)
{
    /* The first is the authserv-id. */
    (void)take_item(&value);
    while (value.len)
        if (item_says(take_item(&value), bytes_of(method), bytes_of(result)))
            return true;
    return false;
}
