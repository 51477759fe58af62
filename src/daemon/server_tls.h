/* TLS of incoming sessions: the configuration's certificates, with keys that the keeper has. */
#pragma once

#include "base/list.h"
#include "daemon/config.h"
#include "daemon/keeper_client.h"

/* Signs by asking the keeper. */
struct keeper_signer {
    struct tls_signer signer;
    struct keeper_client *client;
    struct list signings; /* struct signing, under way */
};
/* client NULL (there is no keeper) signs nothing; kept. */
void keeper_signer_init(struct keeper_signer *out, struct keeper_client *client);
/* What is under way is not signed. */
void keeper_signer_done(struct keeper_signer *signer);
/* From what config_read_certificates() or config_set_certificate() left in the configuration. The
 * signer is kept. NULL and err. */
struct tls_context *server_tls_new(const struct config *config, const struct tls_signer *signer,
                                   struct error *err);
