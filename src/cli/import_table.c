#include "cli/import_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* The end of a key: of one in quotes behind them. */
static size_t key_len(struct bytes line, enum import_form form)
{
    bool is_quoted = false;
    for (size_t i = 0; i < line.len; i++) {
        uint8_t byte = line.at[i];
        is_quoted ^= byte == '"';
        if (byte == '\\')
            i++;
        else if (!is_quoted && (form == IMPORT_ALIASES ? byte == ':' : byte == ' ' || byte == '\t'))
            return i;
    }
    return line.len;
}

static struct bytes unquote(struct bytes text)
{
    bool is_quoted = text.len > 1 && text.at[0] == '"' && text.at[text.len - 1] == '"';
    return is_quoted ? bytes_sub(text, 1, text.len - 2) : text;
}

static bool read_row(struct import_table *table, struct bytes line, unsigned number,
                     enum import_form form, struct error *err)
{
    struct bytes content = bytes_trim(line);
    size_t len = key_len(content, form);
    if (form == IMPORT_ALIASES && len == content.len)
        return error_set(err, 0, "line %u is no alias, which would be: name: target", number);
    if (table->count == IMPORT_ROW_LIMIT)
        return error_set(err, 0, "it has more than %d rows", IMPORT_ROW_LIMIT);
    if (table->count % 64 == 0)
        table->rows = memory_resize(table->rows, table->count + 64, sizeof *table->rows);
    table->rows[table->count++] = (struct import_row){
        .key = unquote(bytes_trim(bytes_sub(content, 0, len))),
        .value = bytes_trim(bytes_from(content, len + (form == IMPORT_ALIASES))),
        .line = number,
    };
    return true;
}

bool import_table_read(struct import_table *out, struct bytes text, enum import_form form,
                       struct error *err)
{
    struct buf line;
    unsigned at = 0, number = 0;
    bool is_read = true;
    *out = (struct import_table){.count = 0};
    /* Lines that were joined are shorter than they were: one copy holds all of them. */
    out->text_owned = memory_new(text.len + 1, 1);
    size_t used = 0, room = text.len;
    buf_init(&line, IMPORT_TEXT_LIMIT);
    while (is_read && import_line(&text, &at, &line, &number)) {
        struct bytes content = bytes_trim(buf_view(&line));
        if (line.overflowed || content.len > room - used) {
            is_read = error_set(err, 0, "line %u is too long", number);
            break;
        }
        uint8_t *copy = out->text_owned + used;
        if (content.len)
            memcpy(copy, content.at, content.len);
        used += content.len;
        is_read = read_row(out, (struct bytes){copy, content.len}, number, form, err);
    }
    buf_done(&line);
    return is_read;
}

void import_table_done(struct import_table *table)
{
    free(table->rows);
    free(table->text_owned);
    *table = (struct import_table){.count = 0};
}

/* --- Lists ------------------------------------------------------------------------------------ */

static bool is_separator(uint8_t byte)
{
    return byte == ',' || byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct bytes import_item(struct bytes *list)
{
    size_t level = 0, len = 0;
    bool is_quoted = false;
    while (list->len && is_separator(list->at[0]))
        *list = bytes_from(*list, 1);
    for (; len < list->len; len++) {
        uint8_t byte = list->at[len];
        if (level == 0 && !is_quoted && is_separator(byte))
            break;
        is_quoted ^= byte == '"';
        level += byte == '{';
        level -= level > 0 && byte == '}';
    }
    struct bytes item = bytes_sub(*list, 0, len);
    *list = bytes_from(*list, len);
    return item;
}

static const struct {
    const char *type;
    bool is_text;
} types[] = {
    {"hash", true},       {"btree", true},     {"lmdb", true},     {"cdb", true},
    {"dbm", true},        {"sdbm", true},      {"texthash", true}, {"cidr", false},
    {"environ", false},   {"fail", false},     {"inline", false},  {"internal", false},
    {"ldap", false},      {"memcache", false}, {"mongodb", false}, {"mysql", false},
    {"nis", false},       {"netinfo", false},  {"nisplus", false}, {"pcre", false},
    {"pgsql", false},     {"pipemap", false},  {"randmap", false}, {"regexp", false},
    {"socketmap", false}, {"sqlite", false},   {"static", false},  {"tcp", false},
    {"unionmap", false},  {"unix", false},
};

static size_t find_type(struct bytes type)
{
    size_t i = 0;
    while (i < COUNT(types) && !bytes_equal(type, bytes_of(types[i].type)))
        i++;
    return i;
}

bool import_item_table(struct bytes item, struct bytes *type, struct bytes *name)
{
    while (bytes_starts(item, BYTES("proxy:")) || bytes_starts(item, BYTES("maybe:")))
        item = bytes_from(item, strlen("proxy:"));
    return bytes_cut(item, ':', type, name) && find_type(*type) < COUNT(types);
}

bool import_type_is_text(struct bytes type)
{
    size_t i = find_type(type);
    return i < COUNT(types) && types[i].is_text;
}
