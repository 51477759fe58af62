/* Finds the lines of the trace journals that belong to what is asked for. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct trace_line {
    struct bytes text; /* a whole line in logfmt; a view into its file */
    struct bytes time; /* its time=, as written: sorts as text */
    uint64_t id;       /* its id=; 0: none */
};

struct trace_lines {
    struct trace_line *lines; /* by id, then by time; those without id at the end */
    size_t count;
    bool was_cut;             /* there were more than can be shown */
    struct trace_file *files; /* keeps the text in memory */
    size_t file_count;
};

enum { TRACE_LINE_LIMIT = 100 * 1000 };

/* Reads all journals in the folder. needle is a message's id (all lines with it), or else an
 * address, a host or any text: the lines with it, in any case, and all lines of the messages they
 * name. */
MUST_CHECK bool trace_lines_open(struct trace_lines *lines, const char *folder, struct bytes needle,
                                 struct error *err);
void trace_lines_close(struct trace_lines *lines);
/* Visits every line of all journals, each file's in order. */
typedef void trace_visit(void *context, struct bytes line);
void trace_lines_each(const struct trace_lines *lines, trace_visit *visit, void *context);
/* The value, as written, of a field that never needs escapes; empty: the line has none. */
struct bytes trace_lines_value(struct bytes line, struct bytes wanted);

/* Takes the next "name=value" from *rest; the value's quotes and escapes are undone into *value
 * (cleared first). False at the end, and at what is no logfmt. */
bool trace_field(struct bytes *rest, struct bytes *name, struct buf *value);
