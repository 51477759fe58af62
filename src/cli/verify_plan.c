#include "cli/verify_plan.h"

#include <stddef.h>

/* The words as they are given; NULL: not given. */
struct given {
    const char *ip, *helo, *mail_from, *zone, *time, *config;
    const char *is_lf, *is_json;
    struct option_list header_from, dkim_pass, spf_pass;
};

#define GIVEN(member) offsetof(struct given, member)

static const struct option options[] = {
    {"--ip", "ADDRESS", OPTION_VALUE, GIVEN(ip),
     "the address of the host that sent it: SPF is checked", NULL},
    {"--helo", "NAME", OPTION_VALUE, GIVEN(helo), "what it said in EHLO or HELO", NULL},
    {"--from", "ADDRESS", OPTION_VALUE, GIVEN(mail_from),
     "the reverse-path (MAIL FROM); <> or none: SPF is checked for the name in HELO", NULL},
    {"--header-from", "ADDRESS", OPTION_LIST, GIVEN(header_from),
     "what stands in From:, in place of a message: DMARC is checked", NULL},
    {"--dkim-pass", "DOMAIN", OPTION_LIST, GIVEN(dkim_pass),
     "for DMARC: a signature of this domain is good; may be repeated", NULL},
    {"--spf-pass", "DOMAIN", OPTION_LIST, GIVEN(spf_pass), "for DMARC: SPF passes for this domain",
     NULL},
    {"--zone", "FILE", OPTION_VALUE, GIVEN(zone), "answer from this JSON zone, not from the DNS",
     NULL},
    {"--time", "UNIX", OPTION_VALUE, GIVEN(time),
     "the time of the check, in seconds since 1970 (now)", NULL},
    {"--lf", NULL, OPTION_FLAG, GIVEN(is_lf),
     "LF ends lines in the file; implied where it has no CRLF at all", NULL},
    {"--config", "FILE", OPTION_VALUE, GIVEN(config),
     "the configuration, of which `resolver` is used", NULL},
    {"--json", NULL, OPTION_FLAG, GIVEN(is_json), "print JSON for programs", NULL},
};

void verify_plan_print_options(FILE *out)
{
    option_print(options, COUNT(options), out);
}

static const char *or_nothing(const char *text)
{
    return text ? text : "";
}

static bool fill(const struct given *given, struct verify_plan *plan, struct error *err)
{
    uint64_t now_s;
    if (given->ip && !ip_scan(bytes_of(given->ip), &plan->ip))
        return error_set(err, 0, "%.80s is no IP address", given->ip);
    if (given->time && !scan_u64(bytes_of(given->time), INT64_MAX / 1000, &now_s))
        return error_set(err, 0, "%.80s is no time in seconds since 1970", given->time);
    plan->has_ip = given->ip != NULL;
    plan->now_s = given->time ? (int64_t)now_s : -1;
    plan->helo = or_nothing(given->helo);
    plan->mail_from = or_nothing(given->mail_from);
    plan->zone = given->zone;
    plan->config = given->config;
    plan->is_lf = given->is_lf != NULL;
    plan->is_json = given->is_json != NULL;
    plan->header_from = given->header_from;
    plan->dkim_pass = given->dkim_pass;
    plan->spf_pass = given->spf_pass;
    return true;
}

static bool is_whole(const struct verify_plan *plan, struct error *err)
{
    bool has_identity = plan->helo[0] || plan->mail_from[0];
    if (has_identity && !plan->has_ip)
        return error_set(err, 0, "--helo and --from need --ip, the address of the host that sent");
    if (plan->has_ip && !has_identity && !plan->file && plan->header_from.count == 0)
        return error_set(err, 0, "--ip needs --from or --helo, whose domain is checked");
    if (plan->file && plan->header_from.count)
        return error_set(err, 0, "--header-from is in place of a FILE");
    if (!plan->file && !plan->has_ip && plan->header_from.count == 0)
        return error_set(err, 0,
                         "what is there to verify? A FILE; or --ip with --from or --helo; or "
                         "--header-from");
    if (plan->header_from.count == 0 && (plan->dkim_pass.count || plan->spf_pass.count))
        return error_set(err, 0, "--dkim-pass and --spf-pass need --header-from");
    return true;
}

bool verify_plan_read(char **words, size_t count, struct verify_plan *out, struct error *err)
{
    struct given given = {.ip = NULL};
    struct verify_plan plan = {.file = NULL};
    struct option_list files = {.count = 0};
    if (!option_read(options, COUNT(options), words, count, &given, &files, err) ||
        !fill(&given, &plan, err))
        return false;
    if (files.count > 1)
        return error_set(err, 0, "one FILE at a time, not %.80s too", files.at[1]);
    plan.file = files.count ? files.at[0] : NULL;
    if (!is_whole(&plan, err))
        return false;
    *out = plan;
    return true;
}
