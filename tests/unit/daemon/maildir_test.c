/* Maildirs: names that are safe, files that are whole, nothing left behind by a failure. Works in
 * a temporary folder of the real file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/instant.h"
#include "base/memory.h"
#include "daemon/letter.h"

/* --- Names ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct bytes domain, local;
    const char *want; /* NULL: refused */
} boxes[] = {
    {"plain", BYTES_INIT("example.org"), BYTES_INIT("ann"), "example.org/ann"},
    {"atom with plus and equals", BYTES_INIT("a.b"), BYTES_INIT("x+y=z-_@"), "a.b/x+y=z-_@"},
    {"slash", BYTES_INIT("a.b"), BYTES_INIT("../../etc"), "a.b/%2E.%2F..%2Fetc"},
    {"two dots", BYTES_INIT("a.b"), BYTES_INIT(".."), "a.b/%2E."},
    {"hidden", BYTES_INIT("a.b"), BYTES_INIT(".ann"), "a.b/%2Eann"},
    {"percent stays apart", BYTES_INIT("a.b"), BYTES_INIT("%2e"), "a.b/%252e"},
    {"upper case stays apart", BYTES_INIT("a.b"), BYTES_INIT("Ann"), "a.b/%41nn"},
    {"space and quote", BYTES_INIT("a.b"), BYTES_INIT("a \"b"), "a.b/a%20%22b"},
    {"NUL", BYTES_INIT("a.b"), BYTES_INIT("a\0b"), "a.b/a%00b"},
    {"UTF-8", BYTES_INIT("b\xc3\xbc.example"), BYTES_INIT("j\xc3\xb6rg"),
     "b\xc3\xbc.example/j\xc3\xb6rg"},
    {"bytes that are not UTF-8", BYTES_INIT("a.b"), BYTES_INIT("\xff"), "a.b/%FF"},
    {"address literal", BYTES_INIT("[127.0.0.1]"), BYTES_INIT("ann"), "%5B127.0.0.1%5D/ann"},
    {"empty local part", BYTES_INIT("a.b"), BYTES_INIT(""), NULL},
    {"empty domain", BYTES_INIT(""), BYTES_INIT("ann"), NULL},
};

static void mailboxes_have_safe_paths(void **state)
{
    for (size_t i = 0; i < COUNT(boxes); i++) {
        struct buf out;
        buf_init(&out, 1024);
        bool is_good = maildir_box(&out, boxes[i].domain, boxes[i].local);
        struct bytes want = bytes_of(boxes[i].want);
        if (is_good != (boxes[i].want != NULL) || !bytes_equal(buf_view(&out), want))
            fail_msg("%s: %.*s", boxes[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

static void long_names_are_refused(void **state)
{
    uint8_t text[MAILDIR_PART_LIMIT + 1];
    memset(text, 'a', sizeof text);
    struct buf out;
    buf_init(&out, 1024);
    assert_true(maildir_box(&out, BYTES("a.b"), (struct bytes){text, MAILDIR_PART_LIMIT}));
    buf_clear(&out);
    assert_false(maildir_box(&out, BYTES("a.b"), (struct bytes){text, MAILDIR_PART_LIMIT + 1}));
    assert_int_equal(out.len, 0);
    /* The limit is that of the name on disk, where one byte may take three. */
    memset(text, 'A', sizeof text);
    assert_false(maildir_box(&out, BYTES("a.b"), (struct bytes){text, MAILDIR_PART_LIMIT / 2}));
    buf_done(&out);
}

static void file_names_are_unlike(void **state)
{
    struct maildir_namer namer;
    maildir_namer_init(&namer, BYTES("mx.example.org/:,\n"), 7);
    assert_string_equal(namer.host, "mx.example.org____");
    char one[MAILDIR_NAME_LIMIT], two[MAILDIR_NAME_LIMIT];
    maildir_name(&namer, one);
    maildir_name(&namer, two);
    assert_string_not_equal(one, two);
    assert_non_null(strstr(one, "P7_1.mx.example.org"));
    assert_non_null(strstr(two, "P7_2."));
}

/* --- A folder for each test ------------------------------------------------------------------ */

struct place {
    char path[64];
    int root;
    struct maildir_namer namer;
};

static int make_place(void **state)
{
    struct place *place = NEW(struct place);
    snprintf(place->path, sizeof place->path, "maildir_test.XXXXXX");
    assert_non_null(mkdtemp(place->path));
    place->root = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->root >= 0);
    maildir_namer_init(&place->namer, BYTES("mx"), 1);
    *state = place;
    return 0;
}

static void remove_below(int parent, const char *name)
{
    DIR *folder = fdopendir(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(folder), entry->d_name, 0) != 0)
            remove_below(dirfd(folder), entry->d_name);
    }
    closedir(folder);
    unlinkat(parent, name, AT_REMOVEDIR);
}

static int remove_place(void **state)
{
    struct place *place = *state;
    close(place->root);
    remove_below(AT_FDCWD, place->path);
    free(place);
    return 0;
}

/* The number of files in BOX/name; the last one's name in found. */
static size_t count_files(const struct place *place, const char *box, const char *name,
                          char found[MAILDIR_NAME_LIMIT])
{
    char path[MAILDIR_PATH_LIMIT];
    snprintf(path, sizeof path, "%s/%s", box, name);
    int fd = openat(place->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    DIR *folder = fdopendir(fd);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (found)
            snprintf(found, MAILDIR_NAME_LIMIT, "%s", entry->d_name);
    }
    closedir(folder);
    return count;
}

/* The one message in BOX/new. */
static struct buf read_message(const struct place *place, const char *box)
{
    char name[MAILDIR_NAME_LIMIT] = "", path[MAILDIR_PATH_LIMIT];
    assert_int_equal(count_files(place, box, "new", name), 1);
    snprintf(path, sizeof path, "%s/new/%s", box, name);
    int fd = openat(place->root, path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    struct buf out;
    buf_init(&out, (size_t)status.st_size + 1);
    uint8_t *room = buf_reserve(&out, (size_t)status.st_size);
    assert_int_equal(read(fd, room, (size_t)status.st_size), status.st_size);
    buf_grow(&out, (size_t)status.st_size);
    close(fd);
    char sizes[64];
    size_t bare = 0;
    for (size_t i = 0; i < out.len; i++)
        bare += out.at[i] == '\n' && (i == 0 || out.at[i - 1] != '\r');
    snprintf(sizes, sizeof sizes, ",S=%zu,W=%zu", out.len, out.len + bare);
    assert_true(bytes_ends_nocase(bytes_of(name), bytes_of(sizes)));
    return out;
}

static void add_recipient(struct place *place, struct letter *letter, const char *address,
                          const char *box)
{
    letter_add_recipient(letter, bytes_of(address), bytes_of(box), &place->namer, true);
}

/* --- Messages -------------------------------------------------------------------------------- */

#define HEAD "Return-Path: <bob@example.net>\nDelivered-To: ann@example.org\n"
#define HEAD_CRLF "Return-Path: <bob@example.net>\r\nDelivered-To: ann@example.org\r\n"

static const struct {
    const char *name;
    bool keeps_crlf;
    struct bytes text, want;
} texts[] = {
    {"lines", false, BYTES_INIT("a: b\r\n\r\nc\r\n"), BYTES_INIT(HEAD "a: b\n\nc\n")},
    {"empty", false, BYTES_INIT(""), BYTES_INIT(HEAD)},
    {"no line end at the end", false, BYTES_INIT("a\r\nb"), BYTES_INIT(HEAD "a\nb")},
    {"8 bits and NUL", false, BYTES_INIT("\0\xff\x80\r\n"), BYTES_INIT(HEAD "\0\xff\x80\n")},
    {"binary", true, BYTES_INIT("a\n\r\n\r\r\n\rb\n\n"),
     BYTES_INIT(HEAD_CRLF "a\n\r\n\r\r\n\rb\n\n")},
    {"binary that ends in CR", true, BYTES_INIT("a\r"), BYTES_INIT(HEAD_CRLF "a\r")},
    {"CR alone is kept", false, BYTES_INIT("a\rb\r\n\r"), BYTES_INIT(HEAD "a\rb\n\r")},
};

static void store(struct place *place, struct letter **letters, size_t count)
{
    struct letter_group group = {.count = count}, none = {.count = 0};
    memcpy(group.letters, letters, count * sizeof *letters);
    letters_store(&group, &none, place->root);
    letters_store(&none, &group, place->root);
}

static void store_split(struct place *place, size_t row, size_t cut, bool is_bytewise)
{
    struct letter *letter = letter_new(BYTES("bob@example.net"), texts[row].keeps_crlf, 1);
    add_recipient(place, letter, "ann@example.org", "example.org/ann");
    struct bytes text = texts[row].text;
    if (is_bytewise) {
        for (size_t i = 0; i < text.len; i++)
            letter_add_text(letter, bytes_sub(text, i, 1));
    } else {
        letter_add_text(letter, bytes_sub(text, 0, cut));
        letter_add_text(letter, bytes_from(text, cut));
    }
    store(place, &letter, 1);
    assert_int_equal(letter->recipients[0].error.os, 0);
    struct buf got = read_message(place, "example.org/ann");
    if (!bytes_equal(buf_view(&got), texts[row].want))
        fail_msg("%s, cut at %zu", texts[row].name, cut);
    buf_done(&got);
    assert_int_equal(count_files(place, "example.org/ann", "tmp", NULL), 0);
    letter_discard(letter, place->root);
    letter_free(letter);
    assert_int_equal(count_files(place, "example.org/ann", "new", NULL), 0);
}

static void texts_are_stored_however_they_are_split(void **state)
{
    for (size_t row = 0; row < COUNT(texts); row++) {
        for (size_t cut = 0; cut <= texts[row].text.len; cut++)
            store_split(*state, row, cut, false);
        store_split(*state, row, 0, true);
    }
}

static void a_large_text_is_spilled_and_copied_to_each_recipient(void **state)
{
    struct place *place = *state;
    static const char *const names[] = {"ann", "bea", "cid", "dan", "eve"};
    struct letter *letter = letter_new(BYTES(""), false, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        char box[32];
        snprintf(box, sizeof box, "example.org/%s", names[i]);
        add_recipient(place, letter, names[i], box);
    }
    size_t lines = 0;
    for (int spills = 0; spills < 3;) {
        letter_add_text(letter, BYTES("0123456789abcdef0123456789abcdef\r\n"));
        lines++;
        if (!letter_is_full(letter))
            continue;
        letter_spill(letter, place->root);
        assert_int_equal(letter->text.len, 0);
        spills++;
    }
    letter_add_text(letter, BYTES("end\r\n"));
    store(place, &letter, 1);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(letter->recipients[i].error.os, 0);
        struct buf got = read_message(place, letter->recipients[i].box), head;
        buf_init(&head, 256);
        buf_addf(&head, "Return-Path: <>\nDelivered-To: %s\n", names[i]);
        assert_true(bytes_starts(buf_view(&got), buf_view(&head)));
        assert_int_equal(got.len, head.len + lines * 33 + 4);
        assert_true(bytes_ends_nocase(buf_view(&got), BYTES("0123456789abcdef\nend\n")));
        buf_done(&head);
        buf_done(&got);
    }
    letter_free(letter);
}

static void a_group_is_stored_whole(void **state)
{
    struct place *place = *state;
    enum { LETTERS = 20 };
    struct letter *letters[LETTERS];
    for (size_t i = 0; i < LETTERS; i++) {
        letters[i] = letter_new(BYTES("bob@example.net"), false, 1);
        add_recipient(place, letters[i], "ann@example.org",
                      i % 2 ? "example.org/ann" : "example.org/bea");
        letter_add_text(letters[i], BYTES("text\r\n"));
    }
    store(place, letters, LETTERS);
    for (size_t i = 0; i < LETTERS; i++) {
        assert_int_equal(letters[i]->recipients[0].error.os, 0);
        letter_free(letters[i]);
    }
    assert_int_equal(count_files(place, "example.org/ann", "new", NULL), LETTERS / 2);
    assert_int_equal(count_files(place, "example.org/bea", "new", NULL), LETTERS / 2);
    assert_int_equal(count_files(place, "example.org/bea", "tmp", NULL), 0);
}

/* What is in new/ is whole and durable: a group's files get there one step after they were written,
 * while the next group's are being written. */
static void a_step_publishes_what_the_one_before_wrote(void **state)
{
    struct place *place = *state;
    struct letter_group groups[3] = {0};
    for (size_t i = 0; i < COUNT(groups); i++) {
        if (i < 2) {
            struct letter *letter = letter_new(BYTES("bob@example.net"), false, 1);
            add_recipient(place, letter, "ann@example.org", "example.org/ann");
            letter_add_text(letter, BYTES("text\r\n"));
            groups[i].letters[groups[i].count++] = letter;
        }
        struct letter_group none = {0};
        letters_store(&groups[i], i > 0 ? &groups[i - 1] : &none, place->root);
        assert_int_equal(count_files(place, "example.org/ann", "new", NULL), i);
        assert_int_equal(count_files(place, "example.org/ann", "tmp", NULL), groups[i].count);
    }
    letter_free(groups[0].letters[0]);
    letter_free(groups[1].letters[0]);
}

/* A mailbox that cannot be made fails its own recipient only. */
static void one_bad_mailbox_spoils_nothing_else(void **state)
{
    struct place *place = *state;
    int fd = openat(place->root, "broken.example", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    for (int is_large = 0; is_large <= 1; is_large++) {
        struct letter *letter = letter_new(BYTES("bob@example.net"), false, 2);
        add_recipient(place, letter, "ann@broken.example", "broken.example/ann");
        add_recipient(place, letter, "ann@example.org", "example.org/ann");
        letter_add_text(letter, BYTES("text\r\n"));
        if (is_large)
            letter_spill(letter, place->root);
        store(place, &letter, 1);
        assert_int_equal(letter->recipients[0].error.os, ENOTDIR);
        assert_int_equal(letter->recipients[1].error.os, 0);
        assert_int_equal(count_files(place, "example.org/ann", "new", NULL), 1);
        letter_discard(letter, place->root);
        letter_free(letter);
    }
}

static void a_letter_given_up_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct letter *letter = letter_new(BYTES("bob@example.net"), false, 1);
    add_recipient(place, letter, "ann@example.org", "example.org/ann");
    letter_add_text(letter, BYTES("text\r\n"));
    letter_spill(letter, place->root);
    assert_int_equal(count_files(place, "example.org/ann", "tmp", NULL), 1);
    letter_discard(letter, place->root);
    letter_free(letter);
    assert_int_equal(count_files(place, "example.org/ann", "tmp", NULL), 0);
}

static void a_removed_mailbox_is_made_again(void **state)
{
    struct place *place = *state;
    struct letter *letter = letter_new(BYTES("bob@example.net"), false, 1);
    letter_add_recipient(letter, BYTES("ann@example.org"), BYTES("example.org/ann"), &place->namer,
                         false);
    letter_add_text(letter, BYTES("text\r\n"));
    store(place, &letter, 1);
    assert_int_equal(letter->recipients[0].error.os, 0);
    assert_int_equal(count_files(place, "example.org/ann", "new", NULL), 1);
    letter_free(letter);
}

static void a_letter_goes_to_a_folder(void **state)
{
    struct place *place = *state;
    struct stat status;
    struct letter *letter = letter_new(BYTES("bob@example.net"), false, 1);
    add_recipient(place, letter, "ann@example.org", "example.org/ann");
    letter_use_folder(&letter->recipients[0], ".Junk");
    letter_add_text(letter, BYTES("text\r\n"));
    store(place, &letter, 1);
    assert_int_equal(letter->recipients[0].error.os, 0);
    assert_int_equal(count_files(place, "example.org/ann/.Junk", "new", NULL), 1);
    assert_int_equal(count_files(place, "example.org/ann", "new", NULL), 0);
    assert_int_equal(fstatat(place->root, "example.org/ann/.Junk/maildirfolder", &status, 0), 0);
    letter_free(letter);
}

static void stale_files_are_cleared_from_tmp(void **state)
{
    struct place *place = *state;
    struct error err = {0};
    int64_t now_ms = instant_now_ms();
    assert_true(maildir_prepare(place->root, "example.org/ann", now_ms, &err));
    close(maildir_create(place->root, "example.org/ann", "left-behind", &err));
    assert_true(maildir_prepare(place->root, "example.org/ann", now_ms, &err));
    assert_int_equal(count_files(place, "example.org/ann", "tmp", NULL), 1);
    now_ms += INT64_C(37) * 3600 * 1000;
    assert_true(maildir_prepare(place->root, "example.org/ann", now_ms, &err));
    assert_int_equal(count_files(place, "example.org/ann", "tmp", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailboxes_have_safe_paths),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(file_names_are_unlike),
        cmocka_unit_test_setup_teardown(texts_are_stored_however_they_are_split, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_large_text_is_spilled_and_copied_to_each_recipient,
                                        make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_step_publishes_what_the_one_before_wrote, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_group_is_stored_whole, make_place, remove_place),
        cmocka_unit_test_setup_teardown(one_bad_mailbox_spoils_nothing_else, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_letter_given_up_leaves_nothing, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_removed_mailbox_is_made_again, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_letter_goes_to_a_folder, make_place, remove_place),
        cmocka_unit_test_setup_teardown(stale_files_are_cleared_from_tmp, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
