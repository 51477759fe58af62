/* What `postrider verify` is asked to do: its options, read and checked. */
#pragma once

#include <stdint.h>

#include "base/ip.h"
#include "cli/option.h"

struct verify_plan {
    const char *file;      /* of the message; "-" is standard input; NULL: none */
    const char *config;    /* NULL: the default one, if it is there */
    const char *zone;      /* answers in place of the DNS; NULL: the DNS does */
    const char *helo;      /* "": not given */
    const char *mail_from; /* without < and >; "": the null one, or not given */
    struct ip ip;
    bool has_ip; /* SPF is checked */
    struct option_list header_from, dkim_pass, spf_pass;
    int64_t now_s; /* -1: the time of day */
    bool is_json, is_lf;
};

/* False and err: the words do not make sense together, or one by itself. Views of the words. */
MUST_CHECK bool verify_plan_read(char **words, size_t count, struct verify_plan *out,
                                 struct error *err);
/* The options for the help, a line or two each. */
void verify_plan_print_options(FILE *out);
