/* A configuration while it is being read: what the file's keys leave behind before they are
 * checked against each other. Between config.c (the keys) and config_parts.c (lists of things). */
#pragma once

#include "daemon/config.h"
#include "daemon/schema.h"

/* A name in a list that was read before it can be used. */
struct draft_name {
    struct draft_name *next;
    struct schema_text text;
};

struct draft {
    struct config config; /* becomes the result */
    struct smtp_server_settings smtp;
    struct schema_text hostname, mailbox, lmtp, run, user, spool_path, rate, accounts, keys;
    uint64_t workers, seed, hash_cost;
    unsigned log_level, log_format, spool_sync, families;
    struct schema_text trust_anchor;
    unsigned dnssec;
    const char *servers[RESOLVER_SERVER_LIMIT]; /* of the resolver */
    const char *secrets[CONFIG_SECRET_LIMIT];
    struct schema_text certificate, certificate_key;
    struct config_certificate certificates[CONFIG_CERTIFICATE_LIMIT];
    size_t certificate_count;
    unsigned tls_peers, tls_asks, has_no_tickets;
    struct draft_name *domains; /* the newest first */
    struct config_listener listeners[CONFIG_LISTENER_LIMIT];
    unsigned listener_lines[CONFIG_LISTENER_LIMIT];
    unsigned listener_tls[CONFIG_LISTENER_LIMIT]; /* enum smtp_server_tls, or DRAFT_TLS_DEFAULT */
};

enum { DRAFT_MX, DRAFT_SUBMISSION }; /* the words of a listener's role */
enum { DRAFT_TLS_DEFAULT = SERVER_TLS_IMPLICIT + 1 };

/* Forms: each reads one key's value into the draft. */
void draft_read_listen(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_domains(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_networks(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_servers(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_routes(struct schema *schema, yaml_node_t *node, void *target);
/* `tls:` in all its places: none, until TLS is there. */
void draft_read_tls(struct schema *schema, yaml_node_t *node, void *target);

/* A file that only the keeper may read: adds it to the configuration's secrets, once, and gives its
 * absolute path, which is its name in requests to the keeper. NULL: reported. */
const char *draft_secret(struct schema *schema, struct draft *draft,
                         const struct schema_text *path);

/* "100/m" or nothing. */
void draft_rate(struct schema *schema, const struct schema_text *text, const char *key,
                struct rate *out);

extern const struct schema_table draft_listener_table, draft_domain_table, draft_route_table;
