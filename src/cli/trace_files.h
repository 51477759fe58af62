/* The journals as one text in blocks, of which a search reads those that its names may stand in
 * (daemon/journal_index.h). */
#pragma once

#include "base/error.h"
#include "daemon/journal_index.h"

/* Borrowed until the files are closed. */
struct trace_block {
    struct bytes text; /* whole lines */
    int64_t first_ms, last_ms;
    size_t file, number; /* the number is that in the file */
};

/* A journal that is being written, for those who go on reading. */
struct trace_tail {
    const char *path;
    int fd;          /* of the file that the blocks are of, whatever is at the path now */
    uint64_t offset; /* what the blocks hold ends here */
};

struct trace_files;

/* Opens all journals of the folder. An index that is missing or damaged is made anew, and put where
 * it belongs if that may be; without one the whole journal is searched. */
struct trace_files *trace_files_open(const char *folder, struct error *err);
void trace_files_close(struct trace_files *files);

/* What is selected: nothing at first. */
void trace_files_select_none(struct trace_files *files);
void trace_files_select_all(struct trace_files *files);
/* Adds the blocks that may have all these words; those that an index does not know are taken to be
 * everywhere. */
void trace_files_select(struct trace_files *files, const struct bytes *words, size_t count);
/* Walks the selected blocks, the newest first: start with *place 0. NULL at the end. */
const struct trace_block *trace_files_next(const struct trace_files *files, size_t *place);
/* Bytes of all blocks, and of those that are selected. */
uint64_t trace_files_bytes(const struct trace_files *files, bool is_of_selected);
/* Walks the journals that are being written. */
bool trace_files_tail(const struct trace_files *files, size_t *place, struct trace_tail *out);
