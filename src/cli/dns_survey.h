/* The DNS records of a domain whose mail a server handles: what should be there, by the server's
 * configuration and keys; what the DNS has of it; and what to do. Prints nothing: cli/dns_print.h
 * and cli/dns_findings.h do. Not here: whether what the DNS says works (ports, certificates). */
#pragma once

#include "daemon/config.h"

struct dns_client; /* cli/dns_client.h */
struct ip;         /* base/ip.h */

enum dns_part {
    DNS_PART_MX,
    DNS_PART_HOST, /* A and AAAA of the server's own name */
    DNS_PART_PTR,
    DNS_PART_SPF,
    DNS_PART_HELO, /* SPF of the server's own name, which reports are sent in */
    DNS_PART_DKIM,
    DNS_PART_DMARC,
    DNS_PART_SUBMISSION, /* SRV, for mail programs (RFC 6186, RFC 8314) */
    DNS_PART_TLS_REPORT, /* RFC 8460 */
};
/* For programs: "mx", "host", "ptr", "spf", "helo", "dkim", "dmarc", "submission", "tlsrpt". */
const char *dns_part_word(enum dns_part part);
/* What it is good for, in a few words. */
const char *dns_part_purpose(enum dns_part part);

enum dns_state { DNS_GOOD, DNS_MISSING, DNS_DIFFERENT, DNS_UNKNOWN };
/* "good", "missing", "different", "unknown". */
const char *dns_state_word(enum dns_state state);

struct dns_record {
    enum dns_part part;
    const char *type;     /* "TXT" */
    struct buf name;      /* without the final dot */
    struct buf value;     /* what should be there: of TXT the text itself, of others as zone files
                             have it; empty: it is not known here, remedy says what to do */
    struct buf found;     /* what is there, as the DNS has it: not fit for a terminal */
    enum dns_state state; /* DNS_UNKNOWN, too, as long as nothing was asked */
    bool is_optional;     /* mail flows without it */
    bool is_in_zone;      /* it stands at the domain or below it; else in somebody's other zone */
    const char *remedy;   /* for what is not good */
};

struct dns_survey;

/* Finds out what should be there; asks nothing. domain: in A-labels; copied. addresses: by which
 * the world reaches the server; count 0: those that it listens on, as far as they are public. The
 * configuration is borrowed. */
struct dns_survey *dns_survey_new(const struct config *config, struct bytes domain,
                                  const struct ip *addresses, size_t count);
void dns_survey_free(struct dns_survey *survey);
/* Why the keys could not be looked at; NULL: they were. The record that stands for them then is
 * DNS_UNKNOWN. */
const char *dns_survey_trouble(const struct dns_survey *survey);

/* A client to ask by: the configuration's resolver, but without /etc/hosts, where systems often
 * have the server's own name with a loopback address. NULL and err as of dns_client_open(). */
struct dns_client *dns_survey_client(const struct config *config, struct error *err);
/* Asks until every question that answers raise is answered: blocks. May be asked again later, with
 * a fresh client. */
void dns_survey_ask(struct dns_survey *survey, struct dns_client *dns);
bool dns_survey_has_asked(const struct dns_survey *survey);

struct bytes dns_survey_domain(const struct dns_survey *survey);
const char *dns_survey_hostname(const struct dns_survey *survey);
size_t dns_survey_count(const struct dns_survey *survey);
/* By number, in the order of enum dns_part; borrowed until it asks again. */
const struct dns_record *dns_survey_view(const struct dns_survey *survey, size_t number);
/* The worst of all that is not optional: DNS_MISSING and DNS_DIFFERENT, then DNS_UNKNOWN. */
enum dns_state dns_survey_worst(const struct dns_survey *survey);
