/* The keys that a server's session tickets are encrypted with. Whoever learns one can read the TLS
 * 1.2 sessions that were resumed by its tickets, also old ones: so a key is replaced, and forgotten
 * when the last of its tickets has expired. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    TICKET_LIFE_S = 2 * 3600, /* of a ticket; and so long a key makes new ones */
    TICKET_NAME = 16,
    TICKET_SECRET = 32,
};

struct ticket_key {
    uint8_t name[TICKET_NAME];
    uint8_t cipher[TICKET_SECRET], mac[TICKET_SECRET];
    int64_t since_s; /* steady */
    bool is_there;
};

/* The newest first; all zero to begin with. */
struct tls_tickets {
    struct ticket_key keys[2];
};

/* The key for a new ticket. NULL: there is no randomness. */
const struct ticket_key *tls_tickets_newest(struct tls_tickets *tickets, int64_t now_s);
/* The key of a ticket that came back. NULL: unknown, or too old. */
const struct ticket_key *tls_tickets_find(struct tls_tickets *tickets,
                                          const uint8_t name[TICKET_NAME], int64_t now_s);
/* Wipes them. */
void tls_tickets_done(struct tls_tickets *tickets);
