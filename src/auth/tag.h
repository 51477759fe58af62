/* Tag lists: "name=value; name=value" as DKIM, DMARC and ARC write them (RFC 6376, 3.2).
 *
 * Views, not copies. Knows no tag by name; whether one may occur twice is its caller's to say. */
#pragma once

#include "base/bytes.h"

struct tag {
    struct bytes name, value; /* folding whitespace at both ends dropped, kept within */
};

enum tag_status {
    TAG_FOUND,
    TAG_END, /* nothing is left but whitespace */
    TAG_BAD, /* no "=", no name, or a name that is none: *list is where it was */
};

/* Takes the next tag from the front of *list. An empty item between two semicolons is TAG_BAD; one
 * semicolon at the end is fine. */
enum tag_status tag_next(struct bytes *list, struct tag *out);
/* Finds the first tag of that name (names have case); false: there is none, or the list is bad
 * before it. */
bool tag_find(struct bytes list, const char *name, struct bytes *value);

enum { TAGS_MOST = 64 }; /* more than any record has, so that comparing all with all stays small */

/* A list that is looked through more than once. */
struct tag_list {
    struct tag tags[TAGS_MOST]; /* up to what is bad */
    size_t count;
    bool is_valid; /* the whole of it is well formed, with no name twice (RFC 6376, 3.2), and has at
                      most TAGS_MOST tags */
};
void tag_list_read(struct tag_list *list, struct bytes text);
/* As tag_find(), in what was read. */
bool tag_list_find(const struct tag_list *list, const char *name, struct bytes *value);
