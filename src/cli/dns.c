/* postrider dns: the records that a domain needs (`dns show`), and what the DNS has of them (`dns
 * check`). */
#include <stdio.h>

#include "cli/command.h"
#include "cli/dns_client.h"
#include "cli/dns_print.h"
#include "mail/idna.h"

static int say(const char *what, int status)
{
    fprintf(stderr, "postrider: %s\n", what);
    return status;
}

static void print_json(const struct dns_survey *survey)
{
    json_t *list = dns_print_json(survey);
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

static int show(struct dns_survey *survey, const struct options *options)
{
    struct buf out;
    if (options->is_json) {
        print_json(survey);
    } else {
        buf_init(&out, DNS_PRINT_LIMIT);
        if (options->is_table)
            dns_print_table(survey, &out);
        else
            dns_print_zone(survey, &out);
        printf("%.*s", BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
    const char *trouble = dns_survey_trouble(survey);
    return trouble ? say(trouble, EXIT_BAD) : EXIT_GOOD;
}

static int check(struct dns_survey *survey, const struct config *config,
                 const struct options *options)
{
    struct error err;
    const char *trouble = dns_survey_trouble(survey);
    struct dns_client *dns = dns_survey_client(config, &err);
    if (!dns)
        return say(err.text, EXIT_LATER);
    dns_survey_ask(survey, dns);
    dns_client_close(dns);
    if (options->is_json)
        print_json(survey);
    else
        dns_print_states(survey);
    if (trouble)
        say(trouble, EXIT_BAD);
    switch (dns_survey_worst(survey)) {
    case DNS_GOOD: return EXIT_GOOD;
    case DNS_MISSING:
    case DNS_DIFFERENT: return EXIT_BAD;
    case DNS_UNKNOWN: return EXIT_LATER;
    }
    return EXIT_LATER;
}

static int survey_domain(const struct options *options, bool is_check)
{
    struct buf domain;
    int status = EXIT_CONFIG;
    buf_init(&domain, HOST_NAME_LIMIT);
    if (!idna_to_ascii(bytes_of(options->words[0]), &domain)) {
        fprintf(stderr, "postrider: %s is no domain\n", options->words[0]);
        buf_done(&domain);
        return EXIT_USAGE;
    }
    struct config *config = command_config(options);
    if (config) {
        struct dns_survey *survey = dns_survey_new(config, buf_view(&domain), NULL, 0);
        status = is_check ? check(survey, config, options) : show(survey, options);
        dns_survey_free(survey);
    }
    config_free(config);
    buf_done(&domain);
    return status;
}

int command_dns_show(const struct options *options)
{
    return survey_domain(options, false);
}

int command_dns_check(const struct options *options)
{
    return survey_domain(options, true);
}
