/* What `sendmail` is asked to do: the options that programs give it since the eighties, read and
 * checked. Those that steer an old sendmail's insides are taken and mean nothing here. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum sendmail_mode {
    SENDMAIL_SUBMIT,  /* -bm: a message from standard input */
    SENDMAIL_SESSION, /* -bs: SMTP on standard input and output */
    SENDMAIL_QUEUE,   /* -bp, and when called mailq: list the queue */
    SENDMAIL_ALIASES, /* -bi, and when called newaliases: nothing is to be done */
    SENDMAIL_RETRY,   /* -q without a time: try the queue now */
};

enum { SENDMAIL_RECIPIENTS = 10000, SENDMAIL_TEXT_LIMIT = 1 << 20 };

struct sendmail_plan {
    enum sendmail_mode mode;
    const char *config;     /* -C, --config; NULL: the default, where it can be read */
    const char *sender;     /* -f, -r; NULL: the user */
    const char *full_name;  /* -F; NULL: the user's */
    const char *notify;     /* -N, as RFC 3461 has it; NULL: not given */
    const char *ret;        /* -R: "FULL" or "HDRS"; NULL */
    const char *envid;      /* -V, as xtext; NULL */
    bool takes_from_header; /* -t */
    bool ignores_dots;      /* -i: a line with a dot alone ends nothing */
    bool is_verbose;        /* -v */
    char **words;           /* the recipients on the command line */
    size_t word_count;
};

/* name: how the program was called. False and err: an option that is none, or one whose meaning
 * would be lost (a daemon, a test mode). Views of the words. */
MUST_CHECK bool sendmail_plan_read(const char *name, char **words, size_t count,
                                   struct sendmail_plan *out, struct error *err);
