/* The two kinds of probes. Both tell all in the log; the exit status comes back. */
#pragma once

#include "cli/probe_talk.h"

/* To a recipient, as a delivery would go: route or MX, each host and address in order. */
int probe_address(struct probe *probe);
/* At a host: its ports, and what is behind each. */
int probe_host(struct probe *probe);
