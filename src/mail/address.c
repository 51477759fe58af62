#include "mail/address.h"

static bool is_atext(uint8_t byte)
{
    if (ascii_is_alpha(byte) || ascii_is_digit(byte) || byte >= 0x80)
        return true;
    return bytes_find(BYTES("!#$%&'*+-/=?^_`{|}~"), byte) < sizeof "!#$%&'*+-/=?^_`{|}~" - 1;
}

static bool is_hex(uint8_t byte)
{
    return ascii_is_digit(byte) || (ascii_lower(byte) >= 'a' && ascii_lower(byte) <= 'f');
}

static bool is_label_byte(uint8_t byte)
{
    return ascii_is_alpha(byte) || ascii_is_digit(byte) || byte == '-' || byte == '_' ||
           byte >= 0x80;
}

static bool is_domain_byte(uint8_t byte)
{
    return is_label_byte(byte) || byte == '.';
}

/* How many bytes at the front of the view are of this kind. */
static size_t span(struct bytes rest, bool (*is_in)(uint8_t byte))
{
    size_t len = 0;
    while (len < rest.len && is_in(rest.at[len]))
        len++;
    return len;
}

static bool front_is(struct bytes rest, uint8_t byte)
{
    return rest.len > 0 && rest.at[0] == byte;
}

/* The length of the dot-atom at the front; 0 where there is none. A dot that no atom follows is
 * not part of it, so that what comes next refuses the address. */
static size_t dot_atom_length(struct bytes rest)
{
    size_t len = span(rest, is_atext);
    while (len > 0 && len + 1 < rest.len && rest.at[len] == '.' && is_atext(rest.at[len + 1]))
        len += 1 + span(bytes_from(rest, len + 1), is_atext);
    return len;
}

/* The length of the Quoted-string at the front, quotes included; 0 where it is malformed
 * (RFC 5321, 4.1.2; RFC 6531, 3.3 adds UTF-8 to qtextSMTP but not to quoted-pairSMTP). */
static size_t quoted_string_length(struct bytes rest)
{
    for (size_t i = 1; i < rest.len; i++) {
        uint8_t byte = rest.at[i];
        if (byte == '"')
            return i + 1;
        if (byte < 0x20 || byte == 0x7F)
            return 0;
        if (byte != '\\')
            continue;
        i++;
        if (i >= rest.len || rest.at[i] < 0x20 || rest.at[i] > 0x7E)
            return 0;
    }
    return 0;
}

static bool labels_are_valid(struct bytes domain)
{
    struct bytes label = BYTES_NONE;
    bool has_more = true;
    while (has_more) {
        has_more = bytes_cut(domain, '.', &label, &domain);
        if (label.len == 0 || label.len > 63 || span(label, is_label_byte) != label.len)
            return false;
        if (label.at[0] == '-' || label.at[label.len - 1] == '-')
            return false;
    }
    return true;
}

bool domain_is_valid(struct bytes domain, enum address_charset charset)
{
    if (domain.len > DOMAIN_LIMIT || !labels_are_valid(domain))
        return false;
    return charset == ADDRESS_ASCII ? bytes_is_ascii(domain) : bytes_is_utf8(domain);
}

static bool ipv4_is_valid(struct bytes text)
{
    struct bytes number;
    uint64_t value;
    for (int i = 0; i < 4; i++) {
        bool has_more = bytes_cut(text, '.', &number, &text);
        if (has_more != (i < 3) || number.len > 3 || !scan_u64(number, 255, &value))
            return false;
    }
    return true;
}

/* All four forms of RFC 5321, 4.1.3. There "::" stands for at least two groups, so that at most
 * six may be written beside it; RFC 4291 would let it stand for one. */
static bool ipv6_is_valid(struct bytes text)
{
    size_t groups = 0;
    bool is_compressed = bytes_starts(text, BYTES("::"));
    if (is_compressed)
        text = bytes_from(text, 2);
    while (text.len || !is_compressed) {
        size_t hex = span(text, is_hex);
        if (hex < text.len && text.at[hex] == '.') {
            if (!ipv4_is_valid(text))
                return false;
            groups += 2;
            break;
        }
        if (hex == 0 || hex > 4)
            return false;
        groups++;
        text = bytes_from(text, hex);
        if (text.len == 0)
            break;
        bool is_double = bytes_starts(text, BYTES("::"));
        if (text.at[0] != ':' || (is_double && is_compressed))
            return false;
        is_compressed |= is_double;
        text = bytes_from(text, is_double ? 2 : 1);
        if (text.len == 0 && !is_double)
            return false;
    }
    return is_compressed ? groups <= 6 : groups == 8;
}

bool address_literal_is_valid(struct bytes literal)
{
    if (literal.len < 2 || literal.at[0] != '[' || literal.at[literal.len - 1] != ']')
        return false;
    struct bytes inner = bytes_sub(literal, 1, literal.len - 2);
    if (bytes_starts_nocase(inner, BYTES("IPv6:")))
        return ipv6_is_valid(bytes_from(inner, sizeof "IPv6:" - 1));
    /* No tag but IPv6 was ever registered for a General-address-literal. */
    return ipv4_is_valid(inner);
}

/* Takes local@domain from the front; the UTF-8 of it is not checked yet. */
static enum path_status mailbox_take(struct bytes *rest, struct address *out)
{
    struct bytes at = *rest;
    struct address found = {0};
    size_t local_len = front_is(at, '"') ? quoted_string_length(at) : dot_atom_length(at);
    found.local = bytes_sub(at, 0, local_len);
    at = bytes_from(at, local_len);
    if (local_len == 0 || !front_is(at, '@'))
        return PATH_BAD;
    at = bytes_from(at, 1);
    found.is_literal = front_is(at, '[');
    /* Without "]" the view is one byte short of the count, and ends in no bracket. */
    size_t domain_len = found.is_literal ? bytes_find(at, ']') + 1 : span(at, is_domain_byte);
    found.domain = bytes_sub(at, 0, domain_len);
    if (!(found.is_literal ? address_literal_is_valid(found.domain)
                           : labels_are_valid(found.domain)))
        return PATH_BAD;
    if (found.local.len > LOCAL_PART_LIMIT || found.domain.len > DOMAIN_LIMIT)
        return PATH_TOO_LONG;
    found.whole = bytes_sub(*rest, 0, local_len + 1 + found.domain.len);
    found.has_utf8 = !bytes_is_ascii(found.whole);
    *rest = bytes_from(*rest, found.whole.len);
    *out = found;
    return PATH_OK;
}

/* Takes a source route "@a,@b:" from the front; true as well when there is none. */
static bool route_skip(struct bytes *rest)
{
    struct bytes at = *rest;
    if (!front_is(at, '@'))
        return true;
    for (;;) {
        if (!front_is(at, '@'))
            return false;
        at = bytes_from(at, 1);
        size_t domain_len = span(at, is_domain_byte);
        struct bytes domain = bytes_sub(at, 0, domain_len);
        if (domain_len > DOMAIN_LIMIT || !labels_are_valid(domain))
            return false;
        at = bytes_from(at, domain_len);
        if (!front_is(at, ','))
            break;
        at = bytes_from(at, 1);
    }
    if (!front_is(at, ':'))
        return false;
    *rest = bytes_from(at, 1);
    return true;
}

static enum path_status check_charset(struct bytes text, enum address_charset charset)
{
    if (bytes_is_ascii(text))
        return PATH_OK;
    if (!bytes_is_utf8(text))
        return PATH_BAD;
    return charset == ADDRESS_UTF8 ? PATH_OK : PATH_NEEDS_UTF8;
}

enum path_status path_parse(struct bytes *rest, enum address_charset charset, struct address *out)
{
    static const struct bytes postmaster = BYTES_INIT("<postmaster>");
    if (bytes_starts(*rest, BYTES("<>"))) {
        *rest = bytes_from(*rest, 2);
        *out = (struct address){0};
        return PATH_NULL;
    }
    if (bytes_starts_nocase(*rest, postmaster)) {
        struct bytes name = bytes_sub(*rest, 1, postmaster.len - 2);
        *rest = bytes_from(*rest, postmaster.len);
        *out = (struct address){.local = name, .whole = name};
        return PATH_OK;
    }
    struct bytes at = *rest;
    struct address found;
    if (!front_is(at, '<'))
        return PATH_BAD;
    at = bytes_from(at, 1);
    if (!route_skip(&at))
        return PATH_BAD;
    enum path_status status = mailbox_take(&at, &found);
    if (status != PATH_OK)
        return status;
    if (!front_is(at, '>'))
        return PATH_BAD;
    at = bytes_from(at, 1);
    struct bytes path = bytes_sub(*rest, 0, rest->len - at.len);
    if (path.len > PATH_LIMIT)
        return PATH_TOO_LONG;
    status = check_charset(path, charset);
    if (status != PATH_OK)
        return status;
    *rest = at;
    *out = found;
    return PATH_OK;
}

enum path_status address_parse(struct bytes text, enum address_charset charset, struct address *out)
{
    struct bytes rest = text;
    struct address found;
    enum path_status status = mailbox_take(&rest, &found);
    if (status != PATH_OK)
        return status;
    if (rest.len)
        return PATH_BAD;
    status = check_charset(text, charset);
    if (status == PATH_OK)
        *out = found;
    return status;
}

void address_local_value(struct buf *out, struct bytes local)
{
    if (!front_is(local, '"')) {
        buf_add(out, local);
        return;
    }
    for (size_t i = 1; i + 1 < local.len; i++) {
        if (local.at[i] == '\\' && i + 2 < local.len)
            i++;
        buf_add_byte(out, local.at[i]);
    }
}

void address_print_local(struct buf *out, struct bytes value)
{
    if (value.len && dot_atom_length(value) == value.len) {
        buf_add(out, value);
        return;
    }
    buf_add_byte(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] == '"' || value.at[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, value.at[i]);
    }
    buf_add_byte(out, '"');
}
