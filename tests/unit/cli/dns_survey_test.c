/* The records that a domain needs, and what is made of a DNS that has them, or others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/ip.h"
#include "cli/dns_client.h"
#include "cli/dns_findings.h"
#include "cli/dns_print.h"
#include "cli/dns_survey.h"
#include "cli/own_addresses.h"

enum { PATH_ROOM = 64 };

static const char config_text[] =
    "hostname: mx.example.org\n"
    "listen:\n"
    "  - {address: \"0.0.0.0:25\", role: mx}\n"
    "  - {address: \"0.0.0.0:587\", role: submission, tls: required}\n"
    "  - {address: \"0.0.0.0:465\", role: submission, tls: implicit}\n"
    "tls: {certificate: a.pem, key: a.key}\n"
    "domains:\n"
    "  - {name: example.org, mailboxes: any}\n"
    "deliver: {mailbox: mail}\n"
    "spool: spool\n";
static const char smarthost_text[] =
    "routes:\n  - {to: \"*\", via: \"smtp://relay.example:587\"}\n";

#define GOOD_HOST                                                                                  \
    "\"mx.example.org\": {\"A\": [\"192.0.2.7\"], \"AAAA\": [\"2001:db8::7\"],"                    \
    "                     \"TXT\": [\"v=spf1 a -all\"]},"                                          \
    "\"7.2.0.192.in-addr.arpa\": {\"PTR\": [\"mx.example.org.\"]},"                                \
    "\"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa\":"                \
    "    {\"PTR\": [\"mx.example.org.\"]}"
#define GOOD_REST                                                                                  \
    "\"example.org\": {\"MX\": [[10, \"mx.example.org\"]], \"TXT\": [\"v=spf1 mx -all\"]},"        \
    "\"_dmarc.example.org\": {\"TXT\": [\"v=DMARC1; p=reject\"]},"                                 \
    "\"_submissions._tcp.example.org\": {\"SRV\": [[0, 1, 465, \"mx.example.org\"]]},"             \
    "\"_submission._tcp.example.org\": {\"SRV\": [[0, 1, 587, \"MX.example.org.\"]]},"             \
    "\"_smtp._tls.example.org\": {\"TXT\": [\"v=TLSRPTv1; rua=mailto:a@example.org\"]}"

static const struct {
    const char *name, *zone;
    enum dns_part part; /* whose records are looked at */
    const char *states; /* of each, in order: its first letter, upper case where not optional */
    bool has_smarthost;
} rows[] = {
    {"nothing: MX", "{}", DNS_PART_MX, "M", false},
    {"nothing: addresses", "{}", DNS_PART_HOST, "MM", false},
    {"nothing: PTR", "{}", DNS_PART_PTR, "MM", false},
    {"nothing: SRV", "{}", DNS_PART_SUBMISSION, "mm", false},
    {"all: MX", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_MX, "G", false},
    {"all: addresses", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_HOST, "GG", false},
    {"all: PTR", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_PTR, "GG", false},
    {"all: SPF", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_SPF, "G", false},
    {"all: SPF of the host", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_HELO, "g", false},
    {"all: DMARC", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_DMARC, "G", false},
    {"all: SRV", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_SUBMISSION, "gg", false},
    {"all: reports", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_TLS_REPORT, "g", false},
    {"no key", "{" GOOD_HOST "," GOOD_REST "}", DNS_PART_DKIM, "M", false},
    {"another MX", "{\"example.org\": {\"MX\": [[5, \"other.example\"]]}}", DNS_PART_MX, "D",
     false},
    {"an address more",
     "{\"mx.example.org\": {\"A\": [\"192.0.2.7\", \"192.0.2.8\"], \"AAAA\": [\"2001:db8::7\"]}}",
     DNS_PART_HOST, "GGd", false},
    {"one address only", "{\"mx.example.org\": {\"A\": [\"192.0.2.7\"]}}", DNS_PART_HOST, "GM",
     false},
    {"an address with another name",
     "{\"7.2.0.192.in-addr.arpa\": {\"PTR\": [\"host-7.provider.example\"]},"
     " \"host-7.provider.example\": {\"A\": [\"192.0.2.99\"]}}",
     DNS_PART_PTR, "DM", false},
    {"a name of the provider's",
     "{\"7.2.0.192.in-addr.arpa\": {\"PTR\": [\"host-2-7.provider.example\"]},"
     " \"host-2-7.provider.example\": {\"A\": [\"192.0.2.7\"]}}",
     DNS_PART_PTR, "DM", false},
    {"another name of ours",
     "{\"7.2.0.192.in-addr.arpa\": {\"PTR\": [\"mail27.other.example\"]},"
     " \"mail27.other.example\": {\"A\": [\"192.0.2.7\"]}}",
     DNS_PART_PTR, "dM", false},
    {"SPF without IPv6",
     "{" GOOD_HOST ", \"example.org\": {\"TXT\": [\"v=spf1 ip4:192.0.2.7 -all\"]}}", DNS_PART_SPF,
     "D", false},
    {"two policies",
     "{\"_dmarc.example.org\": {\"TXT\": [\"v=DMARC1; p=none\", \"v=DMARC1; p=reject\"]}}",
     DNS_PART_DMARC, "D", false},
    {"SRV to another port",
     "{\"_submission._tcp.example.org\": {\"SRV\": [[0, 1, 25, \"mx.example.org\"]]}}",
     DNS_PART_SUBMISSION, "md", false},
    {"silence: MX", "{\"example.org\": {\"*\": \"TIMEOUT\"}}", DNS_PART_MX, "U", false},
    {"silence: SPF", "{\"example.org\": {\"*\": \"TIMEOUT\"}}", DNS_PART_SPF, "U", false},
    {"a smarthost: PTR", "{}", DNS_PART_PTR, "mm", true},
    {"a smarthost: SPF is its operator's affair",
     "{\"example.org\": {\"TXT\": [\"other\", \"v=spf1 include:relay.example -all\"]}}",
     DNS_PART_SPF, "G", true},
    {"a smarthost: broken SPF", "{\"example.org\": {\"TXT\": [\"v=spf1 includes\"]}}", DNS_PART_SPF,
     "D", true},
    {"a smarthost: two SPF", "{\"example.org\": {\"TXT\": [\"v=spf1 -all\", \"v=spf1 mx -all\"]}}",
     DNS_PART_SPF, "D", true},
    {"a smarthost: no SPF", "{\"example.org\": {\"TXT\": [\"other\"]}}", DNS_PART_SPF, "M", true},
};

static char folder[] = "/tmp/postrider-test.XXXXXX";

static struct config *make_config(bool has_smarthost)
{
    struct buf text, problems;
    buf_init(&text, sizeof config_text + sizeof smarthost_text);
    buf_init(&problems, 4096);
    buf_add(&text, bytes_of(config_text));
    if (has_smarthost)
        buf_add(&text, bytes_of(smarthost_text));
    struct config *config = config_parse(buf_view(&text), "test.yaml", folder, &problems);
    if (!config)
        fail_msg("%.*s", BYTES_ARGS(buf_view(&problems)));
    buf_done(&text);
    buf_done(&problems);
    return config;
}

static struct dns_survey *make_survey(const struct config *config)
{
    struct ip addresses[2];
    assert_true(ip_scan(BYTES("192.0.2.7"), &addresses[0]));
    assert_true(ip_scan(BYTES("2001:db8::7"), &addresses[1]));
    struct dns_survey *survey = dns_survey_new(config, BYTES("example.org"), addresses, 2);
    assert_null(dns_survey_trouble(survey));
    return survey;
}

static void ask(struct dns_survey *survey, const char *zone)
{
    static const struct resolver_settings settings = {.server_count = 0};
    char path[PATH_ROOM];
    struct error err;
    snprintf(path, sizeof path, "%s/zone", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(zone, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
    struct dns_client *dns = dns_client_open(path, &settings, &err);
    if (!dns)
        fail_msg("%s", err.text);
    dns_survey_ask(survey, dns);
    dns_client_close(dns);
    unlink(path);
}

static void states_follow_from_the_dns(void **state)
{
    for (size_t row = 0; row < COUNT(rows); row++) {
        struct config *config = make_config(rows[row].has_smarthost);
        struct dns_survey *survey = make_survey(config);
        char states[8] = "";
        size_t count = 0;
        ask(survey, rows[row].zone);
        for (size_t i = 0; i < dns_survey_count(survey); i++) {
            const struct dns_record *record = dns_survey_view(survey, i);
            if (record->part == rows[row].part && count < sizeof states - 1)
                states[count++] =
                    (char)(*dns_state_word(record->state) - (record->is_optional ? 0 : 32));
        }
        if (strcmp(states, rows[row].states) != 0)
            fail_msg("%s: %s instead of %s", rows[row].name, states, rows[row].states);
        dns_survey_free(survey);
        config_free(config);
    }
}

static void findings_are_ranked(void **state)
{
    struct config *config = make_config(false);
    struct dns_survey *survey = make_survey(config);
    struct findings *findings = findings_new();
    ask(survey, "{}");
    dns_findings_add(survey, findings);
    /* MX, two addresses, two PTR; SPF, DKIM, DMARC; SPF of the host, two SRV, TLSRPT. */
    assert_int_equal(findings_count(findings, SEVERITY_PROBLEM), 5);
    assert_int_equal(findings_count(findings, SEVERITY_WARNING), 3);
    assert_int_equal(findings_count(findings, SEVERITY_NOTE), 4);
    assert_int_equal(dns_survey_worst(survey), DNS_MISSING);
    findings_free(findings);
    dns_survey_free(survey);
    config_free(config);
}

static void records_are_printed(void **state)
{
    static const char *const zone[] = {
        "\nexample.org. 3600 IN MX 10 mx.example.org.\n",
        "\nmx.example.org. 3600 IN A 192.0.2.7\n",
        "\nmx.example.org. 3600 IN AAAA 2001:db8::7\n",
        "\n;   7.2.0.192.in-addr.arpa. 3600 IN PTR mx.example.org.\n",
        "\nexample.org. 3600 IN TXT \"v=spf1 mx -all\"\n",
        "\n_submission._tcp.example.org. 3600 IN SRV 10 1 587 mx.example.org.\n",
        "\n;   *._domainkey.example.org: mail of this domain is not signed",
    };
    static const char *const table[] = {
        "\n@                               MX    10 mx.example.org.\n",
        "\nmx                              A     192.0.2.7\n",
        "\n_dmarc                          TXT   v=DMARC1; p=quarantine;",
        "\n7.2.0.192.in-addr.arpa          PTR   mx.example.org.\n",
    };
    struct config *config = make_config(false);
    struct dns_survey *survey = make_survey(config);
    struct buf out;
    buf_init(&out, DNS_PRINT_LIMIT);
    dns_print_zone(survey, &out);
    for (size_t i = 0; i < COUNT(zone); i++)
        if (bytes_search(buf_view(&out), bytes_of(zone[i])) == out.len)
            fail_msg("no %s in %.*s", zone[i], BYTES_ARGS(buf_view(&out)));
    buf_clear(&out);
    dns_print_table(survey, &out);
    for (size_t i = 0; i < COUNT(table); i++)
        if (bytes_search(buf_view(&out), bytes_of(table[i])) == out.len)
            fail_msg("no %s in %.*s", table[i], BYTES_ARGS(buf_view(&out)));
    buf_done(&out);
    dns_survey_free(survey);
    config_free(config);
}

static void addresses_are_public_or_not(void **state)
{
    static const struct {
        const char *address;
        bool is_public;
    } addresses[] = {
        {"192.0.2.7", true},    {"8.8.8.8", true},    {"10.1.2.3", false},    {"172.16.0.1", false},
        {"172.32.0.1", true},   {"127.0.0.1", false}, {"100.64.0.1", false},  {"100.128.0.1", true},
        {"192.168.1.1", false}, {"224.0.0.1", false}, {"169.254.1.1", false}, {"::1", false},
        {"fe80::1", false},     {"fd00::1", false},   {"2001:db8::1", true},  {"ff02::1", false},
    };
    for (size_t i = 0; i < COUNT(addresses); i++) {
        struct ip ip;
        assert_true(ip_scan(bytes_of(addresses[i].address), &ip));
        if (address_is_public(&ip) != addresses[i].is_public)
            fail_msg("%s", addresses[i].address);
    }
}

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"spool/keys", "spool", ""};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[PATH_ROOM];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (rmdir(path) != 0)
            return -1;
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_follow_from_the_dns),
        cmocka_unit_test(findings_are_ranked),
        cmocka_unit_test(records_are_printed),
        cmocka_unit_test(addresses_are_public_or_not),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
