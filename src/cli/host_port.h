/* A host and a port as people write them: "host", "host:25", "192.0.2.1:25", "[2001:db8::1]:25",
 * "2001:db8::1". */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

/* Reads the whole text. *host: a name (UTF-8 or A-labels) or an address without brackets, a view;
 * *port is left alone where none is given. False and err: it is none of these. */
MUST_CHECK bool host_port_read(struct bytes text, struct bytes *host, uint16_t *port,
                               struct error *err);
/* A port alone, 1 to 65535. */
MUST_CHECK bool port_read(struct bytes text, uint16_t *out, struct error *err);
