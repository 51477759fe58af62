/* The DNS: the survey of each local domain (cli/dns_survey.h), and what it does not look for. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cli/check.h"
#include "cli/dns_client.h"
#include "cli/dns_findings.h"
#include "cli/paint.h"
#include "facts/facts.h"
#include "mail/idna.h"

#define AREA "dns"

enum { WAIT_MS = 10 * 1000, NAME_LIMIT = 300, CHAIN_LIMIT = 16 };

/* What is reserved for examples is the world's by mistake only, or that of whom the configuration
 * names to be asked. */
static bool is_asked(const struct check *check, struct bytes domain)
{
    return check->config->resolver.servers[0] || !check_is_reserved_name(domain);
}

static void tell_skipped(struct check *check, struct bytes domain)
{
    struct finding *finding = findings_add(check->findings, SEVERITY_NOTE, AREA, "dns-skipped");
    buf_addf(&finding->what, "%.*s is a name for examples and tests: the DNS was not asked for it",
             BYTES_ARGS(domain));
}

/* The server's own records once, with the first domain. */
static bool is_host_part(enum dns_part part)
{
    return part == DNS_PART_HOST || part == DNS_PART_PTR || part == DNS_PART_HELO;
}

static void survey(struct check *check, struct dns_client *dns, struct bytes domain, bool is_first)
{
    struct dns_survey *survey = dns_survey_new(check->config, domain, NULL, 0);
    const char *trouble = dns_survey_trouble(survey);
    dns_survey_ask(survey, dns);
    for (size_t i = 0; i < dns_survey_count(survey); i++) {
        const struct dns_record *record = dns_survey_view(survey, i);
        bool is_host = is_host_part(record->part);
        if (is_host ? is_first && is_asked(check, bytes_of(check->config->hostname)) : true)
            dns_findings_add_record(record, check->findings);
    }
    if (trouble) {
        struct finding *finding =
            findings_add(check->findings, SEVERITY_UNKNOWN, AREA, "dns-failed");
        buf_addf(&finding->what, "the keys that sign mail could not be looked at: %s", trouble);
        buf_addf(&finding->remedy, "run this as the server's user or as root");
    }
    dns_survey_free(survey);
}

/* --- What a survey does not look for ---------------------------------------------------------- */

struct rest {
    struct check *check;
    struct facts *facts;
    const struct answer *null_mx, *cname, *tlsa, *sts;
};

static const struct answer *ask(struct rest *rest, enum fact_type type, const char *prefix,
                                struct bytes name)
{
    uint8_t room[NAME_LIMIT];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    buf_addf(&text, "%s", prefix);
    buf_add(&text, name);
    return facts_ask(rest->facts, type, buf_view(&text));
}

/* RFC 7505: the domain says that it takes no mail. */
static void look_at_mx(const struct rest *rest, struct bytes domain)
{
    const struct answer *answer = rest->null_mx;
    if (!answer || answer->status != ANSWER_FOUND)
        return;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->records[i].data.len)
            continue;
        struct finding *finding =
            findings_add(rest->check->findings, SEVERITY_PROBLEM, AREA, "dns-null-mx");
        buf_addf(&finding->what, "%.*s says that it takes no mail", BYTES_ARGS(domain));
        buf_addf(&finding->meaning, "others return whatever is for it, and refuse mail from it");
        buf_addf(&finding->how, "an MX record of the root, \"0 .\" (RFC 7505)");
        buf_addf(&finding->remedy, "remove it, and publish\n%.*s. IN MX 10 %s.", BYTES_ARGS(domain),
                 rest->check->config->hostname);
    }
}

/* RFC 5321, 5.1; RFC 2181, 10.3: what MX leads to has addresses, and is no alias. */
static void look_at_cname(const struct rest *rest)
{
    if (!rest->cname || rest->cname->status != ANSWER_FOUND)
        return;
    struct finding *finding =
        findings_add(rest->check->findings, SEVERITY_WARNING, AREA, "dns-cname");
    buf_addf(&finding->what, "the server's name %s is an alias", rest->check->config->hostname);
    buf_addf(&finding->meaning, "MX records must not lead to aliases, and some servers do not "
                                "follow");
    buf_addf(&finding->how, "the DNS has a CNAME record: ");
    paint_add(&finding->how, rest->cname->records[0].data);
    buf_addf(&finding->remedy, "publish its A and AAAA records in place of the CNAME");
}

static bool matches(X509 *certificate, const struct answer_record *record)
{
    enum { WHOLE, PUBLIC_KEY };
    enum { EXACT, SHA_256, SHA_512 };
    uint8_t *der = NULL, hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = 0;
    int len = record->selector == PUBLIC_KEY
                  ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der)
                  : i2d_X509(certificate, &der);
    struct bytes own = {der, len > 0 ? (size_t)len : 0};
    const EVP_MD *digest = record->matching == SHA_256   ? EVP_sha256()
                           : record->matching == SHA_512 ? EVP_sha512()
                                                         : NULL;
    if (digest && own.len && EVP_Digest(own.at, own.len, hash, &hash_len, digest, NULL) == 1)
        own = (struct bytes){hash, hash_len};
    bool is_same =
        (digest || record->matching == EXACT) && own.len && bytes_equal(own, record->data);
    OPENSSL_free(der);
    return is_same;
}

/* One of our certificates by DANE-EE, or one of their issuers by DANE-TA (RFC 7672, 3.1). */
static bool is_of_file(const struct config_certificate *from, const struct answer_record *record)
{
    enum { DANE_TA = 2, DANE_EE = 3 };
    BIO *pem = BIO_new_mem_buf(from->chain.at, (int)from->chain.len);
    bool is_found = false;
    X509 *certificate = NULL;
    for (size_t i = 0; pem && !is_found && i < CHAIN_LIMIT &&
                       (certificate = PEM_read_bio_X509(pem, NULL, NULL, NULL));
         i++) {
        bool is_meant = record->usage == (i == 0 ? DANE_EE : DANE_TA);
        is_found = is_meant && matches(certificate, record);
        X509_free(certificate);
    }
    ERR_clear_error();
    BIO_free(pem);
    return is_found;
}

/* RFC 7672: who knows DANE delivers to a certificate that a record names, or not at all. */
static void look_at_tlsa(const struct rest *rest)
{
    struct config *config = rest->check->config;
    const struct answer *answer = rest->tlsa;
    if (!answer || answer->status != ANSWER_FOUND)
        return;
    for (size_t i = 0; i < answer->count; i++)
        for (size_t j = 0; j < config->tls.certificate_count; j++)
            if (is_of_file(&config->tls.certificates[j], &answer->records[i])) {
                struct finding *good =
                    findings_add(rest->check->findings, SEVERITY_GOOD, AREA, "dns-tlsa");
                buf_addf(&good->what, "the TLSA record of _25._tcp.%s is that of the certificate",
                         config->hostname);
                return;
            }
    struct finding *finding =
        findings_add(rest->check->findings, answer->is_secure ? SEVERITY_PROBLEM : SEVERITY_WARNING,
                     AREA, "dns-tlsa");
    buf_addf(&finding->what, "no TLSA record of _25._tcp.%s is that of a certificate here",
             config->hostname);
    buf_addf(&finding->meaning, "servers that know DANE do not deliver to this one");
    buf_addf(&finding->how, "%zu records were compared with the files of the certificates%s",
             answer->count,
             answer->is_secure ? ""
                               : "; the DNS is not signed there, so that they do not count yet");
    buf_addf(&finding->remedy,
             "publish the record of the new key (3 1 1) before its certificate is "
             "used, or remove what is there");
}

/* RFC 8461, 3.1: one record, with an id. */
static void look_at_sts(const struct rest *rest, struct bytes domain)
{
    const struct answer *answer = rest->sts;
    size_t good = 0, begun = 0;
    if (!answer || answer->status != ANSWER_FOUND)
        return;
    for (size_t i = 0; i < answer->count; i++) {
        struct bytes text = answer->records[i].data;
        if (!bytes_starts(text, BYTES("v=STSv1")))
            continue;
        begun++;
        good += bytes_search(text, BYTES("id=")) < text.len;
    }
    if (begun == 0 || (begun == 1 && good == 1))
        return;
    struct finding *finding =
        findings_add(rest->check->findings, SEVERITY_WARNING, AREA, "dns-mta-sts");
    buf_addf(&finding->what, "the MTA-STS record of %.*s is not as it must be", BYTES_ARGS(domain));
    buf_addf(&finding->meaning, "others pass it over, and deliver without it");
    buf_addf(&finding->how, "_mta-sts.%.*s has %zu records with v=STSv1, %zu of them with an id",
             BYTES_ARGS(domain), begun, good);
    buf_addf(&finding->remedy,
             "publish one: \"v=STSv1; id=20260101000000\", with a new id whenever "
             "the policy changes");
}

static void look_at_rest(struct check *check, struct dns_client *dns, struct bytes domain,
                         bool is_first)
{
    struct rest rest = {.check = check, .facts = facts_new()};
    struct bytes host = bytes_of(check->config->hostname);
    bool has_host = is_first && is_asked(check, host);
    for (int round = 0; round < 2; round++) {
        rest.null_mx = ask(&rest, FACT_MX, "", domain);
        rest.sts = ask(&rest, FACT_TXT, "_mta-sts.", domain);
        rest.cname = has_host ? ask(&rest, FACT_CNAME, "", host) : NULL;
        rest.tlsa = has_host ? ask(&rest, FACT_TLSA, "_25._tcp.", host) : NULL;
        if (round == 0)
            dns_client_answer(dns, rest.facts);
    }
    look_at_mx(&rest, domain);
    look_at_cname(&rest);
    look_at_tlsa(&rest);
    look_at_sts(&rest, domain);
    facts_free(rest.facts);
}

/* --- All domains ------------------------------------------------------------------------------ */

/* For the comparison with TLSA records; what is wrong with them is another area's. */
static void read_certificates(struct check *check)
{
    struct buf unread;
    buf_init(&unread, 65536);
    (void)!config_read_certificates(check->config, &unread, NULL);
    buf_done(&unread);
}

static void look_at_domain(struct check *check, struct dns_client *dns, struct bytes domain,
                           bool is_first)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    /* Names that the DNS cannot have are only ours. */
    if (!idna_to_ascii(domain, &name))
        return;
    survey(check, dns, buf_view(&name), is_first);
    look_at_rest(check, dns, buf_view(&name), is_first);
}

void check_dns(struct check *check)
{
    struct error err;
    struct bytes domain;
    struct dns_client *dns = NULL;
    bool is_first = true;
    read_certificates(check);
    for (size_t place = 0; recipients_next_domain(check->config->recipients, &place, &domain);) {
        if (!is_asked(check, domain)) {
            tell_skipped(check, domain);
            continue;
        }
        if (!dns && !(dns = dns_survey_client(check->config, &err))) {
            struct finding *finding =
                findings_add(check->findings, SEVERITY_UNKNOWN, AREA, "dns-failed");
            buf_addf(&finding->what, "the DNS cannot be asked: %s", err.text);
            return;
        }
        if (is_first)
            dns_client_set_wait(dns, WAIT_MS);
        look_at_domain(check, dns, domain, is_first);
        is_first = false;
    }
    if (dns)
        dns_client_close(dns);
}
