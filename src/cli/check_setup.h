/* What a configuration that is good in itself will be a surprise with, as the host now stands: keys
 * that everybody can read, certificates for other names, listeners where nobody can log in. */
#pragma once

#include "daemon/config.h"

/* Appends a line for each finding ("FILE: what; what to do"). Looks at files, and changes nothing;
 * config_read_certificates() has been called. */
void check_setup(const struct config *config, struct buf *warnings);
