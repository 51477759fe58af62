#include "daemon/journal_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"
#include "base/table.h"

/* "PRJINDX1", the journal's size, how many blocks, how many rows, a checksum of all that with the
 * table; all numbers little-endian. */
enum {
    MAGIC_BYTES = 8,
    CHECKED_BYTES = MAGIC_BYTES + 8 + 4 + 4,
    HEADER_BYTES = CHECKED_BYTES + 8,
    BLOCK_BYTES = 24,
    CHECK_BYTES = 4,
    /* Eight rows a name, sixteen bits a name: one block in two thousand is read in vain. */
    ROWS_A_NAME = 8,
    BITS_A_NAME = 16,
    ROWS_LEAST = 1 << 10,
    ROWS_MOST = 1 << 20
};

static const uint8_t magic[MAGIC_BYTES] = "PRJINDX1";

/* --- Numbers ---------------------------------------------------------------------------------- */

static void put_number(uint8_t *at, uint64_t number, size_t count)
{
    for (size_t i = 0; i < count; i++, number >>= 8)
        at[i] = (uint8_t)number;
}

static uint64_t get_number(const uint8_t *at, size_t count)
{
    uint64_t number = 0;
    for (size_t i = count; i-- > 0;)
        number = number << 8 | at[i];
    return number;
}

/* The rows of a name begin at the one half of its hash, and go on in steps of the other. */
static size_t row_of(uint64_t hash, size_t turn, size_t row_count)
{
    return (size_t)(((hash & UINT32_MAX) + turn * ((hash >> 32) | 1)) % row_count);
}

/* --- Blocks ----------------------------------------------------------------------------------- */

static bool line_instant(struct bytes line, int64_t *out_ms)
{
    struct bytes time;
    if (!bytes_starts(line, BYTES("time=")))
        return false;
    bytes_cut(bytes_from(line, 5), ' ', &time, &(struct bytes){NULL, 0});
    return instant_scan(time, out_ms);
}

/* Where the block at this offset ends: behind the line that fills it. */
static size_t block_end(struct bytes journal, size_t offset)
{
    if (journal.len - offset <= JOURNAL_BLOCK_BYTES)
        return journal.len;
    size_t full = offset + JOURNAL_BLOCK_BYTES;
    size_t end = full + bytes_find(bytes_from(journal, full), '\n') + 1;
    return end < journal.len ? end : journal.len;
}

/* The clock may have been set back in between, so each line is looked at. */
static void find_times(struct bytes text, struct journal_block *block)
{
    struct bytes line;
    int64_t instant_ms;
    block->first_ms = INT64_MAX;
    block->last_ms = INT64_MIN;
    while (text.len) {
        bytes_cut(text, '\n', &line, &text);
        if (!line_instant(line, &instant_ms))
            continue;
        if (instant_ms < block->first_ms)
            block->first_ms = instant_ms;
        if (instant_ms > block->last_ms)
            block->last_ms = instant_ms;
    }
}

struct journal_block *journal_blocks_new(struct bytes journal, size_t *count)
{
    size_t room = journal.len / JOURNAL_BLOCK_BYTES + 1;
    struct journal_block *blocks = memory_new(room, sizeof *blocks);
    *count = 0;
    for (size_t offset = 0; offset < journal.len;) {
        size_t end = block_end(journal, offset);
        struct journal_block *block = &blocks[(*count)++];
        block->offset = offset;
        find_times(bytes_sub(journal, offset, end - offset), block);
        offset = end;
    }
    return blocks;
}

/* --- Making ----------------------------------------------------------------------------------- */

/* The names of all blocks, each once a block: hashes in one row. */
struct names {
    uint64_t *hashes;
    size_t count, room;
};

static void add_name(struct names *names, uint64_t hash)
{
    if (names->count == names->room) {
        names->room = names->room ? names->room * 2 : 4096;
        names->hashes = memory_resize(names->hashes, names->room, sizeof *names->hashes);
    }
    names->hashes[names->count++] = hash;
}

static void add_names(struct names *names, struct bytes block)
{
    static const char seen = 0;
    struct table *known = table_new(0);
    struct bytes line, word, name;
    while (block.len) {
        bytes_cut(block, '\n', &line, &block);
        line = journal_line_words(line);
        while (journal_word_next(&line, &word))
            for (size_t place = 0; journal_word_name(word, &place, &name);) {
                if (!journal_name_is_indexed(name))
                    continue;
                uint64_t hash = journal_name_hash(name);
                if (!table_add(known, hash, (void *)(uintptr_t)&seen))
                    add_name(names, hash);
            }
    }
    table_free(known);
}

static void print_rows(uint8_t *rows, const struct names *names, const size_t *ends,
                       const struct journal_index *shape)
{
    size_t stride = shape->row_bytes + CHECK_BYTES, next = 0;
    for (size_t block = 0; block < shape->block_count; block++)
        for (; next < ends[block]; next++)
            for (size_t turn = 0; turn < ROWS_A_NAME; turn++) {
                uint8_t *row = rows + row_of(names->hashes[next], turn, shape->row_count) * stride;
                row[block / 8] |= (uint8_t)(1 << block % 8);
            }
    for (size_t i = 0; i < shape->row_count; i++) {
        uint8_t *row = rows + i * stride;
        uint64_t check = hash_bytes((struct bytes){row, shape->row_bytes}, i);
        put_number(row + shape->row_bytes, check, CHECK_BYTES);
    }
}

static void print_head(uint8_t *at, uint64_t journal_bytes, const struct journal_block *blocks,
                       const struct journal_index *shape)
{
    uint8_t *table = at + HEADER_BYTES;
    memcpy(at, magic, MAGIC_BYTES);
    put_number(at + MAGIC_BYTES, journal_bytes, 8);
    put_number(at + MAGIC_BYTES + 8, shape->block_count, 4);
    put_number(at + MAGIC_BYTES + 12, shape->row_count, 4);
    for (size_t i = 0; i < shape->block_count; i++) {
        put_number(table + i * BLOCK_BYTES, blocks[i].offset, 8);
        put_number(table + i * BLOCK_BYTES + 8, (uint64_t)blocks[i].first_ms, 8);
        put_number(table + i * BLOCK_BYTES + 16, (uint64_t)blocks[i].last_ms, 8);
    }
    uint64_t check = hash_bytes((struct bytes){at, CHECKED_BYTES}, 0);
    check = hash_bytes((struct bytes){table, shape->block_count * BLOCK_BYTES}, check);
    put_number(at + CHECKED_BYTES, check, 8);
}

static struct journal_index choose_shape(size_t block_count, size_t name_count)
{
    size_t rows = block_count ? name_count / block_count * BITS_A_NAME : 0;
    rows = rows < ROWS_LEAST ? ROWS_LEAST : rows > ROWS_MOST ? ROWS_MOST : rows;
    return (struct journal_index){
        .block_count = block_count, .row_count = rows, .row_bytes = (block_count + 7) / 8};
}

bool journal_index_print(struct buf *out, struct bytes journal)
{
    size_t count;
    struct names names = {.hashes = NULL};
    struct journal_block *blocks = journal_blocks_new(journal, &count);
    size_t *ends = memory_new(count + 1, sizeof *ends);
    for (size_t i = 0; i < count; i++) {
        uint64_t end = i + 1 < count ? blocks[i + 1].offset : journal.len;
        add_names(&names, bytes_sub(journal, blocks[i].offset, end - blocks[i].offset));
        ends[i] = names.count;
    }
    struct journal_index shape = choose_shape(count, names.count);
    size_t head = HEADER_BYTES + count * BLOCK_BYTES;
    size_t size = head + shape.row_count * (shape.row_bytes + CHECK_BYTES);
    uint8_t *at = count <= JOURNAL_BLOCK_MOST ? buf_reserve(out, size) : NULL;
    if (at) {
        memset(at, 0, size);
        print_head(at, journal.len, blocks, &shape);
        print_rows(at + head, &names, ends, &shape);
        buf_grow(out, size);
    }
    free(names.hashes);
    free(ends);
    free(blocks);
    return at != NULL;
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct journal_block journal_index_block(const struct journal_index *index, size_t number)
{
    const uint8_t *at = index->table.at + number * BLOCK_BYTES;
    return (struct journal_block){get_number(at, 8), (int64_t)get_number(at + 8, 8),
                                  (int64_t)get_number(at + 16, 8)};
}

/* Blocks lie in the journal, one behind the other. */
static bool blocks_are_in_order(const struct journal_index *index, uint64_t journal_bytes)
{
    uint64_t least = 0;
    for (size_t i = 0; i < index->block_count; i++) {
        uint64_t offset = journal_index_block(index, i).offset;
        if (offset < least || offset >= journal_bytes || (i == 0 && offset != 0))
            return false;
        least = offset + 1;
    }
    return index->block_count > 0 || journal_bytes == 0;
}

bool journal_index_scan(struct bytes text, uint64_t journal_bytes, struct journal_index *out)
{
    if (text.len < HEADER_BYTES || memcmp(text.at, magic, MAGIC_BYTES) != 0 ||
        get_number(text.at + MAGIC_BYTES, 8) != journal_bytes)
        return false;
    struct journal_index index = {.block_count = get_number(text.at + MAGIC_BYTES + 8, 4),
                                  .row_count = get_number(text.at + MAGIC_BYTES + 12, 4)};
    if (index.block_count > JOURNAL_BLOCK_MOST || index.row_count < ROWS_LEAST ||
        index.row_count > ROWS_MOST)
        return false;
    index.row_bytes = (index.block_count + 7) / 8;
    index.table = bytes_sub(text, HEADER_BYTES, index.block_count * BLOCK_BYTES);
    index.rows = bytes_from(text, HEADER_BYTES + index.block_count * BLOCK_BYTES);
    if (index.rows.len != index.row_count * (index.row_bytes + CHECK_BYTES))
        return false;
    uint64_t check = hash_bytes(bytes_sub(text, 0, CHECKED_BYTES), 0);
    if (get_number(text.at + CHECKED_BYTES, 8) != hash_bytes(index.table, check) ||
        !blocks_are_in_order(&index, journal_bytes))
        return false;
    *out = index;
    return true;
}

bool journal_index_narrow(const struct journal_index *index, struct bytes name, uint8_t *blocks)
{
    uint64_t hash = journal_name_hash(name);
    size_t stride = index->row_bytes + CHECK_BYTES;
    for (size_t turn = 0; turn < ROWS_A_NAME; turn++) {
        size_t number = row_of(hash, turn, index->row_count);
        struct bytes row = bytes_sub(index->rows, number * stride, index->row_bytes);
        uint32_t check = (uint32_t)hash_bytes(row, number);
        if (get_number(row.at + row.len, CHECK_BYTES) != check)
            return false;
        for (size_t i = 0; i < row.len; i++)
            blocks[i] &= row.at[i];
    }
    return true;
}
