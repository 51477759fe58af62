/* TLS of incoming sessions: the configuration's certificates, with keys that the keeper has. */
#pragma once

#include "daemon/config.h"
#include "daemon/keeper_client.h"

/* Signs by asking the keeper; NULL (there is none) signs nothing. The client is kept. */
void server_tls_signer(struct keeper_client *client, struct tls_signer *out);
/* From what config_read_certificates() or config_set_certificate() left in the configuration. The
 * signer is kept. NULL and err. */
struct tls_context *server_tls_new(const struct config *config, const struct tls_signer *signer,
                                   struct error *err);
