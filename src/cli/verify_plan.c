#include "cli/verify_plan.h"

#include <stddef.h>
#include <string.h>

enum kind { TEXT, FLAG, ADDRESS, TIME, NAMES };

static const struct option {
    const char *name, *argument; /* NULL: a flag */
    enum kind kind;
    size_t offset;
    const char *help;
} options[] = {
    {"--ip", "ADDRESS", ADDRESS, 0, "the address of the host that sent it: SPF is checked"},
    {"--helo", "NAME", TEXT, offsetof(struct verify_plan, helo), "what it said in EHLO or HELO"},
    {"--from", "ADDRESS", TEXT, offsetof(struct verify_plan, mail_from),
     "the reverse-path (MAIL FROM); <> or none: SPF is checked for the name in HELO"},
    {"--header-from", "ADDRESS", NAMES, offsetof(struct verify_plan, header_from),
     "what stands in From:, in place of a message: DMARC is checked"},
    {"--dkim-pass", "DOMAIN", NAMES, offsetof(struct verify_plan, dkim_pass),
     "for DMARC: a signature of this domain is good; may be repeated"},
    {"--spf-pass", "DOMAIN", NAMES, offsetof(struct verify_plan, spf_pass),
     "for DMARC: SPF passes for this domain"},
    {"--zone", "FILE", TEXT, offsetof(struct verify_plan, zone),
     "answer from this JSON zone, not from the DNS"},
    {"--time", "UNIX", TIME, offsetof(struct verify_plan, now_s),
     "the time of the check, in seconds since 1970 (now)"},
    {"--lf", NULL, FLAG, offsetof(struct verify_plan, is_lf),
     "LF ends lines in the file; implied where it has no CRLF at all"},
    {"--config", "FILE", TEXT, offsetof(struct verify_plan, config),
     "the configuration, of which `resolver` is used"},
    {"--json", NULL, FLAG, offsetof(struct verify_plan, is_json), "print JSON for programs"},
};

void verify_plan_print_options(FILE *out)
{
    for (size_t i = 0; i < COUNT(options); i++)
        fprintf(out, "  %s%s%s\n      %s\n", options[i].name, options[i].argument ? " " : "",
                options[i].argument ? options[i].argument : "", options[i].help);
}

static bool add_name(struct verify_names *names, const struct option *option, const char *value,
                     struct error *err)
{
    if (names->count == VERIFY_NAME_LIMIT)
        return error_set(err, 0, "%s is given more than %d times", option->name, VERIFY_NAME_LIMIT);
    names->list[names->count++] = value;
    return true;
}

static bool take_value(struct verify_plan *plan, const struct option *option, const char *value,
                       struct error *err)
{
    void *place = (char *)plan + option->offset;
    uint64_t number;
    switch (option->kind) {
    case TEXT: *(const char **)place = value; return true;
    case FLAG: *(bool *)place = true; return true;
    case NAMES: return add_name(place, option, value, err);
    case ADDRESS:
        plan->has_ip = ip_scan(bytes_of(value), &plan->ip);
        return plan->has_ip || error_set(err, 0, "%s is no IP address", value);
    case TIME:
        if (!scan_u64(bytes_of(value), INT64_MAX / 1000, &number))
            return error_set(err, 0, "%s is no time in seconds since 1970", value);
        *(int64_t *)place = (int64_t)number;
        return true;
    }
    return false;
}

static const struct option *find_option(const char *word, size_t len)
{
    for (size_t i = 0; i < COUNT(options); i++)
        if (strlen(options[i].name) == len && strncmp(options[i].name, word, len) == 0)
            return &options[i];
    return NULL;
}

/* Takes the option at *at, and its value, which may stand behind a "=". */
static bool take_option(char **words, size_t count, size_t *at, struct verify_plan *plan,
                        struct error *err)
{
    const char *word = words[*at];
    size_t len = strcspn(word, "=");
    const struct option *option = find_option(word, len);
    if (!option)
        return error_set(err, 0, "there is no option %s", word);
    if (!option->argument)
        return word[len] ? error_set(err, 0, "no value belongs to %s", option->name)
                         : take_value(plan, option, NULL, err);
    if (word[len])
        return take_value(plan, option, word + len + 1, err);
    if (++*at == count)
        return error_set(err, 0, "%s needs a value: %s", option->name, option->argument);
    return take_value(plan, option, words[*at], err);
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
    struct verify_plan plan = {.helo = "", .mail_from = "", .now_s = -1};
    for (size_t i = 0; i < count; i++) {
        bool is_option = words[i][0] == '-' && words[i][1];
        if (is_option && !take_option(words, count, &i, &plan, err))
            return false;
        if (is_option)
            continue;
        if (plan.file)
            return error_set(err, 0, "one FILE at a time, not %s too", words[i]);
        plan.file = words[i];
    }
    if (!is_whole(&plan, err))
        return false;
    *out = plan;
    return true;
}
