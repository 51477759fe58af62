/* The configuration: one YAML file, read by a typed schema. Every key has a default but
 * `hostname`; unknown keys, bad types, bad values and contradictions are errors with file, line
 * and what to write instead. All of them are reported, not the first alone. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/journal.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "policy/fingerprints.h"
#include "policy/networks.h"
#include "policy/recipients.h"
#include "policy/verdict.h"
#include "queue/hosts.h"
#include "queue/queue.h"
#include "smtp/server.h"

struct config_listener {
    char *address; /* "0.0.0.0:25", "[::1]:2525" as written */
    char *host;    /* without port and brackets */
    uint16_t port;
    bool is_local;                    /* the Unix socket for programs on this host: address is its
                                         path, host is "", port 0 */
    enum smtp_role role;              /* mx or submission */
    struct verdict_policy verify;     /* VERDICT_OFF for submission */
    bool has_auth;                    /* people may log in */
    struct networks *proxies;         /* who speaks the PROXY protocol; NULL: nobody */
    struct networks *xclients;        /* who may say XCLIENT; NULL: nobody */
    struct smtp_server_settings smtp; /* views into the config */
};

enum {
    CONFIG_LISTENER_LIMIT = 64, /* the local one included */
    CONFIG_WORKER_LIMIT = 32,
    CONFIG_SECRET_LIMIT = 64,
    CONFIG_CERTIFICATE_LIMIT = 32,
    CONFIG_CLIENT_LIMIT = 1000,
    CONFIG_FILE_LIMIT = 64,
    CONFIG_FILE_SIZE_LIMIT = 1 << 20
};

/* A file of certificates to trust, and what was in it. */
struct config_file {
    const char *path; /* absolute */
    uint8_t *text_owned;
    size_t text_len;
};

struct config_certificate {
    const char *certificate; /* file, absolute */
    const char *key;         /* one of the secrets: the keeper's name for it */
    unsigned line;           /* of the configuration */
    struct bytes chain;      /* the certificate's file, in the arena: config_read_certificates() */
};

struct keyring; /* policy/keyring.h */

/* Tokens of one issuer (auth/jwt.h). */
struct config_oauth {
    const char *issuer, *audience, *claim;
    const char *keys; /* a file, one of the secrets; NULL: no tokens */
    int64_t leeway_ms;
};

/* A client certificate, and whose it is. */
struct config_client {
    uint8_t fingerprint[TLS_HASH_SIZE]; /* SHA-256 of the certificate */
    const char *account;
};

struct config {
    struct arena *arena; /* all texts and arrays below */
    char *path, *folder; /* the file as given, and the folder that relative paths start from */
    char *hostname;
    struct config_listener *listeners;
    size_t listener_count;
    /* Of each listener, for its fields. */
    struct networks *proxies[CONFIG_LISTENER_LIMIT], *xclients[CONFIG_LISTENER_LIMIT];
    struct recipients *recipients;
    struct routes *routes;                   /* local domains included */
    struct networks *relay_networks;         /* `relay: {networks: […]}` */
    struct fingerprints *relay_certificates; /* `relay: {certificates: […]}` */
    struct {
        struct verdict_policy policy; /* where a listener and a domain do not say otherwise */
        struct verdict_trust trust;
        struct networks *trusted;    /* clients that are not checked, beside relay_networks */
        struct networks *forwarders; /* whose failures are not held against them */
        struct map *wishes;          /* struct verdict_wish by local domain, lower case A-labels */
        const char *seal;            /* domain whose key seals what is passed on, A-labels; NULL */
        uint64_t rsa_bits;           /* the least of a key that a signature counts by */
        bool has_received_spf;       /* that field is written, too */
        int64_t timeout_ms;          /* how long a message waits for the DNS at most */
    } verify;
    char *junk_detail;                     /* "+Junk", for junk by deliver.lmtp; NULL: none */
    char *mailbox_root;                    /* `deliver: {mailbox: PATH}`; NULL with deliver.lmtp */
    char *run_folder;                      /* sockets: `run: PATH`, default SPOOL/run */
    char *control_socket, *mailbox_socket; /* in the run folder */
    char *submission_socket; /* `submission_socket: PATH`, default RUN/submission.sock;
                                NULL: none */
    char *accounts_folder;   /* `accounts: PATH`, default SPOOL/accounts */
    char *keys_folder;       /* `keys: PATH`, default SPOOL/keys */
    char *keyring_path;      /* KEYS/dkim */
    struct keyring *keyring; /* NULL: no key signs */
    const char **secrets;    /* files that the supervisor opens for the keeper, which
                                knows each by its name as it stands here: absolute */
    size_t secret_count;
    struct config_file *files;
    size_t file_count;
    char *trace_folder; /* journals that `postrider trace` reads: SPOOL/trace */
    struct journal_settings trace;
    char *user;       /* `user: NAME` to become when started as root; NULL */
    unsigned workers; /* processes (and shards), 1-32; default 1 */
    enum log_level log_level;
    enum log_format log_format;
    struct {
        char *path;
        bool is_durable;
        uint64_t segment_bytes, low_water_bytes, inline_body_bytes;
    } spool;
    struct queue_settings queue;
    struct smtp_client_settings client; /* dialect is set by each connection */
    struct resolver_settings resolver;
    struct {
        struct config_certificate *certificates; /* the first one is the default */
        size_t certificate_count;
        enum tls_peers peers;
        enum tls_client_certificate asked;
        bool has_no_tickets;
    } tls; /* of incoming sessions; what a listener has is in its smtp.tls */
    struct {
        unsigned mechanisms;        /* offered where a listener has auth: bits 1 << SASL_… */
        bool allows_clear_loopback; /* without TLS, on this host */
        bool allows_any_sender;     /* not an account's own addresses only */
        bool has_results;           /* Authentication-Results says who logged in */
        uint32_t messages_per_day, recipients_per_day; /* 0: any */
        unsigned hash_cost;                            /* of yescrypt, 1-11 */
        struct config_client *certificates;            /* for EXTERNAL */
        size_t certificate_count;
        const char
            *dovecot; /* its auth socket, which verifies passwords; NULL: the directory does */
        struct networks *unbanned; /* whose failures of logging in are let alone; owned */
    } auth;
    struct config_oauth oauth;
    struct {
        int64_t connect_timeout_ms;
        enum address_families families;
        const char *certificate; /* to show where it is asked for: a file of config_file(); NULL */
        const char *key;         /* one of the secrets */
    } outbound;
    struct {
        size_t sessions, sessions_per_address, hops, header_bytes;
        int64_t client_idle_ms; /* outgoing connections idle this long are closed */
        int64_t drain_ms;       /* how long `stop` waits for sessions and deliveries under way */
    } limits;
};

/* Reads and checks the file, not those that it names. NULL: `problems` has a line each ("FILE:LINE:
 * what; what to write instead"). */
struct config *config_load(const char *path, struct buf *problems);
/* The same for a text already read; path and folder as config_load would have them. What the
 * supervisor hands to its children. */
struct config *config_parse(struct bytes text, const char *path, const char *folder,
                            struct buf *problems);
/* Reads the file of resolver.trust_anchor, if there is one, into resolver.anchor_records. False,
 * and a line in problems with the file's own line: it cannot be read, or is no list of DS or DNSKEY
 * records. */
MUST_CHECK bool config_read_anchor(struct config *config, struct buf *problems);
/* The records as another process has read them; copied. */
void config_set_anchor(struct config *config, struct bytes records);
/* Reads the files of all certificates, and their keys only to see whether they fit. False, and a
 * line in problems for each that will not do. warnings (may be NULL): what will not do for long. */
MUST_CHECK bool config_read_certificates(struct config *config, struct buf *problems,
                                         struct buf *warnings);
/* The chain of the certificate with that number, as another process has read it; copied. */
void config_set_certificate(struct config *config, size_t number, struct bytes chain);
/* Reads the keyring in the folder of keys, if there is one. False, and a line in problems: it
 * cannot be read, or is none. */
MUST_CHECK bool config_read_keyring(struct config *config, struct buf *problems);
/* The keyring's text as another process has read it. False and err: it is none. */
MUST_CHECK bool config_set_keyring(struct config *config, struct bytes text, struct error *err);
/* Appends the text of a keyring's file, nothing when there is none; text takes one byte more than
 * KEYRING_TEXT_LIMIT. False and err: it cannot be read, or is longer. */
MUST_CHECK bool config_keyring_read_text(const char *path, struct buf *text, struct error *err);
/* Reads the files of trusted certificates. False, and a line in problems for each that will not do.
 */
MUST_CHECK bool config_read_files(struct config *config, struct buf *problems);
/* What was in such a file; borrowed. Empty: there is none of that name, or it was not read. */
struct bytes config_file(const struct config *config, struct bytes path);
/* Their contents as bytes for another process, which has read the same text; false: they are not
 * these. */
void config_pack_files(const struct config *config, struct buf *out);
MUST_CHECK bool config_unpack_files(struct config *config, struct bytes packed);
void config_free(struct config *config);
/* Reads the file's text as it is, up to the limit of a configuration; *folder_owned is the absolute
 * folder that it lies in. */
MUST_CHECK bool config_read(const char *path, struct buf *text, char **folder_owned,
                            struct error *err);
/* Appends all keys with their kinds, defaults and meanings, a line each. */
void config_print_keys(struct buf *out);
