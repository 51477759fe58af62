/* What somebody who has logged in may send as (RFC 6409, 6.1 and 8.1): its own addresses, in the
 * reverse-path and in the fields that say who wrote the message. Pure.
 *
 * Own are: the account's address and details of it (ann+x@…), what the directory grants further,
 * and each local address whose mail goes to one of these. */
#pragma once

#include "base/arena.h"
#include "policy/recipients.h"

struct sender_rights {
    struct bytes account;    /* its address */
    const struct bytes *own; /* further ones; "@example.org" is all of a domain */
    size_t own_count;
};

/* What to answer, and why. Texts are in the arena or constant. */
struct sender_verdict {
    bool is_accepted;
    int code;            /* 550, or 554 for what cannot be read */
    struct bytes status; /* "5.7.1" … */
    const char *rule;    /* for the log: "sender", "sender-from", "sender-field" */
    struct bytes text;
};

/* May it be the reverse-path? The null one may be anybody's: receipts have it (RFC 8098, 2). */
struct sender_verdict sender_check_path(const struct recipients *recipients,
                                        const struct sender_rights *rights,
                                        struct bytes reverse_path, struct arena *arena);

/* May the message say what it says of its author? Each address of each From field is to be an own
 * one, and the one of a Sender field too. A section without a From field is well: it gets one made
 * of the reverse-path. The arena needs about twice the bytes of these fields. */
struct sender_verdict sender_check_section(const struct recipients *recipients,
                                           const struct sender_rights *rights, struct bytes section,
                                           struct arena *arena);
