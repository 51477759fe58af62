/* The DNS records of a survey on paper: as a zone file, as a table for the web forms of those who
 * keep zones, as JSON; and what the DNS has of them. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "cli/dns_survey.h"

enum { DNS_PRINT_TTL_S = 3600, DNS_PRINT_LIMIT = 1 << 20 };

/* Appends lines of a zone file (RFC 1035, 5.1), with a comment for each kind; what stands in other
 * zones, and what is not known, is in comments. */
void dns_print_zone(const struct dns_survey *survey, struct buf *out);
/* Appends a table: name, type and value, as web forms want them: names below the domain without it
 * ("@" is the domain itself), texts in one piece without quotes. */
void dns_print_table(const struct dns_survey *survey, struct buf *out);
/* An array of {"name", "type", "record", "value", "for", "optional", "in_zone"}, after asking also
 * {"state", "found", "remedy"}; the caller owns it. */
json_t *dns_print_json(const struct dns_survey *survey);
/* Prints what was found to standard output, in colour where it helps. */
void dns_print_states(const struct dns_survey *survey);
