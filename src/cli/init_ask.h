/* What `postrider init` asks in a terminal: what is not given and cannot be found out, one line
 * each, with a default where there is one. Questions go to standard error, answers come from
 * standard input. */
#pragma once

#include "cli/init_look.h"

/* Can anybody be asked? */
bool init_ask_is_possible(void);

/* The domain, the server's name, the account: where the plan has none. False: no more input. */
MUST_CHECK bool init_ask_names(struct init_plan *plan, const struct init_look *look);
/* The defaults of these, for who is not asked; the plan has a domain. */
void init_ask_nobody(struct init_plan *plan, const struct init_look *look);
/* What the network made necessary: an address behind a NAT, a smarthost where port 25 is blocked.
 * False: no more input. */
MUST_CHECK bool init_ask_ways(struct init_plan *plan, const struct init_look *look);
/* *out: yes, or no. False: no more input. */
MUST_CHECK bool init_ask_yes(const char *question, bool is_default, bool *out);
