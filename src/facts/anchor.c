#include "facts/anchor.h"

enum {
    FIELD_LIMIT = 64, /* of a record: a key may be written in many pieces */
    NAME_LIMIT = 254, /* with its final dot */
    LABEL_LIMIT = 63,
    FLAG_ZONE_KEY = 0x0100,
    KEY_CHARS_LEAST = 8, /* no key is so short */
};

struct reader {
    struct bytes rest;
    size_t line;
    struct bytes owner; /* of the record before */
    struct anchor_fault *fault;
};

/* One record's fields; without any, the lines were empty. */
struct record {
    struct bytes fields[FIELD_LIMIT];
    size_t count, next;
    size_t line; /* it begins in */
    bool has_owner;
};

static bool bad(struct reader *reader, size_t line, const char *what)
{
    *reader->fault = (struct anchor_fault){line, what};
    return false;
}

/* --- Lines to fields ----------------------------------------------------------------------------
 */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static bool ends_field(uint8_t byte)
{
    return is_blank(byte) || byte == '\n' || byte == ';' || byte == '(' || byte == ')';
}

static bool take_field(struct reader *reader, struct record *record)
{
    size_t len = 0;
    while (len < reader->rest.len && !ends_field(reader->rest.at[len]))
        len++;
    if (record->count == FIELD_LIMIT)
        return bad(reader, reader->line, "too many words for a record");
    record->fields[record->count++] = bytes_sub(reader->rest, 0, len);
    reader->rest = bytes_from(reader->rest, len);
    return true;
}

/* The next record, over several lines within parentheses. */
static bool read_record(struct reader *reader, struct record *record)
{
    bool is_grouped = false;
    *record = (struct record){.line = reader->line};
    record->has_owner = reader->rest.len && !is_blank(reader->rest.at[0]);
    while (reader->rest.len) {
        uint8_t byte = reader->rest.at[0];
        if (byte == ';') {
            reader->rest = bytes_from(reader->rest, bytes_find(reader->rest, '\n'));
            continue;
        }
        if (!ends_field(byte)) {
            if (!take_field(reader, record))
                return false;
            continue;
        }
        if (byte == '(' || byte == ')') {
            if (is_grouped == (byte == '('))
                return bad(reader, reader->line, "parentheses that do not match");
            is_grouped = !is_grouped;
        }
        reader->rest = bytes_from(reader->rest, 1);
        reader->line += byte == '\n';
        if (byte == '\n' && !is_grouped)
            return true;
    }
    return !is_grouped || bad(reader, record->line, "parentheses that are not closed");
}

/* --- Fields to a record -------------------------------------------------------------------------
 */

/* Letters, digits, hyphens and underscores in labels; "." is the root. */
static bool is_name(struct bytes name)
{
    size_t label = 0;
    if (bytes_equal(name, BYTES(".")))
        return true;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.at[i];
        bool is_dot = byte == '.';
        if (is_dot ? label == 0
                   : !ascii_is_alpha(byte) && !ascii_is_digit(byte) && byte != '-' && byte != '_')
            return false;
        label = is_dot ? 0 : label + 1;
        if (label > LABEL_LIMIT)
            return false;
    }
    return name.len > 0 && name.len < NAME_LIMIT;
}

static struct bytes next_field(struct record *record)
{
    return record->next < record->count ? record->fields[record->next++] : BYTES_NONE;
}

static bool next_number(struct record *record, uint64_t most, uint64_t *out)
{
    return scan_u64(next_field(record), most, out);
}

static bool is_hex(uint8_t byte)
{
    uint8_t lower = ascii_lower(byte);
    return ascii_is_digit(byte) || (lower >= 'a' && lower <= 'f');
}

static bool is_base64(uint8_t byte)
{
    return ascii_is_alpha(byte) || ascii_is_digit(byte) || byte == '+' || byte == '/';
}

/* Appends the rest of the fields as one word; how many bytes it has, 0: one is not of the
 * alphabet. Padding counts, and ends it. */
static size_t add_word(struct record *record, bool is_alphabet(uint8_t byte), bool may_be_padded,
                       struct buf *out)
{
    size_t len = 0, padding = 0;
    while (record->next < record->count) {
        struct bytes field = next_field(record);
        for (size_t i = 0; i < field.len; i++) {
            bool is_padding = may_be_padded && field.at[i] == '=';
            if (is_padding ? ++padding > 2 : padding > 0 || !is_alphabet(field.at[i]))
                return 0;
        }
        buf_add(out, field);
        len += field.len;
    }
    return len;
}

/* Hex digits of a digest (RFC 4034, 5.1.3; 4509, 2.1; 6605, 2); 0: any. */
static size_t digest_chars(uint64_t type)
{
    return type == 1 ? 40 : type == 2 ? 64 : type == 4 ? 96 : 0;
}

static bool print_ds(struct reader *reader, struct record *record, struct buf *out)
{
    uint64_t tag, algorithm, type;
    if (!next_number(record, UINT16_MAX, &tag) || !next_number(record, UINT8_MAX, &algorithm) ||
        !next_number(record, UINT8_MAX, &type))
        return bad(reader, record->line,
                   "a DS record has a key tag, an algorithm and a digest type, as numbers");
    buf_addf(out, "DS %u %u %u ", (unsigned)tag, (unsigned)algorithm, (unsigned)type);
    size_t len = add_word(record, is_hex, false, out), want = digest_chars(type);
    return (len > 0 && len % 2 == 0 && (want == 0 || len == want)) ||
           bad(reader, record->line, "the digest is not the hexadecimal one of its type");
}

static bool print_dnskey(struct reader *reader, struct record *record, struct buf *out)
{
    uint64_t flags, protocol, algorithm;
    if (!next_number(record, UINT16_MAX, &flags) || !next_number(record, UINT8_MAX, &protocol) ||
        !next_number(record, UINT8_MAX, &algorithm))
        return bad(reader, record->line,
                   "a DNSKEY record has flags, a protocol and an algorithm, as numbers");
    /* RFC 4034, 2.1.1 and 2.1.2: nothing else signs zones. */
    if (!(flags & FLAG_ZONE_KEY) || protocol != 3)
        return bad(reader, record->line,
                   "the DNSKEY is no zone's key: its flags are 256 or 257, its protocol is 3");
    buf_addf(out, "DNSKEY %u 3 %u ", (unsigned)flags, (unsigned)algorithm);
    size_t len = add_word(record, is_base64, true, out);
    return (len >= KEY_CHARS_LEAST && len % 4 == 0) ||
           bad(reader, record->line, "the key is no base64");
}

static bool take_owner(struct reader *reader, struct record *record)
{
    if (record->has_owner)
        reader->owner = next_field(record);
    if (reader->owner.len && reader->owner.at[0] == '$')
        return bad(reader, record->line, "no $ lines here: write each name whole");
    return is_name(reader->owner) || bad(reader, record->line, "it begins with no domain name");
}

static bool print_record(struct reader *reader, struct record *record, struct buf *out)
{
    uint64_t ttl;
    if (!take_owner(reader, record))
        return false;
    struct bytes owner = reader->owner, word = next_field(record);
    bool is_whole = bytes_ends_nocase(owner, BYTES("."));
    while (scan_u64(word, UINT32_MAX, &ttl) || bytes_equal_nocase(word, BYTES("IN")))
        word = next_field(record);
    buf_add(out, owner);
    buf_add(out, is_whole ? BYTES(" IN ") : BYTES(". IN "));
    bool is_good = bytes_equal_nocase(word, BYTES("DS")) ? print_ds(reader, record, out)
                   : bytes_equal_nocase(word, BYTES("DNSKEY"))
                       ? print_dnskey(reader, record, out)
                       : bad(reader, record->line, "no DS or DNSKEY record");
    buf_add(out, BYTES("\n"));
    return is_good;
}

bool anchor_scan(struct bytes text, struct buf *out, struct anchor_fault *fault)
{
    struct reader reader = {.rest = text, .line = 1, .fault = fault};
    struct record record;
    size_t before = out->len;
    if (text.len > ANCHOR_TEXT_LIMIT)
        return bad(&reader, 0, "too long for a list of DS or DNSKEY records");
    while (reader.rest.len) {
        if (!read_record(&reader, &record))
            return false;
        if (record.count > 0 && !print_record(&reader, &record, out))
            return false;
    }
    return out->len > before || bad(&reader, 0, "no DS or DNSKEY record in it");
}
