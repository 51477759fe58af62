/* The options of a command that reads its own: a table of rows says what there is, and a struct of
 * the command's takes what is given. Knows words only; what they mean is the command's affair. */
#pragma once

#include <stdio.h>

#include "base/error.h"

enum option_kind {
    OPTION_VALUE, /* a const char *: the value; the last one counts */
    OPTION_FLAG,  /* a const char *: not NULL when it is given */
    OPTION_LIST,  /* a struct option_list: each time one more */
};

enum { OPTION_LIST_LIMIT = 64 };

struct option_list {
    const char *at[OPTION_LIST_LIMIT];
    size_t count;
};

struct option {
    const char *name;     /* "--server" */
    const char *argument; /* "HOST", for the help; NULL for a flag */
    enum option_kind kind;
    size_t offset;      /* of the field in the command's struct */
    const char *help;   /* whole lines; those behind the first begin with six spaces */
    const char *letter; /* "-v"; NULL: it has no short form */
};

/* Reads the words of a command line into the fields that the rows name in the struct at `given`,
 * all of them zeroed before by the caller. Views of the words. What is no option goes to
 * operands; NULL: there may be none. "--name=VALUE" and "--name VALUE" are the same, "--" ends the
 * options, and "-" alone is an operand. False and err: no such option, a value missing or too much,
 * or given too often. */
MUST_CHECK bool option_read(const struct option *rows, size_t row_count, char **words, size_t count,
                            void *given, struct option_list *operands, struct error *err);
/* All rows for the help, two lines or more each. */
void option_print(const struct option *rows, size_t row_count, FILE *out);
