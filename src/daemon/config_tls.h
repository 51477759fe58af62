/* `tls:` towards other servers, in its three places: outbound.tls, outbound.tls_domains and
 * routes.tls. */
#pragma once

#include "daemon/config_draft.h"

/* A rule as it was read: texts in the arena. */
struct draft_tls {
    unsigned line; /* 0: it was not given, or not well */
    enum tls_level level;
    struct bytes ca_file; /* absolute */
    struct bytes names[TLS_NAME_LIMIT];
    uint8_t pins[TLS_PIN_LIMIT][TLS_PIN_SIZE];
    size_t name_count, pin_count;
};

/* Reads a level as a word, or a mapping with level, ca, names and pins; what is wrong is reported
 * with this name of the key. */
void draft_tls_read(struct schema *schema, yaml_node_t *node, const char *key, struct draft *draft,
                    struct draft_tls *out);
/* A view of it. */
struct tls_rule draft_tls_rule(const struct draft_tls *tls, enum tls_source source);
/* Does the rule make sense for a route that leads there? Reports it, if not. */
void draft_tls_check(struct schema *schema, const struct draft_tls *tls,
                     const struct endpoint *endpoint);

/* The readers of outbound.tls, tls_domains and client_certificate; their target is the draft. */
void draft_read_outbound_tls(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_tls_domains(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_client_certificate(struct schema *schema, yaml_node_t *node, void *target);
