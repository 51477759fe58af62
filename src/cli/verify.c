#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpsl.h>

#include "base/instant.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/dns_client.h"
#include "cli/verify_file.h"
#include "cli/verify_plan.h"
#include "cli/verify_report.h"
#include "facts/facts.h"
#include "mail/header.h"

/* All that a verification owns; the findings are views of it. */
struct verification {
    struct verify_plan plan;
    struct config *config;
    struct dns_client *dns;
    struct arena *arena;
    struct buf text; /* the message, with CRLF */
    struct body_hash *body;
    struct dkim_verify *dkim;
    struct arc_verify *arc;
    /* A table for each decision. */
    struct facts *spf_facts, *helo_facts, *name_facts, *message_facts, *dmarc_facts;
    struct dmarc_identifier identifiers[DMARC_IDENTIFIER_LIMIT];
    struct verify_findings findings;
};

enum { ARENA_LIMIT = AUTHOR_ARENA + 2 * SPF_ARENA + 65536 };

static int complain(const struct error *err, int status)
{
    fprintf(stderr, "postrider verify: %s\n", err->text);
    if (status == EXIT_USAGE)
        fprintf(stderr, "see: postrider verify --help\n");
    return status;
}

/* --- What is needed --------------------------------------------------------------------------- */

/* The configuration that is named; or the default one, if there is one that may be read. */
static bool read_config(struct verification *verification)
{
    struct options options = {.config = verification->plan.config};
    bool is_named = options.config != NULL;
    if (!is_named)
        options.config = COMMAND_CONFIG_DEFAULT;
    if (!is_named && (verification->plan.zone || access(options.config, R_OK) != 0))
        return true;
    verification->config = command_config(&options);
    return verification->config != NULL;
}

static bool open_dns(struct verification *verification, struct error *err)
{
    struct resolver_settings settings = {.is_validating = true};
    struct config *config = verification->config;
    if (config && !verification->plan.zone) {
        struct buf problems;
        buf_init(&problems, sizeof err->text);
        bool is_read = config_read_anchor(config, &problems);
        if (!is_read)
            error_set(err, 0, "%.*s", BYTES_ARGS(bytes_trim(buf_view(&problems))));
        buf_done(&problems);
        if (!is_read)
            return false;
        settings = config->resolver;
    }
    verification->dns = dns_client_open(verification->plan.zone, &settings, err);
    return verification->dns != NULL;
}

static bool read_message(struct verification *verification, struct error *err)
{
    const char *path = verification->plan.file;
    struct buf raw;
    buf_init(&raw, VERIFY_MESSAGE_LIMIT);
    buf_init(&verification->text, 2 * (size_t)VERIFY_MESSAGE_LIMIT);
    bool is_read = verify_file_read(path, &raw, err);
    if (!is_read)
        (void)error_wrap(err, "%s", path);
    else if (verification->plan.is_lf || verify_file_is_lf(buf_view(&raw)))
        verify_file_add_cr(&verification->text, buf_view(&raw));
    else
        buf_add(&verification->text, buf_view(&raw));
    buf_done(&raw);
    return is_read;
}

static void begin(struct verification *verification)
{
    verification->arena = arena_new(ARENA_LIMIT);
    verification->spf_facts = facts_new();
    verification->helo_facts = facts_new();
    verification->name_facts = facts_new();
    verification->message_facts = facts_new();
    verification->dmarc_facts = facts_new();
    if (verification->plan.now_s < 0)
        verification->plan.now_s = instant_now_ms() / 1000;
}

static void end(struct verification *verification)
{
    dkim_verify_free(verification->dkim);
    arc_verify_free(verification->arc);
    body_hash_free(verification->body);
    facts_free(verification->spf_facts);
    facts_free(verification->helo_facts);
    facts_free(verification->name_facts);
    facts_free(verification->message_facts);
    facts_free(verification->dmarc_facts);
    buf_done(&verification->text);
    arena_free(verification->arena);
    if (verification->dns)
        dns_client_close(verification->dns);
    config_free(verification->config);
}

/* --- The checks ------------------------------------------------------------------------------- */

static struct bytes without_brackets(struct bytes path)
{
    bool has_brackets = path.len >= 2 && path.at[0] == '<' && path.at[path.len - 1] == '>';
    return has_brackets ? bytes_sub(path, 1, path.len - 2) : path;
}

static void check_spf(struct verification *verification)
{
    const struct verify_plan *plan = &verification->plan;
    struct verify_findings *findings = &verification->findings;
    const struct config *config = verification->config;
    findings->has_spf = true;
    findings->spf_query = (struct spf_query){
        .ip = plan->ip,
        .helo = bytes_of(plan->helo),
        .mail_from = without_brackets(bytes_of(plan->mail_from)),
        .receiver = bytes_of(config ? config->hostname : ""),
        .now_ms = plan->now_s * 1000,
    };
    while (spf_check(&findings->spf_query, verification->spf_facts, verification->arena,
                     &findings->spf) == SPF_NEEDS_FACTS)
        dns_client_answer(verification->dns, verification->spf_facts);
}

/* Beside the reverse-path; without one that is what check_spf() did. */
static void check_helo(struct verification *verification)
{
    struct verify_findings *findings = &verification->findings;
    findings->has_helo = true;
    findings->helo_query = findings->spf_query;
    findings->helo_query.identity = SPF_HELO;
    findings->helo_query.mail_from = BYTES_NONE;
    while (spf_check(&findings->helo_query, verification->helo_facts, verification->arena,
                     &findings->helo) == SPF_NEEDS_FACTS)
        dns_client_answer(verification->dns, verification->helo_facts);
}

/* Only people are told. */
static void check_name(struct verification *verification)
{
    struct verify_findings *findings = &verification->findings;
    struct facts *facts = verification->name_facts;
    findings->has_iprev = true;
    while ((findings->iprev = iprev_check(&verification->plan.ip, facts, &findings->names)) ==
           IPREV_NEEDS_FACTS)
        dns_client_answer(verification->dns, facts);
}

static void check_signatures(struct verification *verification)
{
    struct verify_findings *findings = &verification->findings;
    struct bytes text = buf_view(&verification->text), section = text, body = BYTES_NONE;
    size_t length;
    if (header_end(text, &length)) {
        section = bytes_sub(text, 0, length);
        body = bytes_from(text, length + 2);
    }
    findings->has_message = true;
    struct dkim_limits limits = {0};
    if (verification->config)
        limits.key_bits = (unsigned)verification->config->verify.rsa_bits;
    verification->body = body_hash_new();
    verification->dkim = dkim_verify_new(section, verification->body, &limits);
    verification->arc = arc_verify_new(section, verification->body, &limits);
    body_hash_add(verification->body, body);
    body_hash_end(verification->body);
    int64_t now_s = verification->plan.now_s;
    struct facts *facts = findings->facts = verification->message_facts;
    for (;;) {
        bool needs_facts = dkim_verify_finish(verification->dkim, facts, now_s, &findings->dkim) ==
                           DKIM_NEEDS_FACTS;
        needs_facts |=
            arc_verify_finish(verification->arc, facts, now_s, &findings->arc) == ARC_NEEDS_FACTS;
        if (!needs_facts)
            break;
        dns_client_answer(verification->dns, facts);
    }
    author_find(section, verification->arena, &findings->author);
}

/* From --header-from, each as a field could have it. */
static void find_author(struct verification *verification)
{
    struct buf section;
    const struct option_list *names = &verification->plan.header_from;
    buf_init(&section, 65536);
    buf_add(&section, BYTES("From: "));
    for (size_t i = 0; i < names->count; i++)
        buf_addf(&section, "%s%s%s", i ? ", " : "", strchr(names->at[i], '@') ? "" : "x@",
                 names->at[i]);
    buf_add(&section, BYTES("\r\n"));
    author_find(buf_view(&section), verification->arena, &verification->findings.author);
    buf_done(&section);
}

static void add_identifier(struct verification *verification, int method, struct bytes domain,
                           bool is_unsure)
{
    struct dmarc_query *query = &verification->findings.dmarc_query;
    if (query->identifier_count == DMARC_IDENTIFIER_LIMIT || domain.len == 0)
        return;
    struct dmarc_identifier *identifier = &verification->identifiers[query->identifier_count++];
    identifier->method = method;
    identifier->domain = domain;
    identifier->is_unsure = is_unsure;
}

static void add_identifiers(struct verification *verification)
{
    const struct verify_plan *plan = &verification->plan;
    const struct verify_findings *findings = &verification->findings;
    const struct spf_verdict *spf = &findings->spf;
    if (findings->has_spf && (spf->result == SPF_PASS || spf->result == SPF_TEMPERROR))
        add_identifier(verification, DMARC_BY_SPF, spf->domain, spf->result == SPF_TEMPERROR);
    for (size_t i = 0; i < findings->dkim.count; i++) {
        const struct dkim_check *check = &findings->dkim.checks[i];
        if (check->result == DKIM_PASS || check->result == DKIM_TEMPERROR)
            add_identifier(verification, DMARC_BY_DKIM, check->domain,
                           check->result == DKIM_TEMPERROR);
    }
    for (size_t i = 0; i < plan->spf_pass.count; i++)
        add_identifier(verification, DMARC_BY_SPF, bytes_of(plan->spf_pass.at[i]), false);
    for (size_t i = 0; i < plan->dkim_pass.count; i++)
        add_identifier(verification, DMARC_BY_DKIM, bytes_of(plan->dkim_pass.at[i]), false);
}

static void check_dmarc(struct verification *verification)
{
    struct verify_findings *findings = &verification->findings;
    struct dmarc_query *query = &findings->dmarc_query;
    psl_ctx_t *psl = psl_latest(NULL);
    findings->has_dmarc = true;
    query->authors = findings->author.domains;
    query->author_count = findings->author.status == AUTHOR_FOUND ? findings->author.count : 0;
    query->identifiers = verification->identifiers;
    add_identifiers(verification);
    while (dmarc_check(query, verification->dmarc_facts, psl, &findings->dmarc) ==
           DMARC_NEEDS_FACTS)
        dns_client_answer(verification->dns, verification->dmarc_facts);
    /* Where there is no record at all, it is its own organization (RFC 9989, 4.10.2). */
    if (findings->dmarc.result == DMARC_NONE && findings->dmarc.organizational.len == 0)
        findings->dmarc.organizational = findings->dmarc.author;
    psl_free(psl);
}

static bool check_all(struct verification *verification, struct error *err)
{
    const struct verify_plan *plan = &verification->plan;
    if (plan->file && !read_message(verification, err))
        return false;
    if (plan->has_ip)
        check_spf(verification);
    if (plan->has_ip && verification->findings.spf_query.mail_from.len &&
        spf_helo_is_domain(bytes_of(plan->helo)))
        check_helo(verification);
    if (plan->has_ip && !plan->is_json)
        check_name(verification);
    if (plan->file)
        check_signatures(verification);
    else if (plan->header_from.count)
        find_author(verification);
    if (plan->file || plan->header_from.count)
        check_dmarc(verification);
    return true;
}

void command_verify_options(FILE *out)
{
    verify_plan_print_options(out);
}

int command_verify(char **arguments, size_t count)
{
    struct verification *verification = NEW(struct verification);
    struct error err = {.text = ""};
    int status = EXIT_BAD;
    if (!verify_plan_read(arguments, count, &verification->plan, &err)) {
        free(verification);
        return complain(&err, EXIT_USAGE);
    }
    begin(verification);
    if (!read_config(verification))
        status = EXIT_CONFIG;
    else if (!open_dns(verification, &err) || !check_all(verification, &err))
        complain(&err, status);
    else
        status = EXIT_GOOD;
    if (status == EXIT_GOOD && verification->plan.is_json)
        verify_print_json(&verification->findings);
    else if (status == EXIT_GOOD)
        verify_print_text(&verification->findings);
    end(verification);
    free(verification);
    return status;
}
