#include "daemon/letter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/memory.h"

static char *copy_text(struct bytes bytes)
{
    char *copy = memory_new(bytes.len + 1, 1);
    if (bytes.len)
        memcpy(copy, bytes.at, bytes.len);
    return copy;
}

struct letter *letter_new(struct bytes reverse_path, bool keeps_crlf, size_t recipient_limit)
{
    struct letter *letter = NEW(struct letter);
    list_init(&letter->link);
    letter->reverse_path = copy_text(reverse_path);
    letter->keeps_crlf = keeps_crlf;
    letter->carrier_fd = -1;
    letter->recipients = memory_new(recipient_limit, sizeof *letter->recipients);
    /* A run of text is as large as the loop's buffer, and may come on top of a full memory. */
    buf_init(&letter->text, (size_t)16 * LETTER_MEMORY);
    return letter;
}

void letter_free(struct letter *letter)
{
    if (!letter)
        return;
    ASSERT(letter->carrier_fd < 0);
    for (size_t i = 0; i < letter->recipient_count; i++) {
        free(letter->recipients[i].address);
        free(letter->recipients[i].box);
    }
    free(letter->recipients);
    free(letter->reverse_path);
    buf_done(&letter->text);
    free(letter);
}

void letter_add_recipient(struct letter *letter, struct bytes address, struct bytes box,
                          struct maildir_namer *namer, bool needs_prepare)
{
    struct letter_recipient *recipient = &letter->recipients[letter->recipient_count++];
    recipient->address = copy_text(address);
    recipient->box = copy_text(box);
    recipient->needs_prepare = needs_prepare;
    maildir_name(namer, recipient->name);
}

void letter_use_folder(struct letter_recipient *recipient, const char *folder)
{
    struct buf box;
    buf_init(&box, MAILDIR_PATH_LIMIT);
    buf_addf(&box, "%s/%s", recipient->box, folder);
    free(recipient->box);
    recipient->box = copy_text(buf_view(&box));
    buf_done(&box);
}

static void keep_text(struct letter *letter, struct bytes text)
{
    buf_add(&letter->text, text);
    letter->text_size += text.len;
}

/* Stores a line's end, or an LF alone in a message that may have one. */
static void keep_newline(struct letter *letter, bool has_cr)
{
    if (has_cr && letter->keeps_crlf) {
        keep_text(letter, BYTES("\r\n"));
        return;
    }
    keep_text(letter, BYTES("\n"));
    letter->text_bare_lf++;
}

void letter_add_text(struct letter *letter, struct bytes text)
{
    while (text.len) {
        size_t line = bytes_find(text, '\n');
        bool has_newline = line < text.len;
        struct bytes body = bytes_sub(text, 0, line);
        bool has_cr = body.len ? body.at[body.len - 1] == '\r' : letter->ends_in_cr;
        if (letter->ends_in_cr && body.len)
            keep_text(letter, BYTES("\r"));
        if (has_cr && body.len)
            body.len--;
        keep_text(letter, body);
        letter->ends_in_cr = has_cr && !has_newline;
        if (has_newline)
            keep_newline(letter, has_cr);
        text = bytes_from(text, has_newline ? line + 1 : line);
    }
    ASSERT(!letter->text.overflowed);
}

bool letter_is_full(const struct letter *letter)
{
    return letter->text.len >= LETTER_MEMORY;
}

static bool write_all(int fd, struct bytes bytes, struct error *err)
{
    while (bytes.len) {
        ssize_t wrote = write(fd, bytes.at, bytes.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return error_set(err, errno, "write message");
        bytes = bytes_from(bytes, (size_t)wrote);
    }
    return true;
}

/* Both in one system call, as a rule. */
static bool write_both(int fd, struct bytes head, struct bytes text, struct error *err)
{
    struct iovec parts[] = {{(void *)(uintptr_t)head.at, head.len},
                            {(void *)(uintptr_t)text.at, text.len}};
    ssize_t wrote;
    do
        wrote = writev(fd, parts, COUNT(parts));
    while (wrote < 0 && errno == EINTR);
    if (wrote < 0)
        return error_set(err, errno, "write message");
    size_t done = (size_t)wrote;
    if (done < head.len)
        return write_all(fd, bytes_from(head, done), err) && write_all(fd, text, err);
    return write_all(fd, bytes_from(text, done - head.len), err);
}

/* The lines in front of the text (RFC 5321, 4.4: Return-Path at final delivery). */
static void print_head(const struct letter *letter, const struct letter_recipient *recipient,
                       struct buf *out)
{
    const char *newline = letter->keeps_crlf ? "\r\n" : "\n";
    buf_addf(out, "Return-Path: <%s>%s", letter->reverse_path, newline);
    buf_addf(out, "Delivered-To: %s%s", recipient->address, newline);
}

enum { HEAD_LINES = 2, HEAD_LIMIT = 4096 };

/* Makes the recipient's file in tmp/ with its head and this text: the descriptor, or -1 and its
 * error. */
static int begin_file(const struct letter *letter, struct letter_recipient *recipient, int root,
                      struct bytes text)
{
    struct error *err = &recipient->error;
    int fd = -1;
    if (!recipient->needs_prepare) {
        fd = maildir_create(root, recipient->box, recipient->name, err);
        /* Somebody removed the mailbox while we ran. */
        recipient->needs_prepare = fd < 0 && err->os == ENOENT;
    }
    if (recipient->needs_prepare) {
        if (!maildir_prepare(root, recipient->box, instant_now_ms(), err))
            return -1;
        recipient->needs_prepare = false;
        recipient->was_prepared = true;
        fd = maildir_create(root, recipient->box, recipient->name, err);
    }
    if (fd < 0)
        return -1;
    recipient->is_made = true;
    *err = (struct error){0};
    struct buf head;
    buf_init(&head, HEAD_LIMIT);
    print_head(letter, recipient, &head);
    ASSERT(!head.overflowed);
    recipient->head_size = head.len;
    bool is_written = write_both(fd, buf_view(&head), text, err);
    buf_done(&head);
    if (is_written)
        return fd;
    close(fd);
    return -1;
}

static void fail_all(struct letter *letter, const struct error *why)
{
    for (size_t i = 0; i < letter->recipient_count; i++) {
        if (letter->recipients[i].error.os == 0)
            letter->recipients[i].error = *why;
    }
}

static void close_carrier(struct letter *letter)
{
    if (letter->carrier_fd >= 0)
        close(letter->carrier_fd);
    letter->carrier_fd = -1;
}

void letter_spill(struct letter *letter, int root)
{
    bool has_carrier = letter->carrier_fd >= 0;
    for (size_t i = 0; i < letter->recipient_count && letter->carrier_fd < 0; i++) {
        if (letter->recipients[i].error.os)
            continue;
        letter->carrier_fd =
            begin_file(letter, &letter->recipients[i], root, buf_view(&letter->text));
        letter->carrier = i;
    }
    struct error err = {0};
    if (has_carrier && !write_all(letter->carrier_fd, buf_view(&letter->text), &err)) {
        fail_all(letter, &err);
        close_carrier(letter);
    }
    /* Where nobody can have the message, its text goes nowhere. */
    buf_clear(&letter->text);
}

/* The size that the message has with every line ended by CRLF. */
static uint64_t wire_size(const struct letter *letter, const struct letter_recipient *recipient)
{
    return letter_size(letter, recipient) + letter->text_bare_lf +
           (letter->keeps_crlf ? 0 : HEAD_LINES);
}

uint64_t letter_size(const struct letter *letter, const struct letter_recipient *recipient)
{
    return recipient->head_size + letter->text_size;
}

void letter_path(const struct letter *letter, const struct letter_recipient *recipient,
                 char path[MAILDIR_PATH_LIMIT])
{
    maildir_print(path, recipient->box, recipient->name, letter_size(letter, recipient),
                  wire_size(letter, recipient));
}

static void remove_file(const struct letter *letter, struct letter_recipient *recipient, int root)
{
    if (recipient->is_published)
        maildir_remove_new(root, recipient->box, recipient->name, letter_size(letter, recipient),
                           wire_size(letter, recipient));
    else if (recipient->is_made)
        maildir_remove_tmp(root, recipient->box, recipient->name);
    recipient->is_made = recipient->is_published = false;
}

void letter_discard(struct letter *letter, int root)
{
    close_carrier(letter);
    for (size_t i = 0; i < letter->recipient_count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        remove_file(letter, recipient, root);
    }
}

/* --- Storing a group ------------------------------------------------------------------------- */

/* Measured on ext4: from four files on, one syncfs() is faster than as many fdatasync() (1.5 times
 * with 5 files, 2 to 3 times with 20), for these commit the journal once each. Fewer are synced
 * one by one, so that one message need not wait for what other programs have written. */
enum { SYNC_EACH = 3 };

/* What is to be synced: descriptors of one file system, kept while they are few. */
struct sync_set {
    int fds[SYNC_EACH];
    size_t count; /* perhaps more than are kept */
    dev_t device;
    const char *box;    /* known to be on the device: most letters of a group are for one box */
    const char *folder; /* the box whose new/ is in the set; NULL: none */
    bool is_whole;      /* the whole file system is to be synced, however few they are */
};

/* Syncs one descriptor, or the file system that it is on. */
static bool sync_one(int fd, bool is_whole, struct error *err)
{
    return (is_whole ? syncfs(fd) : fsync(fd)) == 0 || error_set(err, errno, "sync");
}

/* Is the descriptor, of a file or folder in the box, on the file system of the set? The first one
 * decides which that is. */
static bool sync_sees(struct sync_set *set, int fd, const char *box, bool *out_is_other,
                      struct error *err)
{
    *out_is_other = false;
    if (set->box && strcmp(set->box, box) == 0)
        return true;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set(err, errno, "stat message");
    *out_is_other = set->count > 0 && status.st_dev != set->device;
    if (!*out_is_other) {
        set->device = status.st_dev;
        set->box = box;
    }
    return true;
}

/* Adds a descriptor of a file or folder in the box, and takes it over; box is borrowed until the
 * end of the set. One on another file system is synced at once. */
static bool sync_add(struct sync_set *set, int fd_owned, const char *box, bool is_whole,
                     struct error *err)
{
    bool is_other = false, is_kept = false;
    bool is_good = sync_sees(set, fd_owned, box, &is_other, err);
    if (is_good && is_other) {
        is_good = sync_one(fd_owned, is_whole, err);
    } else if (is_good) {
        is_kept = set->count < SYNC_EACH;
        if (is_kept)
            set->fds[set->count] = fd_owned;
        set->count++;
        set->is_whole |= is_whole || set->count > SYNC_EACH;
    }
    if (!is_kept)
        close(fd_owned);
    return is_good;
}

/* Makes all of it durable and closes it. A failure is everybody's: which file it befell cannot be
 * told. */
static bool sync_end(struct sync_set *set, struct error *err)
{
    bool is_good = set->count == 0 || !set->is_whole || sync_one(set->fds[0], true, err);
    for (size_t i = 0; i < set->count && i < SYNC_EACH; i++) {
        if (is_good && !set->is_whole)
            is_good = sync_one(set->fds[i], false, err);
        close(set->fds[i]);
    }
    return is_good;
}

/* Copies large text from the carrier's file, behind its head. */
static bool copy_spilled(const struct letter *letter, int fd, struct error *err)
{
    uint8_t block[65536];
    uint64_t head = letter->recipients[letter->carrier].head_size;
    for (uint64_t done = 0; done < letter->text_size;) {
        ssize_t got = pread(letter->carrier_fd, block, sizeof block, (off_t)(head + done));
        if (got <= 0)
            return error_set(err, got < 0 ? errno : EIO, "read message back");
        if (!write_all(fd, (struct bytes){block, (size_t)got}, err))
            return false;
        done += (uint64_t)got;
    }
    return true;
}

/* Writes the file of a recipient other than the carrier. */
static void write_copy(struct letter *letter, struct letter_recipient *recipient, int root,
                       struct sync_set *files)
{
    if (recipient->error.os)
        return;
    bool is_spilled = letter->carrier_fd >= 0;
    int fd = begin_file(letter, recipient, root,
                        is_spilled ? (struct bytes){0} : buf_view(&letter->text));
    if (fd < 0)
        return;
    struct error err = {0};
    bool is_written = !is_spilled || copy_spilled(letter, fd, &err);
    if (!is_written)
        close(fd);
    if (!is_written || !sync_add(files, fd, recipient->box, false, &err))
        recipient->error = err;
}

static void write_letter(struct letter *letter, int root, struct sync_set *files)
{
    if (letter->ends_in_cr)
        keep_text(letter, BYTES("\r"));
    letter->ends_in_cr = false;
    if (letter->carrier_fd >= 0)
        letter_spill(letter, root);
    bool has_carrier = letter->carrier_fd >= 0;
    for (size_t i = 0; i < letter->recipient_count; i++) {
        if (!has_carrier || i != letter->carrier)
            write_copy(letter, &letter->recipients[i], root, files);
    }
    struct error err = {0};
    if (has_carrier &&
        !sync_add(files, letter->carrier_fd, letter->recipients[letter->carrier].box, false, &err))
        letter->recipients[letter->carrier].error = err;
    letter->carrier_fd = -1;
}

/* Adds the folder new/ that a recipient's file was moved to; once for letters of one box. */
static void add_folder(struct letter_recipient *recipient, int root, struct sync_set *folders)
{
    /* Folders on the way to a new mailbox are to be durable as well. */
    bool is_whole = recipient->was_prepared;
    bool is_in = folders->folder && strcmp(folders->folder, recipient->box) == 0;
    if (is_in && !is_whole)
        return;
    int fd = maildir_open_new(root, recipient->box, &recipient->error);
    struct error err = {0};
    if (fd < 0)
        return;
    if (!sync_add(folders, fd, recipient->box, is_whole, &err))
        recipient->error = err;
    else if (folders->box == recipient->box)
        folders->folder = recipient->box;
}

/* Moves what is written and synced to new/, and gathers the folders that changed. */
static void publish_letter(struct letter *letter, int root, struct sync_set *folders)
{
    for (size_t i = 0; i < letter->recipient_count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->error.os)
            continue;
        recipient->is_published =
            maildir_publish(root, recipient->box, recipient->name, letter_size(letter, recipient),
                            wire_size(letter, recipient), &recipient->error);
        if (recipient->is_published)
            add_folder(recipient, root, folders);
    }
}

static void remove_failed(const struct letter_group *group, int root)
{
    for (size_t i = 0; i < group->count; i++) {
        struct letter *letter = group->letters[i];
        for (size_t k = 0; k < letter->recipient_count; k++)
            if (letter->recipients[k].error.os)
                remove_file(letter, &letter->recipients[k], root);
    }
}

void letters_store(const struct letter_group *written, const struct letter_group *published,
                   int root)
{
    struct sync_set changed = {0};
    struct error err = {0};
    for (size_t i = 0; i < published->count; i++)
        publish_letter(published->letters[i], root, &changed);
    for (size_t i = 0; i < written->count; i++)
        write_letter(written->letters[i], root, &changed);
    if (!sync_end(&changed, &err)) {
        for (size_t i = 0; i < published->count; i++)
            fail_all(published->letters[i], &err);
        for (size_t i = 0; i < written->count; i++)
            fail_all(written->letters[i], &err);
    }
    remove_failed(published, root);
    remove_failed(written, root);
}
