/* What `postrider init` says in the end: what was made, the DNS records, the settings of mail
 * programs, what is missing, and what to do next. */
#pragma once

#include "cli/dns_survey.h"
#include "cli/finding.h"
#include "cli/init_account.h"
#include "cli/init_files.h"
#include "cli/init_plan.h"

struct init_story {
    const struct init_plan *plan;
    const struct init_files *files;
    const struct init_account *account;
    const struct dns_survey *survey;
    struct findings *findings;
    const char *config_path;
    const char *ca_path; /* of the stand-in certificate; NULL: there is a real one */
};

/* What was made, for people: at once, as a password is shown there that is kept nowhere. */
void init_tell_made(const struct init_plan *plan, const struct init_files *files,
                    const struct init_account *account);
/* The rest, to standard output: for people; with the plan's is_json all of it, for programs. */
void init_tell(const struct init_story *story);
