/* What `postrider send` is asked to send, and where to: its options, read and checked. */
#pragma once

#include "base/arena.h"
#include "cli/option.h"

enum { SEND_RECIPIENT_LIMIT = 1000, SEND_FILE_LIMIT = OPTION_LIST_LIMIT };

enum send_tls {
    SEND_TLS_ANY,      /* STARTTLS where it is offered */
    SEND_TLS_NONE,     /* clear text */
    SEND_TLS_STARTTLS, /* or nothing */
    SEND_TLS_IMPLICIT, /* TLS from the beginning */
};

/* A file that goes with the text. Views. */
struct send_file {
    const char *path;  /* NUL-terminated, in the arena */
    struct bytes name; /* as the recipient sees it: the path's last part, or ;name= */
    struct bytes type; /* "image/png" */
    struct bytes cid;  /* of a picture in the HTML: cid:… */
};

struct send_plan {
    /* The message. Lists of addresses as they stand in its fields; NULL or empty: none. */
    const char *from, *reply_to, *subject;
    struct option_list to, cc, bcc, headers; /* of headers: "Name: value" */
    const char *text;                        /* the text itself; NULL: text_file */
    const char *text_file, *html_file;       /* "-": standard input; NULL: none */
    const char *message_file;                /* a whole message, in place of all above */
    struct send_file attached[SEND_FILE_LIMIT], pictures[SEND_FILE_LIMIT];
    size_t attached_count, picture_count;
    /* The envelope: addresses without < and >, domains in A-labels where the local part is ASCII.
     */
    struct bytes mail_from; /* empty: <> */
    struct bytes recipients[SEND_RECIPIENT_LIMIT];
    size_t recipient_count;
    /* The way. */
    const char *unix_path; /* NULL: host and port */
    struct bytes host;     /* empty: the configuration's own server */
    struct bytes tls_name; /* that its certificate is for, if not host; empty: host */
    uint16_t port;
    enum send_tls tls;
    const char *user, *password_file, *ca, *helo, *config;
    int64_t timeout_ms;
    bool is_password_stdin, is_dry_run, is_verbose, is_json;
};

enum { SEND_TIMEOUT_MS = 5 * 60 * 1000, SEND_ARENA = 8 << 20 };

/* Reads the words into *out; texts are in the arena or views of the words. False and err: they do
 * not make sense together, or one by itself. */
MUST_CHECK bool send_plan_read(char **words, size_t count, struct arena *arena,
                               struct send_plan *out, struct error *err);
/* The options for the help, a line or two each. */
void send_plan_print_options(FILE *out);
