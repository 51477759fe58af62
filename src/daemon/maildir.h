/* Maildirs on disk: names, folders and files (cr.yp.to/proto/maildir.html; S= and W= in file names
 * as Dovecot reads them). Everything here that takes a folder blocks, and may run on any thread.
 *
 * A mailbox lies at ROOT/DOMAIN/LOCAL; `box` below is its path from the root, "example.org/ann".
 * Does not know what a message is, nor when it is safe: see letter.h. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum {
    MAILDIR_PART_LIMIT = 200, /* bytes of a domain or local part as a file name (NAME_MAX is 255) */
    MAILDIR_HOST_LIMIT = 100, /* bytes of the host in a file name; the rest is cut */
    MAILDIR_NAME_LIMIT = 256, /* bytes of a file name, NUL included */
    MAILDIR_FOLDER_LIMIT = 32, /* of a folder in a mailbox, ".Junk" */
    MAILDIR_PATH_LIMIT = 2 * MAILDIR_PART_LIMIT + MAILDIR_FOLDER_LIMIT + MAILDIR_NAME_LIMIT + 16,
};

/* Appends the mailbox's path from the root. Lower-case letters, digits, UTF-8 and ._+=@- stand for
 * themselves, every other byte and a leading dot become %XX: no name holds a slash or is "..", and
 * no two mailboxes share a path. False: the name would be too long; nothing is appended. */
MUST_CHECK bool maildir_box(struct buf *out, struct bytes domain, struct bytes local);

/* What file names are made of; one for a process. */
struct maildir_namer {
    char host[MAILDIR_HOST_LIMIT + 1];
    int process;
    uint64_t count; /* names given so far */
};
void maildir_namer_init(struct maildir_namer *namer, struct bytes hostname, int process);
/* A name that no other delivery has: SECONDS.MmicrosPpid_count.host, as text. */
void maildir_name(struct maildir_namer *namer, char name[MAILDIR_NAME_LIMIT]);

/* Opens ROOT, made where it is missing (mode 0700; its parent must exist): the descriptor, or -1
 * and err. */
int maildir_open_root(const char *path, struct error *err);

/* Makes the mailbox where it is missing, mode 0700, and its folder where box names one
 * ("example.org/ann/.Junk", as Maildir++ has it: with a file maildirfolder); removes files from its
 * tmp folder that are older than 36 hours, as the format says. The folders made are durable only
 * when the caller has synced their file system. */
MUST_CHECK bool maildir_prepare(int root, const char *box, int64_t now_ms, struct error *err);

/* Makes tmp/NAME, mode 0600: the descriptor, or -1 and err. */
int maildir_create(int root, const char *box, const char *name, struct error *err);
/* Moves tmp/NAME to new/NAME,S=size,W=wire_size: the size on disk, and the size with every line
 * ended by CRLF. */
MUST_CHECK bool maildir_publish(int root, const char *box, const char *name, uint64_t size,
                                uint64_t wire_size, struct error *err);
/* Opens new/ to be synced: the descriptor, or -1 and err. */
int maildir_open_new(int root, const char *box, struct error *err);
/* Removes what maildir_create() made, and what maildir_publish() made of it. */
void maildir_remove_tmp(int root, const char *box, const char *name);
void maildir_remove_new(int root, const char *box, const char *name, uint64_t size,
                        uint64_t wire_size);
/* The path from the root of a message published, for the log. */
void maildir_print(char path[MAILDIR_PATH_LIMIT], const char *box, const char *name, uint64_t size,
                   uint64_t wire_size);
