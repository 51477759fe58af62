/* A server out there: greets, takes mail and writes it into the ledger; and behaves badly as the
 * seed says: silent, curt, greylisting, breaking off, saying 4xx and 5xx, taking a message and
 * hanging up before it has said so. */
#pragma once

#include "ledger.h"
#include "smtp/server.h"

struct peer;

struct peer_settings {
    const char *place; /* "10.0.0.1:25", "unix:/sim/lmtp" */
    bool is_lmtp, is_greylisting;
};

struct peer *peer_new(struct loop *loop, struct ledger *ledger,
                      const struct peer_settings *settings);
/* Breaks off its sessions. */
void peer_free(struct peer *peer);
/* How often, in a thousand, something bad is done where it can be. */
void peer_set_trouble(struct peer *peer, unsigned permille);
