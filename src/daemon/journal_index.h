/* The index of a closed journal: which of its blocks may have a word. It lets a search leave out
 * most of a month of logs, and is never trusted for more than that: what is damaged or missing is
 * made anew from the journal, or done without.
 *
 * The journal is cut into blocks of about 64 KiB at the ends of lines. Each block has a Bloom
 * filter of its words' names; the filters are kept turned by a quarter, a row for each bit with one
 * bit for each block, so that a search reads eight short rows a journal. A table has each block's
 * place and time. Header, table and each row carry a checksum. It takes about a thirtieth of the
 * journal. */
#pragma once

#include "base/buf.h"
#include "daemon/journal_words.h"

enum {
    JOURNAL_BLOCK_BYTES = 64 << 10,
    JOURNAL_BLOCK_MOST = 1 << 16, /* blocks of a journal */
    JOURNAL_INDEX_LIMIT = 64 << 20
};

struct journal_block {
    uint64_t offset;
    int64_t first_ms, last_ms; /* the earliest and the latest of its lines */
};

/* Cuts the journal into blocks; the array is the caller's to free. */
struct journal_block *journal_blocks_new(struct bytes journal, size_t *count);
/* Prints the index of a journal. False: it has too many blocks. */
MUST_CHECK bool journal_index_print(struct buf *out, struct bytes journal);

/* Views into the index. */
struct journal_index {
    struct bytes table, rows;
    size_t block_count, row_count, row_bytes; /* row_bytes without the checksum */
};
/* Reads an index that was made of a journal of that size; false: it is none, or damaged. Any bytes
 * are safe. */
MUST_CHECK bool journal_index_scan(struct bytes text, uint64_t journal_bytes,
                                   struct journal_index *out);
struct journal_block journal_index_block(const struct journal_index *index, size_t number);
/* Clears the bits of blocks (block_count of them, eight a byte, the lowest first) that have no such
 * name. False: the index is damaged. */
MUST_CHECK bool journal_index_narrow(const struct journal_index *index, struct bytes name,
                                     uint8_t *blocks);
