#include "auth/spf_macro.h"

enum {
    VALUE_LIMIT = 1024, /* of what one letter stands for; nothing valid is as long */
    PART_LIMIT = VALUE_LIMIT + 1,
};

/* A piece of a text: literal bytes, or a macro. */
struct token {
    struct bytes literal; /* what it stands for, unless there is a letter */
    bool is_macro;        /* one of %%, %_, %- counts as well */
    uint8_t letter;       /* in lower case; 0: none */
    bool is_escaped;      /* the letter was a capital */
    bool is_split, is_reversed;
    bool is_zero; /* the number of parts is given, and 0 */
    size_t parts; /* how many from the right; 0: all */
    struct bytes delimiters;
};

static bool has_byte(struct bytes set, uint8_t byte)
{
    return bytes_find(set, byte) < set.len;
}

/* --- Syntax ------------------------------------------------------------------------------------
 */

/* The number of parts; any number beyond what a value can have is as good as that. */
static void take_parts(struct bytes *rest, struct token *out)
{
    bool has_digits = false;
    while (rest->len && ascii_is_digit(rest->at[0])) {
        has_digits = true;
        out->parts = out->parts * 10 + (size_t)(rest->at[0] - '0');
        if (out->parts > PART_LIMIT)
            out->parts = PART_LIMIT;
        *rest = bytes_from(*rest, 1);
    }
    out->is_split |= has_digits;
    out->is_zero = has_digits && out->parts == 0;
}

/* Behind "%{". */
static bool take_letter(struct bytes *rest, struct token *out)
{
    if (rest->len == 0 || !has_byte(BYTES("slodipvhcrt"), ascii_lower(rest->at[0])))
        return false;
    out->letter = ascii_lower(rest->at[0]);
    out->is_escaped = rest->at[0] != out->letter;
    *rest = bytes_from(*rest, 1);
    take_parts(rest, out);
    if (rest->len && ascii_lower(rest->at[0]) == 'r') {
        out->is_split = out->is_reversed = true;
        *rest = bytes_from(*rest, 1);
    }
    size_t count = 0;
    while (count < rest->len && has_byte(BYTES(".-+,/_="), rest->at[count]))
        count++;
    out->is_split |= count > 0;
    out->delimiters = count ? bytes_sub(*rest, 0, count) : BYTES(".");
    if (count == rest->len || rest->at[count] != '}')
        return false;
    *rest = bytes_from(*rest, count + 1);
    return true;
}

/* Takes the next token of a text that is not at its end; false: a syntax error. */
static bool token_next(struct bytes *rest, struct token *out)
{
    *out = (struct token){.parts = 0};
    if (rest->at[0] != '%') {
        size_t len = bytes_find(*rest, '%');
        out->literal = bytes_sub(*rest, 0, len);
        *rest = bytes_from(*rest, len);
        return true;
    }
    out->is_macro = true;
    uint8_t kind = rest->len > 1 ? rest->at[1] : 0;
    *rest = bytes_from(*rest, 2);
    switch (kind) {
    case '%': out->literal = BYTES("%"); return true;
    case '_': out->literal = BYTES(" "); return true;
    case '-': out->literal = BYTES("%20"); return true;
    case '{': return take_letter(rest, out);
    default: return false;
    }
}

static bool token_fits(const struct token *token, enum spf_place place)
{
    uint8_t lowest = place == SPF_IN_TEXT ? ' ' : '!';
    /* "The value MUST be nonzero" (RFC 7208, 7.3), though the grammar has it: of what is ignored
     * the grammar alone is looked at (6). */
    if (token->is_zero && place != SPF_IN_MODIFIER)
        return false;
    if (token->letter)
        return place != SPF_IN_TERM || !has_byte(BYTES("crt"), token->letter);
    for (size_t i = 0; i < token->literal.len && !token->is_macro; i++)
        if (token->literal.at[i] < lowest || token->literal.at[i] > '~')
            return false;
    return true;
}

bool spf_macro_is_valid(struct bytes text, enum spf_place place)
{
    struct token token;
    while (text.len)
        if (!token_next(&text, &token) || !token_fits(&token, place))
            return false;
    return true;
}

/* A top label by RFC 7208, 7.1: letters, digits and hyphens, not of digits alone. */
static bool is_top_label(struct bytes label)
{
    bool has_other = false;
    if (label.len == 0 || label.at[0] == '-' || label.at[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        bool is_alpha = ascii_is_alpha(label.at[i]), is_hyphen = label.at[i] == '-';
        if (!is_alpha && !is_hyphen && !ascii_is_digit(label.at[i]))
            return false;
        has_other |= is_alpha || is_hyphen;
    }
    return has_other;
}

bool spf_macro_is_domain(struct bytes text)
{
    struct token token = {.parts = 0};
    if (text.len == 0)
        return false;
    while (text.len)
        if (!token_next(&text, &token) || !token_fits(&token, SPF_IN_TERM))
            return false;
    if (token.is_macro)
        return true;
    struct bytes end = token.literal;
    if (end.at[end.len - 1] == '.')
        end.len--;
    size_t dot = bytes_find_last(end, '.');
    return dot < end.len && is_top_label(bytes_from(end, dot + 1));
}

bool spf_macro_has(struct bytes text, char letter)
{
    struct token token;
    while (text.len && token_next(&text, &token))
        if (token.letter == (uint8_t)letter)
            return true;
    return false;
}

/* --- Expansion ---------------------------------------------------------------------------------
 */

/* The nibbles of an address, with dots between them (RFC 7208, 7.3). */
static void add_nibbles(struct buf *out, const struct ip *ip)
{
    for (size_t i = 0; i < sizeof ip->at; i++)
        buf_addf(out, "%s%X.%X", i ? "." : "", ip->at[i] >> 4, ip->at[i] & 15);
}

static void add_value(struct buf *out, uint8_t letter, const struct spf_values *values)
{
    switch (letter) {
    case 's':
        buf_add(out, values->local);
        buf_add_byte(out, '@');
        buf_add(out, values->sender_domain);
        return;
    case 'l': buf_add(out, values->local); return;
    case 'o': buf_add(out, values->sender_domain); return;
    case 'd': buf_add(out, values->domain); return;
    case 'h': buf_add(out, values->helo); return;
    case 'p': buf_add(out, values->validated); return;
    case 'r': buf_add(out, values->receiver); return;
    case 't': buf_add_u64(out, values->now_ms > 0 ? (uint64_t)values->now_ms / 1000 : 0); return;
    case 'v': buf_add(out, ip_is_ipv4(&values->ip) ? BYTES("in-addr") : BYTES("ip6")); return;
    case 'i':
        if (!ip_is_ipv4(&values->ip)) {
            add_nibbles(out, &values->ip);
            return;
        }
        /* fallthrough */
    case 'c': ip_print(out, &values->ip); return;
    }
}

static void add_escaped(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (ascii_is_alpha(byte) || ascii_is_digit(byte) || has_byte(BYTES("-._~"), byte))
            buf_add_byte(out, byte);
        else
            buf_addf(out, "%%%02X", byte);
    }
}

static void add_part(struct buf *out, struct bytes part, bool is_escaped)
{
    if (is_escaped)
        add_escaped(out, part);
    else
        buf_add(out, part);
}

static size_t split(struct bytes value, struct bytes delimiters, struct bytes parts[PART_LIMIT])
{
    size_t count = 0, start = 0;
    for (size_t i = 0; i <= value.len; i++) {
        if (i < value.len && !has_byte(delimiters, value.at[i]))
            continue;
        parts[count++] = bytes_sub(value, start, i - start);
        start = i + 1;
    }
    return count;
}

static void expand_letter(struct buf *out, const struct token *token,
                          const struct spf_values *values)
{
    uint8_t room[VALUE_LIMIT];
    struct buf value = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct bytes parts[PART_LIMIT];
    add_value(&value, token->letter, values);
    if (!token->is_split) {
        add_part(out, buf_view(&value), token->is_escaped);
        return;
    }
    size_t count = split(buf_view(&value), token->delimiters, parts);
    size_t first = token->parts && token->parts < count ? count - token->parts : 0;
    for (size_t i = first; i < count; i++) {
        if (i > first)
            buf_add_byte(out, '.');
        add_part(out, parts[token->is_reversed ? count - 1 - i : i], token->is_escaped);
    }
}

void spf_macro_expand(struct buf *out, struct bytes text, const struct spf_values *values)
{
    struct token token;
    while (text.len && !out->overflowed && token_next(&text, &token)) {
        if (token.letter)
            expand_letter(out, &token, values);
        else
            buf_add(out, token.literal);
    }
}

bool spf_macro_expand_name(struct buf *out, struct bytes spec, const struct spf_values *values)
{
    struct buf whole;
    buf_init(&whole, SPF_EXPANSION_LIMIT);
    spf_macro_expand(&whole, spec, values);
    struct bytes name = buf_view(&whole);
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    while (name.len > SPF_NAME_LIMIT && bytes_find(name, '.') < name.len)
        name = bytes_from(name, bytes_find(name, '.') + 1);
    bool is_whole = !whole.overflowed;
    if (is_whole)
        buf_add(out, name);
    buf_done(&whole);
    return is_whole;
}
