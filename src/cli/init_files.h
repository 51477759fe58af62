/* The folders and files that init makes: none is ever overwritten, and each that was made is
 * remembered, for what is said in the end. */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

enum init_owner {
    INIT_OWN,     /* whoever runs init */
    INIT_GROUP,   /* the same, and the server's group may read it */
    INIT_SERVERS, /* the server's user */
};

struct init_files {
    bool has_server; /* uid and gid are the server's; else all belongs to whoever runs init */
    uid_t uid;
    gid_t gid;
    struct buf made; /* paths, a line each */
};

void init_files_begin(struct init_files *files);
void init_files_end(struct init_files *files);

/* False and err: something is at the path already, or it cannot be looked at. */
MUST_CHECK bool init_files_is_free(const char *path, struct error *err);
/* Makes the folder, and those above it that are missing (0755); one that is there stays as it is.
 */
MUST_CHECK bool init_files_folder(struct init_files *files, const char *path, mode_t mode,
                                  enum init_owner owner, struct error *err);
/* Writes a new file, durably. */
MUST_CHECK bool init_files_write(struct init_files *files, const char *path, mode_t mode,
                                 enum init_owner owner, struct bytes text, struct error *err);
