/* The DNS records of a domain whose mail this server handles: what to publish (`dns show`), and
 * what the DNS has of it (`dns check`). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dmarc_record.h"
#include "auth/iprev.h"
#include "auth/spf.h"
#include "cli/command.h"
#include "cli/dkim_published.h"
#include "cli/dkim_store.h"
#include "cli/paint.h"
#include "cli/dns_client.h"
#include "mail/idna.h"

enum { FINDINGS = 64, TEXT_LIMIT = 4096, ADDRESSES = 4, ROUNDS = 32 };

enum state { GOOD, MISSING, DIFFERENT, UNKNOWN };
static const char *const state_words[] = {"good", "missing", "different", "unknown"};

/* One record, or what else a domain needs. */
struct finding {
    const char *type;
    struct buf name, wanted, found; /* wanted: as zone files have it; found: for people */
    enum state state;
    const char *remedy; /* of what is not good */
};

struct survey {
    const struct config *config;
    struct dkim_store store;
    struct dns_client *dns;
    struct facts *facts;
    struct bytes domain;
    struct finding findings[FINDINGS];
    size_t count;
    struct ip addresses[ADDRESSES]; /* of our own name */
    size_t address_count;
};

static struct finding *add(struct survey *survey, const char *type)
{
    struct finding *finding = &survey->findings[survey->count++];
    ASSERT(survey->count <= FINDINGS);
    *finding = (struct finding){.type = type, .state = UNKNOWN};
    buf_init(&finding->name, TEXT_LIMIT);
    buf_init(&finding->wanted, TEXT_LIMIT);
    buf_init(&finding->found, TEXT_LIMIT);
    return finding;
}

static void forget(struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        buf_done(&survey->findings[i].name);
        buf_done(&survey->findings[i].wanted);
        buf_done(&survey->findings[i].found);
    }
    survey->count = 0;
}

/* Of an answer without records, what that means. */
static enum state state_of(const struct answer *answer)
{
    switch (answer->status) {
    case ANSWER_FOUND: return DIFFERENT;
    case ANSWER_NODATA:
    case ANSWER_NXDOMAIN: return MISSING;
    case ANSWER_SERVFAIL:
    case ANSWER_TIMEOUT: return UNKNOWN;
    }
    return UNKNOWN;
}

/* --- The records, and what the DNS has -------------------------------------------------------- */

static void survey_mx(struct survey *survey)
{
    struct finding *finding = add(survey, "MX");
    struct bytes hostname = bytes_of(survey->config->hostname);
    buf_add(&finding->name, survey->domain);
    buf_addf(&finding->wanted, "10 %s.", survey->config->hostname);
    finding->remedy = "add it; or, where other servers take this domain's mail, leave it as it is";
    const struct answer *answer = facts_ask(survey->facts, FACT_MX, survey->domain);
    if (!answer)
        return;
    finding->state = state_of(answer);
    for (size_t i = 0; i < answer->count; i++) {
        buf_addf(&finding->found, "%s%u %.*s", i ? ", " : "", answer->records[i].preference,
                 BYTES_ARGS(answer->records[i].data));
        if (bytes_equal_nocase(answer->records[i].data, hostname))
            finding->state = GOOD;
    }
}

static void take_addresses(struct survey *survey, const struct answer *answer, bool is_ipv4)
{
    for (size_t i = 0; i < answer->count && survey->address_count < ADDRESSES; i++)
        survey->addresses[survey->address_count++] = is_ipv4
                                                         ? ip_from_ipv4(answer->records[i].data.at)
                                                         : ip_from_ipv6(answer->records[i].data.at);
}

static void survey_host(struct survey *survey)
{
    struct finding *finding = add(survey, "A");
    struct bytes hostname = bytes_of(survey->config->hostname);
    buf_add(&finding->name, hostname);
    buf_add(&finding->wanted, BYTES("the address of this server"));
    finding->remedy = "publish this server's address under its hostname, as A, AAAA or both";
    const struct answer *a = facts_ask(survey->facts, FACT_A, hostname);
    const struct answer *aaaa = facts_ask(survey->facts, FACT_AAAA, hostname);
    survey->address_count = 0;
    if (!a || !aaaa)
        return;
    take_addresses(survey, a, true);
    take_addresses(survey, aaaa, false);
    finding->state = survey->address_count                                 ? GOOD
                     : state_of(a) == UNKNOWN || state_of(aaaa) == UNKNOWN ? UNKNOWN
                                                                           : MISSING;
    for (size_t i = 0; i < survey->address_count; i++) {
        if (i)
            buf_add(&finding->found, BYTES(", "));
        ip_print(&finding->found, &survey->addresses[i]);
    }
}

static void survey_ptr(struct survey *survey, const struct ip *ip)
{
    struct finding *finding = add(survey, "PTR");
    struct iprev_names names;
    iprev_print_question(&finding->name, ip);
    buf_addf(&finding->wanted, "%s.", survey->config->hostname);
    finding->remedy = "have who gave you the address name it so; many refuse mail from others";
    enum iprev_result result = iprev_check(ip, survey->facts, &names);
    switch (result) {
    case IPREV_NEEDS_FACTS: return;
    case IPREV_PASS: finding->state = GOOD; break;
    case IPREV_FAIL: finding->state = DIFFERENT; break;
    case IPREV_TEMPERROR: finding->state = UNKNOWN; break;
    case IPREV_PERMERROR: finding->state = MISSING; break;
    }
    for (size_t i = 0; i < names.count; i++)
        buf_addf(&finding->found, "%s%.*s", i ? ", " : "", BYTES_ARGS(names.list[i]));
}

/* Does the domain allow that address to send for it? In a table of its own, as SPF asks for. */
static void check_spf(struct survey *survey, const struct ip *ip, struct finding *finding)
{
    struct facts *facts = facts_new();
    struct arena *arena = arena_new(SPF_ARENA);
    struct spf_verdict verdict;
    struct buf sender;
    buf_init(&sender, TEXT_LIMIT);
    buf_addf(&sender, "postmaster@%.*s", BYTES_ARGS(survey->domain));
    struct spf_query query = {.identity = SPF_MAIL_FROM,
                              .ip = *ip,
                              .helo = bytes_of(survey->config->hostname),
                              .mail_from = buf_view(&sender)};
    enum spf_result result = SPF_NEEDS_FACTS;
    while ((result = spf_check(&query, facts, arena, &verdict)) == SPF_NEEDS_FACTS) {
        arena_reset(arena);
        dns_client_answer(survey->dns, facts);
    }
    finding->state = result == SPF_PASS        ? GOOD
                     : result == SPF_NONE      ? MISSING
                     : result == SPF_TEMPERROR ? UNKNOWN
                                               : DIFFERENT;
    if (finding->found.len)
        buf_add(&finding->found, BYTES("; "));
    ip_print(&finding->found, ip);
    buf_addf(&finding->found, ": %s", spf_result_name(result));
    if (verdict.record.len)
        buf_addf(&finding->found, " by %.*s", BYTES_ARGS(verdict.record));
    buf_done(&sender);
    arena_free(arena);
    facts_free(facts);
}

static void survey_spf(struct survey *survey)
{
    struct finding *finding = add(survey, "TXT");
    enum state worst = UNKNOWN;
    buf_add(&finding->name, survey->domain);
    buf_add(&finding->wanted, BYTES("\"v=spf1 mx -all\""));
    finding->remedy = "let the SPF record name this server: by mx, a:HOSTNAME, ip4: or ip6:";
    if (!survey->dns)
        return;
    for (size_t i = 0; i < survey->address_count; i++) {
        check_spf(survey, &survey->addresses[i], finding);
        worst = i == 0 || finding->state != GOOD ? finding->state : worst;
    }
    finding->state = worst;
}

static void survey_dkim(struct survey *survey)
{
    size_t count = 0;
    for (size_t i = 0; i < keyring_count(survey->store.keyring) && survey->count < FINDINGS - 4;
         i++) {
        const struct keyring_key *key = keyring_view(survey->store.keyring, i);
        struct buf record;
        struct error err;
        if (!bytes_equal(key->domain, survey->domain) || key->state == KEYRING_RETIRED)
            continue;
        struct finding *finding = add(survey, "TXT");
        buf_init(&record, TEXT_LIMIT);
        dkim_store_name(&finding->name, key);
        finding->remedy = key->state == KEYRING_NEW ? "publish it, then: postrider dkim rotate"
                                                    : "publish it: mail is signed by this key now";
        if (dkim_store_record(&survey->store, key, &record, &err)) {
            dkim_store_strings(&finding->wanted, buf_view(&record));
            switch (published_find(survey->facts, key, buf_view(&record))) {
            case PUBLISHED_ASKING:
            case PUBLISHED_UNKNOWN: finding->state = UNKNOWN; break;
            case PUBLISHED_RIGHT: finding->state = GOOD; break;
            case PUBLISHED_MISSING: finding->state = MISSING; break;
            case PUBLISHED_OTHER: finding->state = DIFFERENT; break;
            }
        } else {
            buf_add(&finding->found, bytes_of(err.text));
        }
        buf_done(&record);
        count++;
    }
    if (count)
        return;
    struct finding *finding = add(survey, "TXT");
    buf_addf(&finding->name, "*._domainkey.%.*s", BYTES_ARGS(survey->domain));
    finding->state = MISSING;
    finding->remedy = "mail of this domain is not signed; make keys: postrider dkim new";
}

static void survey_dmarc(struct survey *survey)
{
    struct finding *finding = add(survey, "TXT");
    struct dmarc_record record;
    size_t count = 0;
    buf_addf(&finding->name, "_dmarc.%.*s", BYTES_ARGS(survey->domain));
    buf_addf(&finding->wanted, "\"v=DMARC1; p=quarantine; rua=mailto:postmaster@%.*s\"",
             BYTES_ARGS(survey->domain));
    finding->remedy = "publish one record that begins with v=DMARC1; p=none while you look at "
                      "reports, then quarantine or reject";
    const struct answer *answer = facts_ask(survey->facts, FACT_TXT, buf_view(&finding->name));
    if (!answer)
        return;
    finding->state = state_of(answer);
    for (size_t i = 0; i < answer->count; i++) {
        buf_addf(&finding->found, "%s%.*s", i ? "; " : "", BYTES_ARGS(answer->records[i].data));
        if (dmarc_record_parse(answer->records[i].data, &record)) {
            count++;
            finding->state = record.is_usable ? GOOD : DIFFERENT;
        }
    }
    if (count > 1)
        finding->state = DIFFERENT;
}

static void survey_all(struct survey *survey)
{
    forget(survey);
    survey_mx(survey);
    survey_host(survey);
    for (size_t i = 0; i < survey->address_count; i++)
        survey_ptr(survey, &survey->addresses[i]);
    survey_dkim(survey);
    survey_dmarc(survey);
}

/* --- The commands ----------------------------------------------------------------------------- */

static void print_json(const struct survey *survey, bool has_checked)
{
    json_t *list = json_array();
    for (size_t i = 0; i < survey->count; i++) {
        const struct finding *finding = &survey->findings[i];
        struct buf found;
        buf_init(&found, 2 * TEXT_LIMIT);
        paint_add(&found, buf_view(&finding->found));
        json_t *row = json_pack("{s:s%,s:s,s:s%}", "name", (const char *)finding->name.at,
                                finding->name.len, "type", finding->type, "record",
                                finding->wanted.at ? (const char *)finding->wanted.at : "",
                                finding->wanted.len);
        if (has_checked) {
            json_t *text = json_stringn(found.at ? (const char *)found.at : "", found.len);
            json_object_set_new(row, "state", json_string(state_words[finding->state]));
            json_object_set_new(row, "found", text ? text : json_string(""));
            json_object_set_new(
                row, "remedy", finding->state == GOOD ? json_null() : json_string(finding->remedy));
        }
        json_array_append_new(list, row);
        buf_done(&found);
    }
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

static void print_records(const struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        const struct finding *finding = &survey->findings[i];
        bool is_comment = finding->wanted.len == 0 || strcmp(finding->type, "A") == 0;
        if (is_comment)
            printf("; %.*s: %s\n", BYTES_ARGS(buf_view(&finding->name)), finding->remedy);
        else
            printf("%.*s. IN %s %.*s\n", BYTES_ARGS(buf_view(&finding->name)), finding->type,
                   BYTES_ARGS(buf_view(&finding->wanted)));
    }
}

static void print_findings(const struct survey *survey)
{
    static const enum paint paints[] = {PAINT_GREEN, PAINT_RED, PAINT_RED, PAINT_YELLOW};
    for (size_t i = 0; i < survey->count; i++) {
        const struct finding *finding = &survey->findings[i];
        struct buf found;
        buf_init(&found, 2 * TEXT_LIMIT);
        paint_add(&found, buf_view(&finding->found));
        paint_print(paints[finding->state], state_words[finding->state]);
        printf("  %.*s %s\n", BYTES_ARGS(buf_view(&finding->name)), finding->type);
        if (found.len)
            printf("    is: %.*s\n", BYTES_ARGS(buf_view(&found)));
        if (finding->state != GOOD && finding->wanted.len)
            printf("    should be: %.*s\n", BYTES_ARGS(buf_view(&finding->wanted)));
        if (finding->state != GOOD)
            printf("    %s\n", finding->remedy);
        buf_done(&found);
    }
}

static int worst_of(const struct survey *survey)
{
    int status = EXIT_GOOD;
    for (size_t i = 0; i < survey->count; i++) {
        enum state state = survey->findings[i].state;
        if (state == MISSING || state == DIFFERENT)
            return EXIT_BAD;
        if (state == UNKNOWN)
            status = EXIT_LATER;
    }
    return status;
}

/* Asks until every question that answers raise is answered. */
static void ask_all(struct survey *survey)
{
    struct question question;
    for (int round = 0; round < ROUNDS; round++) {
        size_t place = 0;
        survey_all(survey);
        if (!facts_next_open(survey->facts, &place, &question))
            break;
        dns_client_answer(survey->dns, survey->facts);
    }
    survey_spf(survey);
}

static int run(struct survey *survey, const struct options *options, bool is_check)
{
    struct error err;
    if (!dkim_store_open(&survey->store, survey->config, &err)) {
        fprintf(stderr, "postrider: %s\n", err.text);
        return EXIT_BAD;
    }
    survey->dns = is_check ? dns_client_open(NULL, &survey->config->resolver, &err) : NULL;
    if (is_check && !survey->dns) {
        fprintf(stderr, "postrider: %s\n", err.text);
        return EXIT_LATER;
    }
    if (is_check) {
        ask_all(survey);
    } else {
        survey_all(survey);
        survey_spf(survey);
    }
    if (options->is_json)
        print_json(survey, is_check);
    else if (is_check)
        print_findings(survey);
    else
        print_records(survey);
    return is_check ? worst_of(survey) : EXIT_GOOD;
}

static int survey_domain(const struct options *options, bool is_check)
{
    struct survey survey = {.store.folder_fd = -1};
    struct buf domain;
    int status = EXIT_USAGE;
    buf_init(&domain, HOST_NAME_LIMIT);
    if (!idna_to_ascii(bytes_of(options->words[0]), &domain)) {
        fprintf(stderr, "postrider: %s is no domain\n", options->words[0]);
        buf_done(&domain);
        return EXIT_USAGE;
    }
    struct config *config = command_config(options);
    if (config) {
        survey.config = config;
        survey.domain = buf_view(&domain);
        survey.facts = facts_new();
        status = run(&survey, options, is_check);
        forget(&survey);
        facts_free(survey.facts);
        if (survey.dns)
            dns_client_close(survey.dns);
        dkim_store_close(&survey.store);
    } else {
        status = EXIT_CONFIG;
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
