/* The files of a folder of journals: NAME.log is being written by the process NAME,
 * NAME.20261125T103000123Z.log was closed at that instant, and NAME.20261125T103000123Z.index is
 * its index (daemon/journal_index.h). */
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct journal_file {
    char *name;         /* "worker-0.20261125T103000123Z.log" */
    size_t process_len; /* of "worker-0", which it begins with */
    int64_t closed_ms;  /* 0: it is being written */
    uint64_t size;
};

/* By when they were closed, the oldest first, those that are written last. *out_owned is given back
 * to journal_files_free. */
MUST_CHECK bool journal_files_list(const char *folder, struct journal_file **out_owned,
                                   size_t *count, struct error *err);
void journal_files_free(struct journal_file *files_owned, size_t count);
/* Appends "worker-0.20261125T103000123Z.log". */
void journal_file_print(struct buf *out, const char *process, int64_t closed_ms);

/* The bytes of a file, mapped; empty when it is. The caller gives them to journal_unmap. fd: where
 * the open file is left for the caller to close; NULL: nowhere. */
MUST_CHECK bool journal_map(const char *path, struct bytes *out, int *fd, struct error *err);
void journal_unmap(struct bytes mapped);
/* Makes the index of a closed journal, whose text it is, and puts it beside the file if that may
 * be; *index takes JOURNAL_INDEX_LIMIT bytes. False: there is none, and err says why. */
MUST_CHECK bool journal_make_index(const char *path, struct bytes journal, struct buf *index,
                                   struct error *err);
/* The path of the index of the journal with that path: appended with its NUL. */
void journal_index_path(struct buf *out, const char *path);
/* Removes what is older than keep_ms (0: nothing is) of any process, and the oldest of this one's
 * while all of them have more than size_bytes. What cannot be removed stays. */
void journal_files_prune(const char *folder, const char *process, int64_t oldest_ms,
                         uint64_t size_bytes);
