/* Journals and their indexes. The input is an index of which bytes are damaged, or a journal: an
 * index of any bytes is read within its bounds, and one that was made of a journal never leaves out
 * a block that has the word. */
#include <stdlib.h>
#include <string.h>

#include "daemon/journal_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLAGS = (JOURNAL_BLOCK_MOST + 7) / 8 };

static void read_any(struct bytes text, uint64_t journal_bytes, uint8_t *flags)
{
    struct journal_index index;
    if (!journal_index_scan(text, journal_bytes, &index))
        return;
    ASSERT(index.block_count <= JOURNAL_BLOCK_MOST && index.row_bytes <= FLAGS);
    for (size_t i = 0; i < index.block_count; i++)
        ASSERT(journal_index_block(&index, i).offset < journal_bytes);
    memset(flags, 0xFF, FLAGS);
    (void)!journal_index_narrow(&index, BYTES("ann@example.org"), flags);
}

/* Every word of the journal is found in its own block. */
static void check_words(struct bytes journal, const struct journal_index *index, uint8_t *flags)
{
    struct bytes rest = journal, line, word, name;
    for (size_t place; rest.len;) {
        bytes_cut(rest, '\n', &line, &rest);
        struct bytes words = journal_line_words(line);
        while (journal_word_next(&words, &word))
            for (place = 0; journal_word_name(word, &place, &name);) {
                ASSERT(name.at >= journal.at && name.at + name.len <= journal.at + journal.len);
                if (!journal_name_is_indexed(name))
                    continue;
                memset(flags, 0xFF, FLAGS);
                bool is_whole = journal_index_narrow(index, name, flags);
                ASSERT(is_whole && index->block_count == 1 && flags[0] & 1);
            }
    }
}

static void make_and_read(struct bytes journal, uint8_t *flags)
{
    struct buf text;
    struct journal_index index;
    struct journal_needle needle;
    buf_init(&text, JOURNAL_INDEX_LIMIT);
    bool is_made = journal_index_print(&text, journal);
    ASSERT(is_made && journal_index_scan(buf_view(&text), journal.len, &index));
    if (journal.len && journal.len <= JOURNAL_BLOCK_BYTES)
        check_words(journal, &index, flags);
    if (journal_needle_init(&needle, bytes_sub(journal, 0, 64)))
        (void)journal_needle_matches(&needle, journal);
    /* One damaged bit. */
    if (journal.len) {
        size_t at = journal.at[0] * (text.len / 256);
        text.at[at] ^= 4;
        read_any(buf_view(&text), journal.len, flags);
    }
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *flags = malloc(FLAGS);
    ASSERT(flags);
    read_any((struct bytes){data, size}, size, flags);
    if (size < 1 << 16)
        make_and_read((struct bytes){data, size}, flags);
    free(flags);
    return 0;
}
