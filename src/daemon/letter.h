/* A message on its way into the Maildirs of its recipients: one file each, never seen in new/
 * before it is whole, and safe on disk before it is answered.
 *
 * The loop makes letters and adds text, which costs no system call; the steps that touch the disk
 * (spill, store, discard) block and run on another thread, one of them at a time for a letter.
 *
 * Lines are stored with LF, as every Unix program expects: nothing is lost by that, since the
 * server takes CRLF only as the end of a line. BINARYMIME messages are stored as they came. */
#pragma once

#include "base/list.h"
#include "daemon/maildir.h"

/* Text kept in memory; more of it than this is to be spilled. */
enum { LETTER_MEMORY = 256 * 1024 };

struct letter_recipient {
    char *address; /* local@domain, for Delivered-To */
    char *box;     /* maildir_box() */
    char name[MAILDIR_NAME_LIMIT];
    bool needs_prepare; /* the mailbox may have to be made */
    bool was_prepared;  /* it was; or somebody else may have made it, and not synced it yet */
    bool is_made;       /* its file is in tmp/ */
    bool is_published;  /* its file is in new/ */
    uint64_t head_size; /* bytes in front of the text */
    struct error error; /* what kept it from being stored; os 0: nothing did */
};

struct letter {
    struct list link; /* its keeper's */
    void *context;    /* its keeper's */
    uint64_t id;      /* the queue's, from the Received field in front, for the log; 0: not known */
    char *reverse_path;
    bool keeps_crlf;
    bool has_folder;                  /* its recipients' boxes are final */
    bool ends_in_cr;                  /* the text so far does, and that CR waits for what follows */
    struct buf text;                  /* not written yet */
    uint64_t text_size, text_bare_lf; /* stored bytes in all, and LFs without a CR among them */
    int carrier_fd;                   /* the file that large text goes to; -1: none */
    size_t carrier;                   /* whose it is */
    struct letter_recipient *recipients;
    size_t recipient_count;
};

/* A letter without text and recipients; reverse_path is copied ("" for the null one). */
struct letter *letter_new(struct bytes reverse_path, bool keeps_crlf, size_t recipient_limit);
void letter_free(struct letter *letter);
/* Adds one of at most recipient_limit recipients; copies. */
void letter_add_recipient(struct letter *letter, struct bytes address, struct bytes box,
                          struct maildir_namer *namer, bool needs_prepare);
/* Puts the message of a recipient, of which nothing is on disk yet, into a folder of its mailbox
 * (".Junk"). */
void letter_use_folder(struct letter_recipient *recipient, const char *folder);
/* Adds a run of text as received. */
void letter_add_text(struct letter *letter, struct bytes text);
/* Is it time for letter_spill() before more text comes? */
bool letter_is_full(const struct letter *letter);

/* Writes the text in memory to the file of the first recipient whose mailbox takes it. */
void letter_spill(struct letter *letter, int root);
/* Letters that share syncs. */
enum { LETTER_GROUP = 64 };
struct letter_group {
    struct letter *letters[LETTER_GROUP];
    size_t count;
};
/* One step for two groups, with few syncs for both: `written` are complete letters, whose files are
 * in tmp/ and durable afterwards; `published` were written by an earlier step: each of their
 * recipients has its file in new/ afterwards, durable with its folder, or an error and no file. */
void letters_store(const struct letter_group *written, const struct letter_group *published,
                   int root);
/* Removes what a letter that comes to nothing has on disk. */
void letter_discard(struct letter *letter, int root);

/* Bytes of a recipient's file, once the text is complete. */
uint64_t letter_size(const struct letter *letter, const struct letter_recipient *recipient);
/* The path of a stored recipient's file from the root, for the log. */
void letter_path(const struct letter *letter, const struct letter_recipient *recipient,
                 char path[MAILDIR_PATH_LIMIT]);
