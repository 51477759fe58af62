/* Journals: how lines are cut into words, which blocks an index leaves out, and what becomes of
 * files that are full, old or too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/instant.h"
#include "daemon/journal.h"
#include "daemon/journal_files.h"
#include "daemon/journal_index.h"

#define DAY_MS INT64_C(86400000)

/* --- Words ------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *text, *want; /* the words, each with its names, by spaces */
} word_rows[] = {
    {"an address, and its domains", "to=ann@mail.example.org",
     "to ann@mail.example.org=mail.example.org=example.org"},
    {"a host with its port", "lane=smtp://mx.example.org:25",
     "lane smtp mx.example.org=example.org 25"},
    {"a remote host", "host=mx.example.org[192.0.2.1]:25",
     "host mx.example.org=example.org 192.0.2.1 25"},
    {"IPv6", "client=2001:db8::1 listener=[::1]:25", "client 2001:db8::1 listener ::1 25"},
    {"the end of a sentence", "reply=\"550 no mx.example.org.\"",
     "reply 550 no mx.example.org=example.org"},
    {"escapes part words", "from=\"\\\"a b\\\"@example.org\" x=\"a\\nb\\xffc\"",
     "from a b @example.org=example.org x a b c"},
    {"an escape that is cut off", "x=\"\\x", "x"},
    {"nothing", "=\"\" ... :", ""},
};

static void lines_are_cut_into_words(void **state)
{
    for (size_t i = 0; i < COUNT(word_rows); i++) {
        size_t len = strlen(word_rows[i].text);
        uint8_t *exact = malloc(len);
        struct bytes rest = {exact, len}, word, name;
        struct buf got;
        assert_non_null(exact);
        memcpy(exact, word_rows[i].text, len);
        buf_init(&got, 4096);
        while (journal_word_next(&rest, &word)) {
            if (got.len)
                buf_add_byte(&got, ' ');
            for (size_t place = 0, first = 1; journal_word_name(word, &place, &name); first = 0) {
                if (!first)
                    buf_add_byte(&got, '=');
                buf_add(&got, name);
            }
        }
        if (!bytes_equal(buf_view(&got), bytes_of(word_rows[i].want)))
            fail_msg("%s: %.*s", word_rows[i].name, BYTES_ARGS(buf_view(&got)));
        buf_done(&got);
        free(exact);
    }
}

static const struct {
    const char *needle, *line;
    bool matches;
} needle_rows[] = {
    {"ann@example.org", "to=ANN@example.ORG", true},
    {"ann@example.org", "to=joann@example.org", false},
    {"ann@example.org", "to=ann@example.org.uk", false},
    {"example.org", "to=ann@example.org", true},
    {"example.org", "helo=mail.example.org", true},
    {"example.org", "helo=myexample.org", false},
    {"org", "helo=mail.example.org", false},
    {"192.0.2.1", "host=mx.example.org[192.0.2.1]:25", true},
    {"0.2.1", "host=mx.example.org[192.0.2.1]:25", false},
    {"192.0.2.1", "client=192.0.2.10", false},
    {"2001:db8::1", "client=2001:db8::1", true},
    {"2001:db8::1", "client=2001:db8::11", false},
    {"mx.example.org:25", "lane=smtp://mx.example.org:25", true},
    {"mx.example.org:25", "lane=smtp://mx.example.org:2525", false},
    {"user unknown", "reply=\"550 5.1.1 User unknown here\"", true},
    {"unknown user", "reply=\"550 5.1.1 User unknown here\"", false},
    {"2026-11-25T10:28:50.232Z", "to=a", false}, /* the time is no word */
};

static void needles_are_words(void **state)
{
    for (size_t i = 0; i < COUNT(needle_rows); i++) {
        char line[256];
        struct journal_needle needle;
        snprintf(line, sizeof line, "time=2026-11-25T10:28:50.232Z %s", needle_rows[i].line);
        assert_true(journal_needle_init(&needle, bytes_of(needle_rows[i].needle)));
        if (journal_needle_matches(&needle, bytes_of(line)) != needle_rows[i].matches)
            fail_msg("%s in %s", needle_rows[i].needle, needle_rows[i].line);
    }
    struct journal_needle needle;
    assert_false(journal_needle_init(&needle, BYTES("...")));
}

/* --- The index -------------------------------------------------------------------------------- */

enum { LINES = 20000 };

/* Line i is about message number i, user i and one of ten hosts. */
static void make_journal(struct buf *out)
{
    buf_init(out, 64 << 20);
    for (size_t i = 0; i < LINES; i++) {
        buf_add(out, BYTES("time="));
        instant_print(out, 1800000000000 + (int64_t)i * 1000);
        buf_addf(out,
                 " level=info process=w event=delivered id=0id%010zu to=User%zu@example.org "
                 "host=mx%zu.far.example[192.0.2.1]:25 reply=\"250 2.0.0 queued as %zuABCDEF\"\n",
                 i, i, i / (LINES / 10), i);
    }
}

/* The blocks that are left of all for a name. */
static size_t narrow(const struct journal_index *index, const char *name, uint8_t *blocks)
{
    size_t count = 0;
    memset(blocks, 0xFF, index->row_bytes);
    assert_true(journal_index_narrow(index, bytes_of(name), blocks));
    for (size_t i = 0; i < index->block_count; i++)
        count += blocks[i / 8] >> i % 8 & 1;
    return count;
}

static void an_index_leaves_out_what_has_no_such_word(void **state)
{
    struct buf journal, text;
    struct journal_index index;
    uint8_t blocks[1024];
    size_t read = 0;
    make_journal(&journal);
    buf_init(&text, JOURNAL_INDEX_LIMIT);
    assert_true(journal_index_print(&text, buf_view(&journal)));
    assert_true(text.len < journal.len / 16);
    assert_true(journal_index_scan(buf_view(&text), journal.len, &index));
    assert_true(index.block_count ==
                    (journal.len + JOURNAL_BLOCK_BYTES - 1) / JOURNAL_BLOCK_BYTES ||
                index.block_count == journal.len / JOURNAL_BLOCK_BYTES);
    for (size_t i = 0; i < LINES; i += 97) {
        char name[64];
        snprintf(name, sizeof name, "uSER%zu@example.org", i);
        size_t left = narrow(&index, name, blocks);
        read += left;
        /* Its own block is always among them. */
        size_t at = 0;
        struct bytes whole = buf_view(&journal);
        snprintf(name, sizeof name, "to=User%zu@", i);
        size_t offset = bytes_search(whole, bytes_of(name));
        while (at + 1 < index.block_count && journal_index_block(&index, at + 1).offset <= offset)
            at++;
        assert_true(blocks[at / 8] >> at % 8 & 1);
    }
    assert_true(read < LINES / 97 + 1 + 10);
    assert_int_equal(narrow(&index, "example.org", blocks), index.block_count);
    assert_true(narrow(&index, "mx3.far.example", blocks) <= index.block_count / 10 + 3);
    assert_true(narrow(&index, "nobody@example.net", blocks) <= 2);
    assert_int_equal(journal_index_block(&index, 0).first_ms, 1800000000000);
    assert_int_equal(journal_index_block(&index, index.block_count - 1).last_ms,
                     1800000000000 + (LINES - 1) * INT64_C(1000));
    buf_done(&text);
    buf_done(&journal);
}

/* A bit that is not as it was is noticed before blocks are left out by it. */
static void a_damaged_index_is_known(void **state)
{
    struct buf journal, text;
    struct journal_index index;
    uint8_t blocks[1024];
    make_journal(&journal);
    buf_init(&text, JOURNAL_INDEX_LIMIT);
    assert_true(journal_index_print(&text, buf_view(&journal)));
    assert_false(journal_index_scan(buf_view(&text), journal.len + 1, &index));
    assert_false(
        journal_index_scan(bytes_sub(buf_view(&text), 0, text.len - 1), journal.len, &index));
    for (size_t i = 0; i < 2000; i++) {
        text.at[i] ^= 1;
        assert_true(journal_index_scan(buf_view(&text), journal.len, &index) ==
                    (i >= 32 + index.block_count * 24));
        text.at[i] ^= 1;
        assert_true(journal_index_scan(buf_view(&text), journal.len, &index));
    }
    for (size_t i = 0; i < index.rows.len; i++)
        text.at[text.len - 1 - i] ^= 1;
    assert_true(journal_index_scan(buf_view(&text), journal.len, &index));
    assert_false(journal_index_narrow(&index, BYTES("user1@example.org"), blocks));
    buf_done(&text);
    buf_done(&journal);
}

static void an_empty_journal_has_an_index(void **state)
{
    struct buf text;
    struct journal_index index;
    uint8_t blocks[1] = {0xFF};
    buf_init(&text, JOURNAL_INDEX_LIMIT);
    assert_true(journal_index_print(&text, BYTES_NONE));
    assert_true(journal_index_scan(buf_view(&text), 0, &index));
    assert_int_equal(index.block_count, 0);
    assert_true(journal_index_narrow(&index, BYTES("abc"), blocks));
    buf_done(&text);
}

/* --- Files ------------------------------------------------------------------------------------ */

static const struct journal_settings settings = {.keep_ms = 30 * DAY_MS, .size_bytes = 1 << 30};

struct place {
    char folder[64], path[128];
};

static void place_init(struct place *place)
{
    snprintf(place->folder, sizeof place->folder, "/tmp/journal_test_XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/w.log", place->folder);
}

/* How many files there are, which all go. */
static size_t place_done(struct place *place)
{
    DIR *stream = opendir(place->folder);
    size_t count = 0;
    assert_non_null(stream);
    for (struct dirent *entry; (entry = readdir(stream));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", place->folder, entry->d_name);
        count += unlink(path) == 0;
    }
    closedir(stream);
    rmdir(place->folder);
    return count;
}

static size_t list(const struct place *place, struct journal_file **files)
{
    struct error err;
    size_t count;
    assert_true(journal_files_list(place->folder, files, &count, &err));
    return count;
}

static void add_lines(struct journal *journal, int64_t from_ms, int64_t step_ms, size_t count)
{
    char line[1000];
    memset(line, 'x', sizeof line);
    for (size_t i = 0; i < count; i++) {
        struct buf time = {
            .at = (uint8_t *)line + 5, .cap = sizeof line - 5, .limit = sizeof line - 5};
        memcpy(line, "time=", 5);
        instant_print(&time, from_ms + (int64_t)i * step_ms);
        line[5 + time.len] = ' ';
        journal_add(journal, from_ms + (int64_t)i * step_ms,
                    (struct bytes){(const uint8_t *)line, sizeof line});
        journal_flush(journal);
    }
}

static void lines_are_kept(void **state)
{
    struct place place;
    struct error err;
    char text[16] = "";
    place_init(&place);
    for (int i = 0; i < 2; i++) {
        struct journal *journal = journal_open(place.folder, "w", &settings, &err);
        assert_non_null(journal);
        journal_add(journal, 1, i ? BYTES("two") : BYTES("one"));
        journal_close(journal);
    }
    FILE *file = fopen(place.path, "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text, file), 8);
    fclose(file);
    assert_string_equal(text, "one\ntwo\n");
    assert_int_equal(place_done(&place), 1);
}

static void a_full_journal_is_closed_and_indexed(void **state)
{
    struct place place;
    struct error err;
    struct journal_file *files;
    int64_t now_ms = instant_now_ms();
    place_init(&place);
    struct journal *journal = journal_open(place.folder, "w", &settings, &err);
    assert_non_null(journal);
    add_lines(journal, now_ms, 0, 3);
    /* A file at its limit, without writing that much. */
    journal_close(journal);
    assert_int_equal(truncate(place.path, JOURNAL_FILE_LIMIT - 100), 0);
    journal = journal_open(place.folder, "w", &settings, &err);
    add_lines(journal, now_ms + 5, 0, 2);
    journal_close(journal);
    assert_int_equal(list(&place, &files), 2);
    assert_int_equal(files[0].closed_ms, now_ms + 5);
    assert_int_equal(files[0].size, JOURNAL_FILE_LIMIT - 100 + 1001);
    assert_int_equal(files[1].closed_ms, 0);
    assert_int_equal(files[1].size, 1001);
    assert_int_equal(files[0].process_len, 1);
    journal_files_free(files, 2);
    assert_int_equal(place_done(&place), 3);
}

static void an_old_journal_is_closed(void **state)
{
    struct place place;
    struct error err;
    struct journal_file *files;
    int64_t now_ms = instant_now_ms();
    place_init(&place);
    struct journal *journal = journal_open(place.folder, "w", &settings, &err);
    add_lines(journal, now_ms - 3 * DAY_MS, DAY_MS / 2, 4);
    journal_close(journal);
    /* What was there at the start is as old as it says. */
    journal = journal_open(place.folder, "w", &settings, &err);
    add_lines(journal, now_ms, 0, 1);
    journal_close(journal);
    assert_int_equal(list(&place, &files), 3);
    assert_int_equal(files[0].closed_ms, now_ms - 2 * DAY_MS);
    assert_int_equal(files[1].closed_ms, now_ms);
    journal_files_free(files, 3);
    place_done(&place);
}

static void journals_go_by_age_and_size(void **state)
{
    const struct journal_settings small = {.keep_ms = 2 * DAY_MS, .size_bytes = 5000};
    struct place place;
    struct error err;
    struct journal_file *files;
    char path[256];
    int64_t now_ms = instant_now_ms();
    place_init(&place);
    for (int64_t days = 0; days < 5; days++)
        for (size_t i = 0; i < 2; i++) {
            struct buf name;
            buf_init(&name, 256);
            journal_file_print(&name, i ? "v" : "w", now_ms - days * DAY_MS - 1000);
            snprintf(path, sizeof path, "%s/%.*s", place.folder, BYTES_ARGS(buf_view(&name)));
            FILE *file = fopen(path, "w");
            assert_non_null(file);
            fclose(file);
            assert_int_equal(truncate(path, i ? 100 : 3000), 0);
            buf_clear(&name);
            journal_index_path(&name, path);
            file = fopen((const char *)name.at, "w");
            fclose(file);
            buf_done(&name);
        }
    snprintf(path, sizeof path, "%s/notes.txt", place.folder);
    fclose(fopen(path, "w"));
    struct journal *journal = journal_open(place.folder, "w", &small, &err);
    assert_non_null(journal);
    journal_close(journal);
    /* Of this process the newest, by size; of the other those of two days; none that is no
     * journal. */
    assert_int_equal(list(&place, &files), 4);
    assert_string_equal(files[3].name, "w.log");
    journal_files_free(files, 4);
    assert_int_equal(place_done(&place), 3 * 2 + 1 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut_into_words),
        cmocka_unit_test(needles_are_words),
        cmocka_unit_test(an_index_leaves_out_what_has_no_such_word),
        cmocka_unit_test(a_damaged_index_is_known),
        cmocka_unit_test(an_empty_journal_has_an_index),
        cmocka_unit_test(lines_are_kept),
        cmocka_unit_test(a_full_journal_is_closed_and_indexed),
        cmocka_unit_test(an_old_journal_is_closed),
        cmocka_unit_test(journals_go_by_age_and_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
