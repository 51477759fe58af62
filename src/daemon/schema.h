/* Reads a YAML document by tables of keys: each with its kind, limits, default and help. One
 * walker serves all tables; what takes several forms (a path or a mapping, a name or a list) is
 * read by a function of its own.
 *
 * libyaml's document is the source: it knows the line of every value. Everything that is wrong
 * is reported, up to a bound, as "FILE:LINE: what; what to write instead". */
#pragma once

#include <yaml.h>

#include "base/arena.h"
#include "base/buf.h"

enum {
    SCHEMA_TEXT_LIMIT = 1 << 20,     /* bytes of a document */
    SCHEMA_DEPTH_LIMIT = 16,         /* of nested values */
    SCHEMA_PROBLEM_LIMIT = 20,       /* then reading goes on in silence */
    SCHEMA_VISIT_LIMIT = 1000 * 1000 /* values read, so that aliases of aliases end */
};

struct schema {
    yaml_document_t document;
    const char *path;     /* of the file, for problems */
    struct arena *arena;  /* for texts */
    struct buf *problems; /* a line each */
    size_t problem_count, visits;
};

/* A value and where it stands; at points to `len` bytes and a NUL, in the arena. Line 0: it is a
 * default. */
struct schema_text {
    char *at;
    size_t len;
    unsigned line;
};

enum schema_kind {
    SCHEMA_TEXT,     /* struct schema_text */
    SCHEMA_NUMBER,   /* uint64_t */
    SCHEMA_SIZE,     /* uint64_t, bytes: 10K, 50M, 1G */
    SCHEMA_DURATION, /* int64_t, ms: 250ms, 90s, 5m, 4h, 5d */
    SCHEMA_WORD,     /* unsigned: the place in words */
    SCHEMA_MAP,      /* a mapping of its own table, in the same target */
    SCHEMA_FORM,     /* what read() makes of it */
    SCHEMA_LATER,    /* known, but not in this version: help says what to write */
};

struct schema_table;
typedef void schema_read(struct schema *schema, yaml_node_t *node, void *target);
struct schema_key {
    const char *name;
    enum schema_kind kind;
    size_t offset;            /* of the value in the target; FORM and MAP have the target itself */
    const char *fallback;     /* the default as it would be written; NULL: the value stays zero */
    uint64_t least, most;     /* NUMBER, SIZE, and DURATION in ms */
    const char *const *words; /* WORD: ends with NULL */
    const struct schema_table *table;
    schema_read *read;
    const char *help; /* one line; of a form also what it takes */
};
struct schema_table {
    const char *name; /* in front of its keys in problems ("limits"); empty at the top */
    const struct schema_key *keys;
    size_t count;
};

/* Parses the text, within the limits. False: problems say why, and schema_close is not needed.
 * path, arena and problems are kept. */
MUST_CHECK bool schema_open(struct schema *schema, struct bytes text, const char *path,
                            struct arena *arena, struct buf *problems);
void schema_close(struct schema *schema);
/* The outermost value; NULL: the document is empty. */
yaml_node_t *schema_root(struct schema *schema);

/* Sets the defaults of a table (those of nested tables too). */
void schema_defaults(struct schema *schema, const struct schema_table *table, void *target);
/* Sets the defaults, then reads the mapping; anything else is a problem. */
void schema_map(struct schema *schema, yaml_node_t *node, const struct schema_table *table,
                void *target);

/* Reports a problem at a line (0: of the file as a whole). */
void schema_problem(struct schema *schema, unsigned line, const char *format, ...)
    PRINTF_LIKE(3, 4);
unsigned schema_line(const yaml_node_t *node);
/* Reads a scalar as text; false (and a problem naming `what`) for other nodes, for nothing and for
 * a NUL in it. */
MUST_CHECK bool schema_text(struct schema *schema, yaml_node_t *node, const char *what,
                            struct schema_text *out);
/* Walks the items of a sequence: start with *place 0. NULL at the end. */
yaml_node_t *schema_item(struct schema *schema, const yaml_node_t *node, size_t *place);
/* Walks the pairs of a mapping; false at the end. */
bool schema_pair(struct schema *schema, const yaml_node_t *node, size_t *place, yaml_node_t **key,
                 yaml_node_t **value);

/* Sizes and durations as people write them. */
MUST_CHECK bool schema_scan_size(struct bytes text, uint64_t *out);
MUST_CHECK bool schema_scan_duration(struct bytes text, int64_t *out_ms);
