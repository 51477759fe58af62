/* What `postrider init` is asked to make: its options, read and checked. What is not given stays
 * empty for a real host: it is found out or asked for; one for development has defaults. */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "cli/option.h"
#include "cli/own_addresses.h"
#include "mail/address.h"
#include "mail/idna.h"

enum { INIT_USER_LIMIT = LOCAL_PART_LIMIT + 1 + DOMAIN_LIMIT, INIT_URL_LIMIT = 300 };

/* A server's ports are the usual ones and an offset. */
enum {
    INIT_PORT_MX = 25,
    INIT_PORT_SUBMISSIONS = 465,
    INIT_PORT_SUBMISSION = 587,
    INIT_PORT_ELSEWHERE = 600, /* for development: where mail for other domains goes */
    INIT_OFFSET_LEAST = 1000,
    INIT_OFFSET_DEFAULT = 2000,
    INIT_OFFSET_MOST = 64000,
};

/* A host that everybody's mail can go to: what it shows is whether connections get out. */
#define INIT_PROBE_DEFAULT "gmail-smtp-in.l.google.com"

struct init_plan {
    bool is_dev;
    const char *folder; /* NULL: the places of a system, of a real host only */
    char domain[HOST_NAME_LIMIT + 1], hostname[HOST_NAME_LIMIT + 1]; /* as the DNS has them */
    char user[INIT_USER_LIMIT + 1];                                  /* the first account */
    unsigned port_offset; /* for development 0: where the ports are free */
    bool is_password_stdin, is_json;
    /* Of a real host: */
    bool is_quiet;   /* asks nothing */
    bool is_offline; /* asks nobody in the network either */
    bool is_dry_run;
    bool has_ipv6;                             /* listens on it too: the caller finds out */
    const char *run_as;                        /* NULL: nobody */
    char certificate[PATH_MAX], key[PATH_MAX]; /* "": one is to be made */
    char relayhost[INIT_URL_LIMIT];            /* "": none */
    const char *relayhost_user;                /* NULL: no login */
    char relayhost_password_file[PATH_MAX];
    char probe_host[HOST_NAME_LIMIT + 1]; /* or an address */
    uint16_t probe_port;
    struct option_list resolvers;
    struct own_addresses addresses; /* those that were given */
};

/* False and err: the words do not make sense together, or one by itself. Views of the words. */
MUST_CHECK bool init_plan_read(char **words, size_t count, struct init_plan *out,
                               struct error *err);
/* The options for the help, a line or two each. */
void init_plan_print_options(FILE *out);

/* As their options do; false and err: it is none. The address of an account has to be in the
 * domain, or, where there is none yet, makes it. */
MUST_CHECK bool init_plan_set_domain(struct init_plan *plan, const char *text, struct error *err);
MUST_CHECK bool init_plan_set_hostname(struct init_plan *plan, const char *text, struct error *err);
MUST_CHECK bool init_plan_set_user(struct init_plan *plan, const char *text, struct error *err);
MUST_CHECK bool init_plan_set_relayhost(struct init_plan *plan, const char *text,
                                        struct error *err);
MUST_CHECK bool init_plan_add_address(struct init_plan *plan, const char *text, struct error *err);

/* Where things go, as the configuration has it: relative to its folder, or absolute. */
struct init_places {
    const char *folder; /* of postrider.yaml and tls */
    const char *spool, *mail;
    const char *run; /* NULL: in the spool */
};
struct init_places init_plan_places(const struct init_plan *plan);
/* Appends the path of such a name as one would write it from here, and a NUL. */
void init_plan_add_path(const struct init_plan *plan, const char *name, struct buf *out);
