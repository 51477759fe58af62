/* What `postrider init` is asked to make: its options, read and checked, and the configuration that
 * comes of them. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "mail/address.h"
#include "mail/idna.h"

enum { INIT_USER_LIMIT = LOCAL_PART_LIMIT + 1 + DOMAIN_LIMIT };

/* A development server's ports are the usual ones and an offset. */
enum {
    INIT_PORT_MX = 25,
    INIT_PORT_SUBMISSIONS = 465,
    INIT_PORT_SUBMISSION = 587,
    INIT_PORT_ELSEWHERE = 600, /* where mail for other domains goes; nothing is there */
    INIT_OFFSET_LEAST = 1000,
    INIT_OFFSET_DEFAULT = 2000,
    INIT_OFFSET_MOST = 64000,
};

struct init_plan {
    const char *folder;
    char domain[HOST_NAME_LIMIT + 1], hostname[HOST_NAME_LIMIT + 1]; /* as the DNS has them */
    char user[INIT_USER_LIMIT + 1];                                  /* the first account */
    unsigned port_offset; /* 0: where the ports are free */
    bool is_password_stdin, is_json;
};

/* False and err: the words do not make sense together, or one by itself. Views of the words. */
MUST_CHECK bool init_plan_read(char **words, size_t count, struct init_plan *out,
                               struct error *err);
/* The options for the help, a line or two each. */
void init_plan_print_options(FILE *out);
/* Appends postrider.yaml for a plan that has its port_offset. Its paths are relative. */
void init_plan_print_config(const struct init_plan *plan, struct buf *out);
