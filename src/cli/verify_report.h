/* What `postrider verify` found out, for programs and for people. */
#pragma once

#include "auth/arc.h"
#include "auth/dkim.h"
#include "auth/dmarc.h"
#include "auth/iprev.h"
#include "auth/spf.h"
#include "facts/facts.h"
#include "mail/author.h"

struct verify_findings {
    bool has_spf;
    struct spf_query spf_query;
    struct spf_verdict spf;
    bool has_helo; /* beside a reverse-path that is not null */
    struct spf_query helo_query;
    struct spf_verdict helo;
    bool has_iprev;
    enum iprev_result iprev;
    struct iprev_names names;
    bool has_message;    /* dkim and arc */
    struct facts *facts; /* of these two: the keys */
    struct dkim_report dkim;
    struct arc_report arc;
    bool has_dmarc;
    struct author author;
    struct dmarc_query dmarc_query;
    struct dmarc_answer dmarc;
};

void verify_print_json(const struct verify_findings *findings);
/* Each check with the record that it found, why it came out so, and what would mend it. */
void verify_print_text(const struct verify_findings *findings);
