/* Tries to abuse one listener of a mail server, from where it has no reason to trust: relaying
 * (cli/relay_attack.h), speaking for other clients, logging in without a password, asking who has a
 * mailbox, slipping commands in front of TLS. Says what was found; sends no message, as it stops in
 * front of DATA. Blocking and bounded. */
#pragma once

#include "cli/finding.h"
#include "cli/relay_origin.h"

struct relay_target {
    const char *name; /* for people: "127.0.0.1:25" */
    struct ip to;
    const struct ip *from; /* NULL: the system's choice */
    uint16_t port;
    struct origin_space *space;             /* where it comes from; NULL: this host's network */
    const struct config *config;            /* of our own server; NULL: another one */
    const struct config_listener *listener; /* with config */
    const char *domain;                     /* one of the server's; NULL: it is found out */
    bool has_logins; /* tries to log in with a wrong password: each time is one that is counted */
    const char *stranger; /* whom to try to reach; NULL: stranger@example.net */
};

void relay_audit(const struct relay_target *target, struct findings *findings);
