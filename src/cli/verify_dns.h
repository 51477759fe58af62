/* Who answers when `postrider verify` needs facts: a zone on file, or the DNS. */
#pragma once

#include "base/error.h"
#include "net/resolver.h"

struct facts; /* facts/facts.h */

enum { VERIFY_WAIT_MS = 60000 }; /* for all questions together; later ones are not asked */

struct verify_dns;

/* NULL and err: the zone cannot be read, or the resolver not begin. zone: the file, or NULL. */
struct verify_dns *verify_dns_open(const char *zone, const struct resolver_settings *settings,
                                   struct error *err);
void verify_dns_close(struct verify_dns *dns_owned);

/* Has all open questions answered. */
void verify_dns_answer(struct verify_dns *dns, struct facts *facts);
