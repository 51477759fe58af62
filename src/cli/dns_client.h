/* Who answers when a command needs facts: the DNS, or a zone on file. Blocking: for commands. */
#pragma once

#include "base/error.h"
#include "net/resolver.h"

struct facts; /* facts/facts.h */

enum { DNS_CLIENT_WAIT_MS = 60000 }; /* for all questions together; later ones are not asked */

struct dns_client;

/* NULL and err: the zone cannot be read, or the resolver not begin. zone: the file, or NULL. */
struct dns_client *dns_client_open(const char *zone, const struct resolver_settings *settings,
                                   struct error *err);
void dns_client_close(struct dns_client *dns_owned);
/* From now on, for all questions together, in place of DNS_CLIENT_WAIT_MS. */
void dns_client_set_wait(struct dns_client *dns, int64_t wait_ms);

/* Does an answer that is not secure mean that it is not signed? Without a trust anchor nobody
 * knows.
 */
bool dns_client_is_validating(const struct dns_client *dns);

/* Has all open questions answered. */
void dns_client_answer(struct dns_client *dns, struct facts *facts);
