/* What the DNS has of a domain's records, as findings for whoever looks after the server. */
#pragma once

#include "cli/dns_survey.h"
#include "cli/finding.h"

/* Adds one for each record of a survey that has asked, in the area "dns", with the code "dns-" and
 * dns_part_word(). What is missing and mail does not flow without (MX, addresses, PTR) is a
 * problem, what makes others doubt it a warning, what is good to have a note. */
void dns_findings_add(const struct dns_survey *survey, struct findings *findings);
/* The same for one record. */
void dns_findings_add_record(const struct dns_record *record, struct findings *findings);
