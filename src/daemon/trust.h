/* Whom a configuration trusts by address, and whether that is more than was meant: networks as wide
 * as the internet, and gateways (policy/gateways.h) whose address stands for all that they pass on.
 * Asked when a server starts or reloads, and by `postrider check`. */
#pragma once

#include "daemon/config.h"
#include "policy/gateways.h"

/* What those in such a network may do. */
enum trust_right {
    TRUST_RELAY,     /* send to anybody */
    TRUST_UNCHECKED, /* mail is taken without a look at whom it is from */
    TRUST_SPEAK_FOR, /* say which client they speak for (PROXY, XCLIENT) */
};

enum { TRUST_LIMIT = 2 + 2 * CONFIG_LISTENER_LIMIT };

struct trust {
    const char *key;      /* "relay.networks", "listen.xclient"; constant */
    const char *listener; /* its address; NULL: of all */
    enum trust_right right;
    const struct networks *networks; /* borrowed from the configuration */
};

/* All that there are; the count. */
size_t trust_list(const struct config *config, struct trust out[TRUST_LIMIT]);

/* This process's gateways: its routes, its interfaces, and whether it is in a container. What
 * cannot be read is as if it were not there. */
void trust_gateways(struct gateways *out);

/* Writes a warning to the log for each network and gateway that should not be trusted. */
void trust_warn(const struct config *config);
