/* The list of all mailboxes as the keeper hands it out: a sealed memory file, mapped where it is
 * searched. One copy of it serves all processes. */
#pragma once

#include "base/error.h"
#include "policy/directory.h"

struct directory_map {
    struct directory directory; /* for recipients_set_directory(): it stays where it is */
    void *at;                   /* NULL: no list, or an empty one */
    size_t len;
};

/* The list as a memory file that nobody can change any more; -1 and err on failure. */
int directory_seal(struct bytes names, struct error *err);
/* A new list in place of the one before; closes the file. False and err: that one stays. */
MUST_CHECK bool directory_map_take(struct directory_map *map, int fd_owned, struct error *err);
void directory_map_done(struct directory_map *map);
