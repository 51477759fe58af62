/* What the parts of recipients.h share: the directory, and what one address means in it. */
#pragma once

#include "base/map.h"
#include "policy/recipients.h"

/* One local part of a domain: a mailbox, an alias, or both. Then the alias comes first, and its
 * own name among the targets means the mailbox. */
struct name {
    bool is_mailbox;
    struct bytes *targets; /* owned, as are the texts */
    size_t target_count;
};

struct domain {
    struct bytes name; /* owned; lower case */
    enum mailboxes mailboxes;
    uint8_t delimiter;      /* 0: none */
    struct map *names;      /* local part's value in lower case: struct name */
    struct name catch_all;  /* no target: none */
    struct name postmaster; /* who reads the postmaster's mail where nobody else is named */
};

struct recipients {
    uint64_t seed;
    struct map *domains;               /* name in lower case: struct domain */
    struct map *relayed;               /* patterns of domains that are passed on: itself */
    const struct directory *directory; /* NULL: none */
    bool needs_directory;
    struct domain **order;
    size_t domain_count;
};

enum meaning {
    MEANS_REMOTE,  /* no local domain: itself */
    MEANS_MAILBOX, /* itself */
    MEANS_ALIAS,   /* name->targets */
    MEANS_UNKNOWN,
};

struct resolution {
    enum meaning meaning;
    const struct domain *domain; /* NULL for MEANS_REMOTE */
    const struct name *name;     /* for MEANS_ALIAS */
    size_t mailbox_len;          /* for MEANS_MAILBOX: the mailbox's name is so much of the
                                    local part's value */
    bool has_mailbox;            /* for MEANS_ALIAS: there is a mailbox of that name as well */
    bool is_account;             /* its mailbox is in the directory, which has its own spelling */
};

/* The longest value of a local part that is looked up: one more than the grammar allows. */
enum { LOCAL_VALUE_SIZE = LOCAL_PART_LIMIT + 1 };

/* The value of a local part in lower case, in room of LOCAL_VALUE_SIZE bytes; cut at that size,
 * which no name has. */
struct bytes local_value(struct bytes local, uint8_t room[LOCAL_VALUE_SIZE]);

/* Might others read the value as a route, or is it no good name of a folder? */
bool is_odd_name(struct bytes value);
const struct domain *domain_find(const struct recipients *recipients, struct bytes name);
struct resolution recipient_resolve(const struct recipients *recipients,
                                    const struct address *address);
/* The same address, but <postmaster> with the domain that it stands for here, in the arena. False
 * at its ceiling. */
MUST_CHECK bool postmaster_complete(const struct recipients *recipients,
                                    const struct address *address, struct bytes hostname,
                                    struct arena *arena, struct address *out);

enum expansion_status {
    EXPANSION_OK,
    EXPANSION_DEAD,  /* nobody gets it: unknown here, or all targets are */
    EXPANSION_LOOP,  /* an alias names itself through others, or the chain is too long */
    EXPANSION_LARGE, /* too many final addresses */
    EXPANSION_NO_MEMORY,
};
enum expansion_status recipient_expand(const struct recipients *recipients,
                                       const struct address *address, struct arena *arena,
                                       struct bytes **out, size_t *count);
