/* `tls:`, between config.c and config_certificates.c. */
#pragma once

#include "daemon/config_draft.h"

extern const struct schema_table draft_tls_table;

/* From the draft to config->tls. */
void draft_build_certificates(struct schema *schema, struct draft *draft);
