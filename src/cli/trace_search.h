/* Finds the lines of the trace journals that belong to what is asked for, as stories: what happened
 * to one message with the session that brought it; what happened in a session that brought none;
 * and the rest, which is about neither. */
#pragma once

#include "cli/trace_files.h"
#include "cli/trace_query.h"

struct trace_line {
    struct bytes text; /* a whole line in logfmt; a view into its file */
    struct bytes time; /* its time=, as written: sorts as text */
};

struct trace_story {
    uint64_t id;              /* of the message; 0: there is none */
    uint64_t session;         /* that brought it, or that the story is of; 0: unknown, or none */
    struct trace_line *lines; /* in order */
    size_t count, room;
    size_t left_out;                /* attempts that are not among them, as there were so many */
    struct trace_story *in_session; /* the next message of the same session */
};

struct trace_stories {
    struct trace_story **stories; /* by their first lines' time; the rest is last */
    size_t count, room;
    bool was_cut; /* there are older ones than these */
};

/* The stories that have a line that matches the query, each told whole; the newest `most`, or a few
 * more. They borrow the files' text. */
void trace_search(struct trace_files *files, const struct trace_query *query, size_t most,
                  struct trace_stories *out);
void trace_stories_done(struct trace_stories *stories);

/* Adds a copy of the line (not of its text), in no order. */
void trace_story_add(struct trace_story *story, struct bytes line);
/* Puts the lines in order. */
void trace_story_sort(struct trace_story *story);
