/* Address lists of header fields (RFC 5322, 3.4 with the obsolete forms of 4.4; groups in From by
 * RFC 6854; UTF-8 by RFC 6532). Paths of SMTP are address.h's.
 *
 * What is written loosely is read the way that finds most: where one reader would see one address
 * and another reader a second, the list has both, so that who asks whose name a message bears
 * misses nobody. An address in a quoted display name is not one of the list, and encoded-words are
 * left alone: no reader takes these for addresses of the field. */
#pragma once

#include "base/arena.h"

enum {
    MAILBOX_LIST_LIMIT = 1000,        /* addresses; more are a bad list */
    MAILBOX_LIST_BYTES = 1024 * 1024, /* of a field */
};

struct mailbox {
    struct bytes name;   /* the display name as written, comments left out at its ends only; may be
                            empty; a view into the field */
    struct bytes local;  /* without comments and blanks; a quoted string keeps its quotes */
    struct bytes domain; /* as written, without comments, blanks and a dot at its end; a literal
                            keeps its brackets */
};

struct mailbox_list {
    const struct mailbox *mailboxes; /* in the arena, as their texts are */
    size_t count;
    bool is_loose;      /* it was written in a way that RFC 5322 does not even know as obsolete */
    const char *reason; /* for people: why the list is bad */
};

enum mailbox_list_status {
    MAILBOX_LIST_OK,  /* with any number of addresses, none too */
    MAILBOX_LIST_BAD, /* what readers make of it cannot be foretold: only `reason` is set */
};

/* value: a field's, folds and all. The arena needs about twice its bytes, and sizeof(struct
 * mailbox) an address; without room the list is bad. */
enum mailbox_list_status mailbox_list_parse(struct bytes value, struct arena *arena,
                                            struct mailbox_list *out);
