#include "cli/dns_survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "auth/dmarc_record.h"
#include "auth/iprev.h"
#include "auth/spf.h"
#include "auth/spf_record.h"
#include "base/memory.h"
#include "cli/dkim_published.h"
#include "cli/dkim_store.h"
#include "cli/dns_client.h"
#include "cli/own_addresses.h"
#include "mail/idna.h"

enum {
    RECORD_LIMIT = 96,
    KEY_LIMIT = 32, /* of the records, so that there is room for the others */
    TEXT_LIMIT = 4096,
    ROUNDS = 32
};

struct dns_survey {
    const struct config *config;
    char domain[HOST_NAME_LIMIT + 1];
    struct dkim_store store;
    bool has_trouble;
    struct error trouble;   /* with the keys */
    struct dns_client *dns; /* while it asks */
    struct facts *facts;
    bool has_asked;
    struct dns_record records[RECORD_LIMIT];
    size_t count;
    struct own_addresses own;   /* as the host knows them; none behind a NAT */
    struct own_addresses named; /* and those that the DNS has for our name */
    bool has_smarthost;         /* which sends, in our place */
};

static const struct {
    const char *word, *purpose;
} parts[] = {
    [DNS_PART_MX] = {"mx", "who takes the domain's mail"},
    [DNS_PART_HOST] = {"host", "where this server is"},
    [DNS_PART_PTR] = {"ptr", "the name of the address; set by who gave you the address"},
    [DNS_PART_SPF] = {"spf", "SPF: who may send in the domain's name"},
    [DNS_PART_HELO] = {"helo", "SPF of the server's own name, in which it sends reports"},
    [DNS_PART_DKIM] = {"dkim", "DKIM: the keys that sign the domain's mail"},
    [DNS_PART_DMARC] = {"dmarc", "DMARC: what becomes of mail that is not the domain's"},
    [DNS_PART_SUBMISSION] = {"submission", "by which mail programs find this server"},
    [DNS_PART_TLS_REPORT] = {"tlsrpt", "where others report failures of TLS to"},
};

const char *dns_part_word(enum dns_part part)
{
    return parts[part].word;
}

const char *dns_part_purpose(enum dns_part part)
{
    return parts[part].purpose;
}

const char *dns_state_word(enum dns_state state)
{
    static const char *const words[] = {"good", "missing", "different", "unknown"};
    return words[state];
}

/* --- The list --------------------------------------------------------------------------------- */

static struct dns_record *add(struct dns_survey *survey, enum dns_part part, const char *type,
                              const char *remedy)
{
    struct dns_record *record = &survey->records[survey->count++];
    ASSERT(survey->count <= RECORD_LIMIT);
    *record =
        (struct dns_record){.part = part, .type = type, .state = DNS_UNKNOWN, .remedy = remedy};
    buf_init(&record->name, TEXT_LIMIT);
    buf_init(&record->value, TEXT_LIMIT);
    buf_init(&record->found, TEXT_LIMIT);
    return record;
}

static void forget(struct dns_survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        buf_done(&survey->records[i].name);
        buf_done(&survey->records[i].value);
        buf_done(&survey->records[i].found);
    }
    survey->count = 0;
}

/* Of an answer without records, what that means. */
static enum dns_state state_of(const struct answer *answer)
{
    switch (answer->status) {
    case ANSWER_FOUND: return DNS_DIFFERENT;
    case ANSWER_NODATA:
    case ANSWER_NXDOMAIN: return DNS_MISSING;
    case ANSWER_SERVFAIL:
    case ANSWER_TIMEOUT: return DNS_UNKNOWN;
    }
    return DNS_UNKNOWN;
}

static void add_found(struct dns_record *record, struct bytes text)
{
    if (record->found.len)
        buf_add(&record->found, BYTES("; "));
    buf_add(&record->found, text);
}

static void add_found_ip(struct dns_record *record, const struct ip *ip)
{
    struct buf text;
    buf_init(&text, TEXT_LIMIT);
    ip_print(&text, ip);
    add_found(record, buf_view(&text));
    buf_done(&text);
}

static struct bytes hostname_of(const struct dns_survey *survey)
{
    return bytes_of(survey->config->hostname);
}

/* --- The server ------------------------------------------------------------------------------- */

static void survey_mx(struct dns_survey *survey)
{
    struct dns_record *record =
        add(survey, DNS_PART_MX, "MX",
            "add it; or, where other servers take this domain's mail, leave it as it is");
    struct bytes hostname = hostname_of(survey);
    buf_add(&record->name, bytes_of(survey->domain));
    buf_addf(&record->value, "10 %s.", survey->config->hostname);
    const struct answer *answer = facts_ask(survey->facts, FACT_MX, bytes_of(survey->domain));
    if (!answer)
        return;
    record->state = state_of(answer);
    for (size_t i = 0; i < answer->count; i++) {
        const struct answer_record *mx = &answer->records[i];
        buf_addf(&record->found, "%s%u %.*s", i ? ", " : "", mx->preference, BYTES_ARGS(mx->data));
        if (bytes_equal_nocase(mx->data, hostname))
            record->state = DNS_GOOD;
    }
}

static struct ip ip_of(const struct answer_record *record, bool is_ipv4)
{
    return is_ipv4 ? ip_from_ipv4(record->data.at) : ip_from_ipv6(record->data.at);
}

static void take_named(struct dns_survey *survey, const struct answer *answer, bool is_ipv4)
{
    for (size_t i = 0; answer && i < answer->count; i++) {
        struct ip ip = ip_of(&answer->records[i], is_ipv4);
        own_addresses_add(&survey->named, &ip);
    }
}

/* An address that the host has. */
static void survey_own(struct dns_survey *survey, const struct ip *ip)
{
    bool is_ipv4 = ip_is_ipv4(ip);
    struct dns_record *record =
        add(survey, DNS_PART_HOST, is_ipv4 ? "A" : "AAAA",
            is_ipv4 ? "publish it: by it others come to this server"
                    : "publish it; or, where mail is to go by IPv4 alone, write outbound: "
                      "{address_families: ipv4} and listen on IPv4 only");
    buf_add(&record->name, hostname_of(survey));
    ip_print(&record->value, ip);
    const struct answer *answer =
        facts_ask(survey->facts, is_ipv4 ? FACT_A : FACT_AAAA, hostname_of(survey));
    if (!answer)
        return;
    record->state = state_of(answer);
    for (size_t i = 0; i < answer->count; i++) {
        struct ip there = ip_of(&answer->records[i], is_ipv4);
        add_found_ip(record, &there);
        if (ip_matches(&there, ip, IP_BITS))
            record->state = DNS_GOOD;
    }
}

/* Behind a NAT the host does not know its address. */
static void survey_unknown_own(struct dns_survey *survey)
{
    struct dns_record *record =
        add(survey, DNS_PART_HOST, "A",
            "publish this server's address under its hostname, as A, AAAA or both");
    buf_add(&record->name, hostname_of(survey));
    const struct answer *a = facts_ask(survey->facts, FACT_A, hostname_of(survey));
    const struct answer *aaaa = facts_ask(survey->facts, FACT_AAAA, hostname_of(survey));
    if (!a || !aaaa)
        return;
    bool is_unknown = state_of(a) == DNS_UNKNOWN || state_of(aaaa) == DNS_UNKNOWN;
    record->state = survey->named.count ? DNS_GOOD : is_unknown ? DNS_UNKNOWN : DNS_MISSING;
    for (size_t i = 0; i < survey->named.count; i++)
        add_found_ip(record, &survey->named.list[i]);
}

/* Another host's address, or one of this host's that it does not know. */
static void survey_foreign(struct dns_survey *survey, const struct ip *ip)
{
    struct dns_record *record =
        add(survey, DNS_PART_HOST, ip_is_ipv4(ip) ? "A" : "AAAA",
            "no interface of this host has that address: remove the record, unless it leads here");
    buf_add(&record->name, hostname_of(survey));
    record->state = DNS_DIFFERENT;
    record->is_optional = true;
    add_found_ip(record, ip);
}

static void survey_host(struct dns_survey *survey)
{
    survey->named.count = 0;
    take_named(survey, facts_ask(survey->facts, FACT_A, hostname_of(survey)), true);
    take_named(survey, facts_ask(survey->facts, FACT_AAAA, hostname_of(survey)), false);
    if (survey->own.count == 0) {
        survey_unknown_own(survey);
        return;
    }
    for (size_t i = 0; i < survey->own.count; i++)
        survey_own(survey, &survey->own.list[i]);
    for (size_t i = 0; i < survey->named.count; i++)
        if (!own_addresses_have(&survey->own, &survey->named.list[i]))
            survey_foreign(survey, &survey->named.list[i]);
}

/* Those that mail may come from. */
static const struct own_addresses *senders_of(const struct dns_survey *survey)
{
    return survey->own.count ? &survey->own : &survey->named;
}

static bool has_number(struct bytes text, unsigned wanted)
{
    for (size_t i = 0; i < text.len; i++) {
        size_t end = i;
        uint64_t number;
        while (end < text.len && ascii_is_digit(text.at[end]))
            end++;
        if (end > i && scan_u64(bytes_sub(text, i, end - i), UINT32_MAX, &number) &&
            number == wanted)
            return true;
        i = end;
    }
    return false;
}

/* "host-192-0-2-7.provider.example": what providers call all their addresses, and many take for a
 * sign that nobody runs a mail server there. */
static bool is_of_providers(struct bytes name, const struct ip *ip)
{
    return ip_is_ipv4(ip) && has_number(name, ip->at[14]) && has_number(name, ip->at[15]);
}

/* Does one of the names that lead back say who we are? Another one will do for most. */
static void judge_names(struct dns_survey *survey, const struct ip *ip,
                        const struct iprev_names *names, struct dns_record *record)
{
    bool is_of_provider = false;
    record->state = DNS_DIFFERENT;
    for (size_t i = 0; i < names->count; i++) {
        is_of_provider |= is_of_providers(names->list[i], ip);
        if (bytes_equal_nocase(names->list[i], hostname_of(survey)))
            record->state = DNS_GOOD;
    }
    if (record->state != DNS_GOOD && !is_of_provider)
        record->is_optional = true;
}

static void survey_ptr(struct dns_survey *survey, const struct ip *ip)
{
    struct dns_record *record =
        add(survey, DNS_PART_PTR, "PTR",
            "have who gave you the address name it so; many refuse mail from others");
    struct iprev_names names;
    iprev_print_question(&record->name, ip);
    buf_addf(&record->value, "%s.", survey->config->hostname);
    record->is_optional = survey->has_smarthost;
    enum iprev_result result = iprev_check(ip, survey->facts, &names);
    switch (result) {
    case IPREV_NEEDS_FACTS: return;
    case IPREV_PASS: judge_names(survey, ip, &names, record); break;
    case IPREV_FAIL: record->state = DNS_DIFFERENT; break;
    case IPREV_TEMPERROR: record->state = DNS_UNKNOWN; break;
    case IPREV_PERMERROR: record->state = DNS_MISSING; break;
    }
    for (size_t i = 0; i < names.count; i++)
        add_found(record, names.list[i]);
}

/* --- SPF -------------------------------------------------------------------------------------- */

/* May the address send, by the record? In a table of its own, as SPF asks for. */
static enum dns_state check_spf(struct dns_survey *survey, const struct ip *ip,
                                struct dns_record *record)
{
    struct facts *facts = facts_new();
    struct arena *arena = arena_new(SPF_ARENA);
    struct spf_verdict verdict;
    struct buf text;
    buf_init(&text, TEXT_LIMIT);
    buf_addf(&text, "postmaster@%.*s", BYTES_ARGS(buf_view(&record->name)));
    struct spf_query query = {
        .identity = SPF_MAIL_FROM,
        .ip = *ip,
        .helo = hostname_of(survey),
        .mail_from = buf_view(&text),
    };
    enum spf_result result = SPF_NEEDS_FACTS;
    while ((result = spf_check(&query, facts, arena, &verdict)) == SPF_NEEDS_FACTS) {
        arena_reset(arena);
        dns_client_answer(survey->dns, facts);
    }
    buf_clear(&text);
    ip_print(&text, ip);
    buf_addf(&text, ": %s", spf_result_name(result));
    if (verdict.record.len)
        buf_addf(&text, " by %.*s", BYTES_ARGS(verdict.record));
    add_found(record, buf_view(&text));
    buf_done(&text);
    arena_free(arena);
    facts_free(facts);
    return result == SPF_PASS        ? DNS_GOOD
           : result == SPF_NONE      ? DNS_MISSING
           : result == SPF_TEMPERROR ? DNS_UNKNOWN
                                     : DNS_DIFFERENT;
}

/* Is there one record of SPF that can be read? Whom a smarthost's operator has in it is not known
 * here. */
static void look_for_spf(struct dns_survey *survey, struct dns_record *record)
{
    const struct answer *answer = facts_ask(survey->facts, FACT_TXT, buf_view(&record->name));
    size_t count = 0;
    if (!answer)
        return;
    record->state = state_of(answer) == DNS_UNKNOWN ? DNS_UNKNOWN : DNS_MISSING;
    for (size_t i = 0; i < answer->count; i++) {
        struct spf_outline outline;
        struct bytes terms;
        if (!spf_record_begins(answer->records[i].data, &terms))
            continue;
        add_found(record, answer->records[i].data);
        bool is_good = spf_record_outline(terms, &outline) && ++count == 1;
        record->state = is_good ? DNS_GOOD : DNS_DIFFERENT;
    }
}

static void survey_spf_of(struct dns_survey *survey, struct dns_record *record)
{
    const struct own_addresses *senders = senders_of(survey);
    if (survey->has_smarthost || senders->count == 0) {
        look_for_spf(survey, record);
        return;
    }
    if (!survey->dns)
        return;
    record->state = DNS_GOOD;
    for (size_t i = 0; i < senders->count; i++) {
        enum dns_state state = check_spf(survey, &senders->list[i], record);
        if (record->state == DNS_GOOD)
            record->state = state;
    }
}

static void survey_spf(struct dns_survey *survey)
{
    struct dns_record *record =
        add(survey, DNS_PART_SPF, "TXT",
            survey->has_smarthost
                ? "publish it with what the operator of your smarthost wants to be in it, such as "
                  "include:spf.provider.example"
                : "let the SPF record name this server: by mx, a:HOSTNAME, ip4: or ip6:");
    buf_add(&record->name, bytes_of(survey->domain));
    buf_addf(&record->value, "v=spf1 mx %sall", survey->has_smarthost ? "~" : "-");
    survey_spf_of(survey, record);
    if (bytes_equal_nocase(hostname_of(survey), bytes_of(survey->domain)) || survey->has_smarthost)
        return;
    record = add(survey, DNS_PART_HELO, "TXT",
                 "publish it: reports have no sender, so that this name is checked for them");
    buf_add(&record->name, hostname_of(survey));
    buf_add(&record->value, BYTES("v=spf1 a -all"));
    record->is_optional = true;
    survey_spf_of(survey, record);
}

/* --- DKIM and DMARC --------------------------------------------------------------------------- */

static void survey_key(struct dns_survey *survey, const struct keyring_key *key)
{
    struct dns_record *record =
        add(survey, DNS_PART_DKIM, "TXT",
            key->state == KEYRING_NEW ? "publish it, then: postrider dkim rotate"
                                      : "publish it: mail is signed by this key now");
    struct error err;
    dkim_store_name(&record->name, key);
    if (!dkim_store_record(&survey->store, key, &record->value, &err)) {
        buf_clear(&record->value);
        add_found(record, bytes_of(err.text));
        return;
    }
    switch (published_find(survey->facts, key, buf_view(&record->value))) {
    case PUBLISHED_ASKING:
    case PUBLISHED_UNKNOWN: record->state = DNS_UNKNOWN; break;
    case PUBLISHED_RIGHT: record->state = DNS_GOOD; break;
    case PUBLISHED_MISSING: record->state = DNS_MISSING; break;
    case PUBLISHED_OTHER: record->state = DNS_DIFFERENT; break;
    }
}

static void survey_dkim(struct dns_survey *survey)
{
    size_t count = 0, all = survey->store.keyring ? keyring_count(survey->store.keyring) : 0;
    for (size_t i = 0; i < all && count < KEY_LIMIT; i++) {
        const struct keyring_key *key = keyring_view(survey->store.keyring, i);
        if (!bytes_equal(key->domain, bytes_of(survey->domain)) || key->state == KEYRING_RETIRED)
            continue;
        survey_key(survey, key);
        count++;
    }
    if (count)
        return;
    struct dns_record *record = add(
        survey, DNS_PART_DKIM, "TXT",
        survey->has_trouble ? "the keys cannot be read: run this as root or as the server's user"
                            : "mail of this domain is not signed; make keys: postrider dkim new");
    buf_addf(&record->name, "*._domainkey.%s", survey->domain);
    record->state = survey->has_trouble ? DNS_UNKNOWN : DNS_MISSING;
}

static void survey_dmarc(struct dns_survey *survey)
{
    struct dns_record *record =
        add(survey, DNS_PART_DMARC, "TXT",
            "publish one record that begins with v=DMARC1; p=none while you look at reports, then "
            "quarantine or reject");
    struct dmarc_record parsed;
    size_t count = 0;
    buf_addf(&record->name, "_dmarc.%s", survey->domain);
    buf_addf(&record->value, "v=DMARC1; p=quarantine; rua=mailto:postmaster@%s", survey->domain);
    const struct answer *answer = facts_ask(survey->facts, FACT_TXT, buf_view(&record->name));
    if (!answer)
        return;
    record->state = state_of(answer);
    for (size_t i = 0; i < answer->count; i++) {
        add_found(record, answer->records[i].data);
        if (dmarc_record_parse(answer->records[i].data, &parsed)) {
            count++;
            record->state = parsed.is_usable ? DNS_GOOD : DNS_DIFFERENT;
        }
    }
    if (count > 1)
        record->state = DNS_DIFFERENT;
}

/* --- What is good to have --------------------------------------------------------------------- */

static void survey_srv(struct dns_survey *survey, const char *service, unsigned priority,
                       uint16_t port)
{
    struct dns_record *record =
        add(survey, DNS_PART_SUBMISSION, "SRV",
            "publish it, and mail programs find the server by an account's address alone");
    buf_addf(&record->name, "%s._tcp.%s", service, survey->domain);
    buf_addf(&record->value, "%u 1 %u %s.", priority, port, survey->config->hostname);
    record->is_optional = true;
    const struct answer *answer = facts_ask(survey->facts, FACT_SRV, buf_view(&record->name));
    if (!answer)
        return;
    record->state = state_of(answer);
    for (size_t i = 0; i < answer->count; i++) {
        const struct answer_record *srv = &answer->records[i];
        buf_addf(&record->found, "%s%u %u %u %.*s", i ? ", " : "", srv->preference, srv->weight,
                 srv->port, BYTES_ARGS(srv->data));
        if (srv->port == port && bytes_equal_nocase(srv->data, hostname_of(survey)))
            record->state = DNS_GOOD;
    }
}

static bool is_for_the_world(const struct config_listener *listener)
{
    struct ip ip;
    return !ip_scan(bytes_of(listener->host), &ip) || !ip_is_loopback(&ip);
}

/* The first port of each kind. TLS from the first byte on comes before STARTTLS (RFC 8314, 4.5.2).
 */
static void survey_submission(struct dns_survey *survey)
{
    static const struct {
        const char *service;
        bool is_implicit;
        unsigned priority;
    } kinds[] = {{"_submissions", true, 0}, {"_submission", false, 10}};
    for (size_t kind = 0; kind < COUNT(kinds); kind++)
        for (size_t i = 0; i < survey->config->listener_count; i++) {
            const struct config_listener *listener = &survey->config->listeners[i];
            bool is_implicit = listener->smtp.tls == SERVER_TLS_IMPLICIT;
            if (!listener->has_auth || listener->role != ROLE_SUBMISSION ||
                listener->smtp.tls == SERVER_TLS_NONE || !is_for_the_world(listener) ||
                is_implicit != kinds[kind].is_implicit)
                continue;
            survey_srv(survey, kinds[kind].service, kinds[kind].priority, listener->port);
            break;
        }
}

static void survey_tls_report(struct dns_survey *survey)
{
    struct dns_record *record =
        add(survey, DNS_PART_TLS_REPORT, "TXT",
            "publish it, and others that check TLS tell you when it fails (RFC 8460)");
    buf_addf(&record->name, "_smtp._tls.%s", survey->domain);
    buf_addf(&record->value, "v=TLSRPTv1; rua=mailto:postmaster@%s", survey->domain);
    record->is_optional = true;
    const struct answer *answer = facts_ask(survey->facts, FACT_TXT, buf_view(&record->name));
    if (!answer)
        return;
    record->state = state_of(answer);
    for (size_t i = 0; i < answer->count; i++) {
        add_found(record, answer->records[i].data);
        if (bytes_starts(answer->records[i].data, BYTES("v=TLSRPTv1;")))
            record->state = DNS_GOOD;
    }
}

/* --- All of them ------------------------------------------------------------------------------ */

static bool is_below(struct bytes name, struct bytes domain)
{
    return bytes_equal_nocase(name, domain) ||
           (name.len > domain.len && name.at[name.len - domain.len - 1] == '.' &&
            bytes_ends_nocase(name, domain));
}

static void survey_all(struct dns_survey *survey)
{
    forget(survey);
    survey_mx(survey);
    survey_host(survey);
    for (size_t i = 0; i < senders_of(survey)->count; i++)
        survey_ptr(survey, &senders_of(survey)->list[i]);
    survey_spf(survey);
    survey_dkim(survey);
    survey_dmarc(survey);
    survey_submission(survey);
    survey_tls_report(survey);
    for (size_t i = 0; i < survey->count; i++)
        survey->records[i].is_in_zone =
            is_below(buf_view(&survey->records[i].name), bytes_of(survey->domain));
}

/* Those that it listens on. */
static void find_own(struct dns_survey *survey)
{
    static const uint8_t zeros[16];
    struct ip any[] = {ip_from_ipv6(zeros), ip_from_ipv4(zeros)};
    for (size_t i = 0; i < survey->config->listener_count; i++) {
        struct ip ip;
        if (!ip_scan(bytes_of(survey->config->listeners[i].host), &ip))
            continue;
        bool is_ipv4 = ip_is_ipv4(&ip);
        if (ip_matches(&ip, &any[is_ipv4], IP_BITS))
            own_addresses_add_public(&survey->own, is_ipv4);
        else if (address_is_public(&ip))
            own_addresses_add(&survey->own, &ip);
    }
}

struct dns_survey *dns_survey_new(const struct config *config, struct bytes domain,
                                  const struct ip *addresses, size_t count)
{
    struct dns_survey *survey = NEW(struct dns_survey);
    const struct endpoint *elsewhere = routes_find(config->routes, BYTES("invalid"));
    survey->config = config;
    survey->facts = facts_new();
    survey->has_smarthost = elsewhere && elsewhere->kind == ENDPOINT_SMTP;
    snprintf(survey->domain, sizeof survey->domain, "%.*s", BYTES_ARGS(domain));
    for (size_t i = 0; i < count; i++)
        own_addresses_add(&survey->own, &addresses[i]);
    if (count == 0)
        find_own(survey);
    survey->has_trouble = !dkim_store_open(&survey->store, config, &survey->trouble);
    /* It only reads, and whoever makes keys need not wait for the DNS. */
    if (!survey->has_trouble)
        (void)flock(survey->store.folder_fd, LOCK_UN);
    survey_all(survey);
    return survey;
}

void dns_survey_free(struct dns_survey *survey)
{
    if (!survey)
        return;
    forget(survey);
    facts_free(survey->facts);
    dkim_store_close(&survey->store);
    free(survey);
}

const char *dns_survey_trouble(const struct dns_survey *survey)
{
    return survey->has_trouble ? survey->trouble.text : NULL;
}

struct dns_client *dns_survey_client(const struct config *config, struct error *err)
{
    struct resolver_settings settings = config->resolver;
    settings.hosts = "/dev/null";
    return dns_client_open(NULL, &settings, err);
}

void dns_survey_ask(struct dns_survey *survey, struct dns_client *dns)
{
    struct question question;
    facts_free(survey->facts);
    survey->facts = facts_new();
    for (int round = 0; round < ROUNDS; round++) {
        size_t place = 0;
        survey_all(survey);
        if (!facts_next_open(survey->facts, &place, &question))
            break;
        dns_client_answer(dns, survey->facts);
    }
    /* SPF asks in its own tables, once it is known for which addresses. */
    survey->dns = dns;
    survey_all(survey);
    survey->dns = NULL;
    survey->has_asked = true;
}

bool dns_survey_has_asked(const struct dns_survey *survey)
{
    return survey->has_asked;
}

struct bytes dns_survey_domain(const struct dns_survey *survey)
{
    return bytes_of(survey->domain);
}

const char *dns_survey_hostname(const struct dns_survey *survey)
{
    return survey->config->hostname;
}

size_t dns_survey_count(const struct dns_survey *survey)
{
    return survey->count;
}

const struct dns_record *dns_survey_view(const struct dns_survey *survey, size_t number)
{
    ASSERT(number < survey->count);
    return &survey->records[number];
}

enum dns_state dns_survey_worst(const struct dns_survey *survey)
{
    enum dns_state worst = DNS_GOOD;
    for (size_t i = 0; i < survey->count; i++) {
        const struct dns_record *record = &survey->records[i];
        if (record->is_optional || record->state == DNS_GOOD)
            continue;
        if (record->state != DNS_UNKNOWN)
            return record->state;
        worst = DNS_UNKNOWN;
    }
    return worst;
}
