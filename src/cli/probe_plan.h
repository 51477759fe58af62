/* What `postrider probe` is asked to look at: its options, read and checked. */
#pragma once

#include "base/ip.h"
#include "cli/option.h"
#include "mail/address.h"
#include "net/resolver.h"
#include "queue/hosts.h"

struct probe_plan {
    struct bytes text;      /* the target as it was given */
    bool is_address;        /* ann@example.org: else a host */
    struct address address; /* of a recipient; without a domain when it is a host */
    struct bytes host;      /* a name, or an address without brackets */
    uint16_t port;          /* of HOST:PORT or --port; 0: the usual ones */
    const char *mail_from;  /* without < and >; "": the null reverse-path */
    const char *helo;       /* NULL: this host's name */
    const char *user;       /* to log in as; NULL: not at all */
    const char *config;     /* NULL: the default one, if it is there */
    const char *zone;       /* answers in place of the DNS; NULL: the DNS does */
    const char *ca;         /* a file of certificates to trust; NULL: the system's */
    struct option_list resolvers;
    enum address_families families;
    int64_t timeout_ms; /* for each step */
    bool is_password_stdin, is_json;
};

enum { PROBE_TIMEOUT_MS = 10 * 1000 };

/* False and err: the words do not make sense together, or one by itself. Views of the words. */
MUST_CHECK bool probe_plan_read(char **words, size_t count, struct probe_plan *out,
                                struct error *err);
/* The options for the help, a line or two each. */
void probe_plan_print_options(FILE *out);
