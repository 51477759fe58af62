#include "mail/xtext.h"

static bool is_xchar(uint8_t byte)
{
    return byte >= '!' && byte <= '~' && byte != '+' && byte != '=';
}

/* The value of a hexadecimal digit; 16 for other bytes. */
static unsigned hex_value(uint8_t byte)
{
    if (ascii_is_digit(byte))
        return (unsigned)(byte - '0');
    uint8_t lower = ascii_lower(byte);
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a' + 10) : 16;
}

void xtext_print(struct buf *out, struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (is_xchar(value.at[i]))
            buf_add_byte(out, value.at[i]);
        else
            buf_addf(out, "+%02X", value.at[i]);
    }
}

/* Takes one byte's worth from the front. Hexadecimal digits are upper case (RFC 3461, 4). */
static bool xtext_take(struct bytes *rest, uint8_t *out)
{
    if (is_xchar(rest->at[0])) {
        *out = rest->at[0];
        *rest = bytes_from(*rest, 1);
        return true;
    }
    if (rest->len < 3 || rest->at[0] != '+')
        return false;
    unsigned high = hex_value(rest->at[1]), low = hex_value(rest->at[2]);
    if (high > 15 || low > 15 || rest->at[1] > 'F' || rest->at[2] > 'F')
        return false;
    *out = (uint8_t)(high << 4 | low);
    *rest = bytes_from(*rest, 3);
    return true;
}

bool xtext_is_valid(struct bytes xtext)
{
    uint8_t byte;
    while (xtext.len)
        if (!xtext_take(&xtext, &byte))
            return false;
    return true;
}

bool xtext_scan(struct buf *out, struct bytes xtext)
{
    uint8_t byte;
    if (!xtext_is_valid(xtext))
        return false;
    while (xtext.len && xtext_take(&xtext, &byte))
        buf_add_byte(out, byte);
    return true;
}

/* Does the xtext stand for printable ASCII and blanks only? */
static bool xtext_is_printable(struct bytes xtext)
{
    uint8_t byte;
    while (xtext.len)
        if (!xtext_take(&xtext, &byte) || byte < ' ' || byte > '~')
            return false;
    return true;
}

bool envid_is_valid(struct bytes envid)
{
    return envid.len > 0 && envid.len <= ENVID_LIMIT && xtext_is_printable(envid);
}

static bool is_utf8_type(struct bytes type)
{
    return bytes_equal_nocase(type, BYTES("utf-8"));
}

/* Takes \x{HEXPOINT} from the front (RFC 6533, 3): a character outside ASCII, or one of those
 * that may not stand in a parameter. */
static bool hexpoint_take(struct bytes *rest, uint32_t *out)
{
    struct bytes digits, tail;
    if (!bytes_starts(*rest, BYTES("\\x{")) ||
        !bytes_cut(bytes_from(*rest, 3), '}', &digits, &tail) || digits.len < 2 || digits.len > 6)
        return false;
    uint32_t point = 0;
    for (size_t i = 0; i < digits.len; i++) {
        unsigned value = hex_value(digits.at[i]);
        if (value > 15)
            return false;
        point = point << 4 | value;
    }
    bool is_special =
        point <= ' ' || point == '+' || point == '=' || point == '\\' || point == 0x7F;
    if ((point < 0x80 && !is_special) || (point >= 0xD800 && point <= 0xDFFF) || point > 0x10FFFF)
        return false;
    *out = point;
    *rest = tail;
    return true;
}

static bool unitext_is_valid(struct bytes text, enum address_charset charset)
{
    if (charset == ADDRESS_ASCII ? !bytes_is_ascii(text) : !bytes_is_utf8(text))
        return false;
    uint32_t point;
    while (text.len) {
        if (text.at[0] >= 0x80 || (is_xchar(text.at[0]) && text.at[0] != '\\'))
            text = bytes_from(text, 1);
        else if (!hexpoint_take(&text, &point))
            return false;
    }
    return true;
}

static bool is_type(struct bytes type)
{
    for (size_t i = 0; i < type.len; i++) {
        uint8_t byte = type.at[i];
        if (!ascii_is_alpha(byte) && !ascii_is_digit(byte) &&
            bytes_find(BYTES("!#$%&'*+-/=?^_`{|}~"), byte) == sizeof "!#$%&'*+-/=?^_`{|}~" - 1)
            return false;
    }
    return type.len > 0;
}

bool orcpt_is_valid(struct bytes orcpt, enum address_charset charset)
{
    struct bytes type, address;
    if (orcpt.len > ORCPT_LIMIT || !bytes_cut(orcpt, ';', &type, &address) || !is_type(type) ||
        address.len == 0)
        return false;
    return is_utf8_type(type) ? unitext_is_valid(address, charset) : xtext_is_valid(address);
}

static void add_utf8(struct buf *out, uint32_t point)
{
    if (point < 0x80) {
        buf_add_byte(out, (uint8_t)point);
        return;
    }
    unsigned more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t marks[] = {0, 0xC0, 0xE0, 0xF0};
    buf_add_byte(out, (uint8_t)(marks[more] | point >> 6 * more));
    while (more-- > 0)
        buf_add_byte(out, (uint8_t)(0x80 | (point >> 6 * more & 0x3F)));
}

/* The character that well-formed UTF-8 begins with; *rest moves behind it. */
static uint32_t utf8_take(struct bytes *rest)
{
    uint8_t first = rest->at[0];
    size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    uint32_t point = more ? first & (0x3Fu >> more) : first;
    for (size_t i = 1; i <= more; i++)
        point = point << 6 | (rest->at[i] & 0x3F);
    *rest = bytes_from(*rest, more + 1);
    return point;
}

/* The 7-bit form of UTF-8 (utf-8-addr-xtext). What is escaped already stays as it is. */
static void add_escaped(struct buf *out, struct bytes text)
{
    while (text.len) {
        if (text.at[0] < 0x80) {
            buf_add_byte(out, text.at[0]);
            text = bytes_from(text, 1);
        } else {
            buf_addf(out, "\\x{%02X}", utf8_take(&text));
        }
    }
}

/* UTF-8 in place of \x{…}, but for control characters. */
static void add_unescaped(struct buf *out, struct bytes text)
{
    while (text.len) {
        struct bytes before = text;
        uint32_t point;
        if (!hexpoint_take(&text, &point)) {
            buf_add_byte(out, text.at[0]);
            text = bytes_from(text, 1);
        } else if (point < ' ' || (point >= 0x7F && point < 0xA0)) {
            buf_add(out, bytes_sub(before, 0, before.len - text.len));
        } else {
            add_utf8(out, point);
        }
    }
}

void orcpt_print_field(struct buf *out, struct bytes orcpt, enum address_charset charset)
{
    struct bytes type, address;
    bytes_cut(orcpt, ';', &type, &address);
    buf_add(out, type);
    buf_add(out, BYTES("; "));
    if (!is_utf8_type(type)) {
        if (!xtext_is_printable(address) || !xtext_scan(out, address))
            buf_add(out, address);
    } else if (charset == ADDRESS_UTF8) {
        add_unescaped(out, address);
    } else {
        add_escaped(out, address);
    }
}

void unitext_print(struct buf *out, struct bytes address, enum address_charset charset)
{
    if (charset == ADDRESS_UTF8 || bytes_is_ascii(address) || !bytes_is_utf8(address)) {
        buf_add(out, address);
        return;
    }
    while (address.len) {
        uint32_t point = utf8_take(&address);
        if (point < 0x80 && is_xchar((uint8_t)point) && point != '\\')
            buf_add_byte(out, (uint8_t)point);
        else
            buf_addf(out, "\\x{%02X}", point);
    }
}
