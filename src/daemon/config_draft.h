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

/* `verify:` while it is being read. */
struct draft_verify {
    unsigned mode, reject, quarantine, spf_fail, helo_fail, no_author, no_name, misleading,
        dns_error, received_spf;
    struct draft_name *allow, *sealers; /* the newest first */
    struct schema_text seal;
    size_t allow_count, sealer_count;
    bool has_trusted;
};

/* `auth:` and `oauth:` as they were read. */
struct draft_auth {
    unsigned mechanisms, mechanisms_line; /* line 0: none were named */
    unsigned cleartext, senders, results;
    uint64_t messages, recipients, hash_cost;
    yaml_node_t *clients; /* certificates; NULL: not given */
    bool has_unbanned;
    struct schema_text issuer, audience, keys, claim, dovecot;
    int64_t leeway_ms;
};

struct draft {
    struct config config; /* becomes the result */
    struct smtp_server_settings smtp;
    struct schema_text hostname, mailbox, lmtp, junk_detail, run, user, spool_path, rate, accounts,
        submission_socket, keys;
    uint64_t workers, seed;
    struct draft_auth auth;
    unsigned log_level, log_format, spool_sync, families;
    struct schema_text trust_anchor;
    unsigned dnssec;
    const char *servers[RESOLVER_SERVER_LIMIT]; /* of the resolver */
    const char *secrets[CONFIG_SECRET_LIMIT];
    struct schema_text certificate, certificate_key;
    struct config_certificate certificates[CONFIG_CERTIFICATE_LIMIT];
    size_t certificate_count;
    unsigned tls_peers, tls_asks, has_no_tickets;
    struct draft_verify verify;
    struct draft_name *domains; /* the newest first */
    struct config_listener listeners[CONFIG_LISTENER_LIMIT];
    struct verdict_wish listener_wishes[CONFIG_LISTENER_LIMIT];
    unsigned listener_lines[CONFIG_LISTENER_LIMIT];
    unsigned listener_tls[CONFIG_LISTENER_LIMIT]; /* enum smtp_server_tls, or DRAFT_TLS_DEFAULT */
};

enum { DRAFT_MX, DRAFT_SUBMISSION }; /* the words of a listener's role */
enum { DRAFT_TLS_DEFAULT = SERVER_TLS_IMPLICIT + 1 };

/* `verify:` of a listener, and of a domain: a mode, or a mapping of what is done otherwise. */
void draft_read_listener_wish(struct schema *schema, yaml_node_t *node, struct verdict_wish *out);
void draft_read_domain_wish(struct schema *schema, struct draft *draft,
                            const struct schema_text *domain, yaml_node_t *node);
/* The networks of a list, of the key that is named. */
void draft_read_network_list(struct schema *schema, yaml_node_t *node, const char *key,
                             struct networks *out);
/* Settles `verify:` once all is read. */
void draft_build_verify(struct schema *schema, struct draft *draft);

/* Forms: each reads one key's value into the draft. */
void draft_read_listen(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_domains(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_networks(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_relay_domains(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_fingerprints(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_servers(struct schema *schema, yaml_node_t *node, void *target);
void draft_read_routes(struct schema *schema, yaml_node_t *node, void *target);

/* A file that only the keeper may read: adds it to the configuration's secrets, once, and gives its
 * absolute path, which is its name in requests to the keeper. NULL: reported. */
const char *draft_secret(struct schema *schema, struct draft *draft,
                         const struct schema_text *path);

/* Can it be the part of an address in front of the @? */
bool draft_is_local_part(struct bytes text);
/* A path, made absolute: a relative one begins at the configuration's folder. In the arena. NULL:
 * reported. */
const char *draft_path(struct schema *schema, struct draft *draft, const struct schema_text *path);
/* A file of certificates: adds it to the configuration's files, once, and gives its absolute path,
 * which is its name for config_file(). NULL: reported. */
const char *draft_file(struct schema *schema, struct draft *draft, const struct schema_text *path);
void config_free_files(struct config *config);

/* "100/m" or nothing. */
void draft_rate(struct schema *schema, const struct schema_text *text, const char *key,
                struct rate *out);

/* Settles what auth: and oauth: come to, before the listeners are. */
void draft_build_auth(struct schema *schema, struct draft *draft);

extern const struct schema_table draft_verify_table;
extern const struct schema_table draft_listener_table, draft_domain_table, draft_route_table,
    draft_auth_table, draft_oauth_table;
