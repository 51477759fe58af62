/* What is ourselves in the eyes of the DNS: this host's name, and the addresses and ports that it
 * takes mail on. An MX that is ourselves would bring mail back (RFC 5321, 5.1). */
#pragma once

#include "daemon/config.h"
#include "queue/mx.h"

/* A listener on all addresses has those that the host's interfaces have now. The name is a view of
 * the configuration; self_done() frees the addresses. The port that mail goes out to is not set. */
void self_init(struct mx_self *self, const struct config *config);
void self_done(struct mx_self *self);
