#include "mail/shown_address.h"

enum { WORD_LIMIT = 512 }; /* bytes of an encoded word; RFC 2047, 2 allows 75 */

/* Characters in UTF-8 that stand for another one to the eye, or for nothing. */
static const struct {
    struct bytes from;
    char to; /* 0: nothing */
} signs[] = {
    {BYTES_INIT("\xEF\xBC\xA0"), '@'}, /* U+FF20, fullwidth */
    {BYTES_INIT("\xEF\xB9\xAB"), '@'}, /* U+FE6B, small */
    {BYTES_INIT("\xEF\xBC\x8E"), '.'}, /* U+FF0E, fullwidth */
    {BYTES_INIT("\xE3\x80\x82"), '.'}, /* U+3002, ideographic full stop */
    {BYTES_INIT("\xEF\xBD\xA1"), '.'}, /* U+FF61, the same, halfwidth */
    {BYTES_INIT("\xE2\x80\xA4"), '.'}, /* U+2024, one dot leader */
    {BYTES_INIT("\xC2\xAD"), 0},       /* U+00AD, soft hyphen */
    {BYTES_INIT("\xE2\x80\x8B"), 0},   /* U+200B to U+200F: zero width, and directions */
    {BYTES_INIT("\xE2\x80\x8C"), 0},   {BYTES_INIT("\xE2\x80\x8D"), 0},
    {BYTES_INIT("\xE2\x80\x8E"), 0},   {BYTES_INIT("\xE2\x80\x8F"), 0},
    {BYTES_INIT("\xE2\x80\xAA"), 0}, /* U+202A to U+202E: directions */
    {BYTES_INIT("\xE2\x80\xAB"), 0},   {BYTES_INIT("\xE2\x80\xAC"), 0},
    {BYTES_INIT("\xE2\x80\xAD"), 0},   {BYTES_INIT("\xE2\x80\xAE"), 0},
    {BYTES_INIT("\xE2\x81\xA0"), 0}, /* U+2060 to U+2064: joiners */
    {BYTES_INIT("\xE2\x81\xA1"), 0},   {BYTES_INIT("\xE2\x81\xA2"), 0},
    {BYTES_INIT("\xE2\x81\xA3"), 0},   {BYTES_INIT("\xE2\x81\xA4"), 0},
    {BYTES_INIT("\xE2\x81\xA6"), 0}, /* U+2066 to U+2069: isolates */
    {BYTES_INIT("\xE2\x81\xA7"), 0},   {BYTES_INIT("\xE2\x81\xA8"), 0},
    {BYTES_INIT("\xE2\x81\xA9"), 0},   {BYTES_INIT("\xEF\xBB\xBF"), 0}, /* U+FEFF */
};

/* --- Encoded words ---------------------------------------------------------------------------- */

static int hex_value(uint8_t byte)
{
    if (ascii_is_digit(byte))
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static void add_quoted(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_coded = text.at[i] == '=' && i + 2 < text.len;
        int high = is_coded ? hex_value(text.at[i + 1]) : -1;
        int low = is_coded ? hex_value(text.at[i + 2]) : -1;
        if (high >= 0 && low >= 0) {
            buf_add_byte(out, (uint8_t)(high << 4 | low));
            i += 2;
        } else {
            buf_add_byte(out, text.at[i] == '_' ? ' ' : text.at[i]);
        }
    }
}

static int base64_value(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (ascii_is_digit(byte))
        return byte - '0' + 52;
    return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

/* As loose as readers are: what is not of the alphabet is passed over. */
static void add_base64(struct buf *out, struct bytes text)
{
    unsigned held = 0, bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.at[i]);
        if (value < 0)
            continue;
        held = (held << 6 | (unsigned)value) & 0xFFFF;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        buf_add_byte(out, (uint8_t)(held >> bits));
    }
}

/* Takes the encoded word at the front, and appends what it stands for. */
static bool take_word(struct bytes *rest, struct buf *out)
{
    struct bytes charset, encoding, word = bytes_sub(*rest, 0, WORD_LIMIT);
    if (!bytes_starts(word, BYTES("=?")) || !bytes_cut(bytes_from(word, 2), '?', &charset, &word) ||
        !bytes_cut(word, '?', &encoding, &word) || encoding.len != 1)
        return false;
    size_t len = bytes_search(word, BYTES("?="));
    if (len == word.len)
        return false;
    struct bytes text = bytes_sub(word, 0, len);
    switch (encoding.at[0] | 0x20) {
    case 'q': add_quoted(out, text); break;
    case 'b': add_base64(out, text); break;
    default: return false;
    }
    *rest = bytes_from(*rest, (size_t)(word.at - rest->at) + len + 2);
    return true;
}

static struct bytes skip_blanks(struct bytes text)
{
    size_t len = 0;
    while (len < text.len && (text.at[len] == ' ' || text.at[len] == '\t' || text.at[len] == '\r' ||
                              text.at[len] == '\n'))
        len++;
    return bytes_from(text, len);
}

/* Encoded words as what they stand for, with nothing between two of them (RFC 2047, 6.2); quoted
 * pairs as their second half. */
static void unfold(struct bytes value, struct buf *out)
{
    while (value.len) {
        if (take_word(&value, out)) {
            struct bytes next = skip_blanks(value);
            while (take_word(&next, out)) {
                value = next;
                next = skip_blanks(next);
            }
            continue;
        }
        if (value.at[0] == '\\' && value.len > 1)
            value = bytes_from(value, 1);
        buf_add_byte(out, value.at[0]);
        value = bytes_from(value, 1);
    }
}

void shown_address_decode(struct bytes value, struct buf *out)
{
    struct buf plain;
    buf_init(&plain, value.len);
    unfold(value, &plain);
    for (struct bytes rest = buf_view(&plain); rest.len;) {
        size_t i = rest.at[0] < 0x80 ? COUNT(signs) : 0;
        while (i < COUNT(signs) && !bytes_starts(rest, signs[i].from))
            i++;
        if (i < COUNT(signs)) {
            if (signs[i].to)
                buf_add_byte(out, (uint8_t)signs[i].to);
            rest = bytes_from(rest, signs[i].from.len);
            continue;
        }
        /* NULs are half of UTF-16's ASCII. */
        if (rest.at[0] >= ' ' && rest.at[0] != 0x7F)
            buf_add_byte(out, rest.at[0]);
        else if (rest.at[0] == '\t')
            buf_add_byte(out, ' ');
        rest = bytes_from(rest, 1);
    }
    buf_done(&plain);
}

/* --- Addresses -------------------------------------------------------------------------------- */

static bool is_of_domain(uint8_t byte)
{
    return ascii_is_alpha(byte) || ascii_is_digit(byte) || byte == '-' || byte == '_' ||
           byte == '.' || byte >= 0x80;
}

static bool is_of_local(uint8_t byte)
{
    static const struct bytes others = BYTES_INIT("!#$%&'*+/=?^`{|}~");
    return is_of_domain(byte) || bytes_find(others, byte) < others.len;
}

static struct bytes domain_at(struct bytes text)
{
    size_t len = 0;
    while (len < text.len && is_of_domain(text.at[len]))
        len++;
    while (len && (text.at[len - 1] == '.' || text.at[len - 1] == '-'))
        len--;
    return bytes_sub(text, 0, len);
}

static bool is_domain(struct bytes domain)
{
    size_t dot = bytes_find_last(domain, '.');
    return dot > 0 && dot + 1 < domain.len && domain.at[0] != '.' &&
           !ascii_is_digit(domain.at[dot + 1]);
}

bool shown_address_next(struct bytes *text, struct shown_address *out)
{
    for (;;) {
        size_t at = bytes_find(*text, '@'), local = at;
        if (at == text->len)
            return false;
        while (local && is_of_local(text->at[local - 1]))
            local--;
        struct bytes domain = domain_at(bytes_from(*text, at + 1));
        *out = (struct shown_address){bytes_sub(*text, local, at - local + 1 + domain.len), domain};
        *text = bytes_from(*text, at + 1);
        if (local < at && is_domain(domain))
            return true;
    }
}
