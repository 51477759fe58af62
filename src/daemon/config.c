#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/map.h"
#include "base/memory.h"
#include "daemon/config_certificates.h"
#include "daemon/config_tls.h"
#include "policy/keyring.h"

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "keys write sizes as 64 bits");

/* Values are copied once each; a text of 1 MiB that repeats itself by aliases ends here. */
enum { ARENA_CEILING = 16 << 20, ARENA_RESERVE = 3 << 20 };
enum { SYNC_DURABLE, SYNC_NONE };
enum { DNSSEC_VALIDATE, DNSSEC_OFF };

#define HOUR_MS (3600 * INT64_C(1000))
#define DAY_MS (24 * HOUR_MS)
#define GIB (UINT64_C(1) << 30)

static const char *const sync_words[] = {"durable", "none", NULL};
static const char *const dnssec_words[] = {"validate", "off", NULL};
static const char *const family_words[] = {
    [FAMILIES_BOTH] = "both", [FAMILIES_IPV4] = "ipv4", [FAMILIES_IPV6] = "ipv6", NULL};
static const char *const level_words[] = {"debug", "info", "warning", "error", NULL};
static const char *const format_words[] = {"logfmt", "json", NULL};

#define AT(member) offsetof(struct draft, member)

static const struct schema_key spool_keys[] = {
    {"path", SCHEMA_TEXT, AT(spool_path), "/var/spool/postrider", .help = "folder of the spool"},
    {"sync", SCHEMA_WORD, AT(spool_sync), "durable", .words = sync_words,
     .help = "none: a crash of the machine may lose mail"},
    {"segment", SCHEMA_SIZE, AT(config.spool.segment_bytes), "64M", 1 << 20, GIB,
     .help = "size of a segment file"},
    {"low_water", SCHEMA_SIZE, AT(config.spool.low_water_bytes), "256M", 0, 1024 * GIB,
     .help = "new mail is refused below this much free space"},
    {"inline_body", SCHEMA_SIZE, AT(config.spool.inline_body_bytes), "1M", 1 << 10, 64 << 20,
     .help = "a larger body gets a file of its own"},
};
static const struct schema_table spool_table = {"spool", spool_keys, COUNT(spool_keys)};

static const struct schema_key deliver_keys[] = {
    {"mailbox", SCHEMA_TEXT, AT(mailbox), NULL,
     .help = "folder of the Maildirs: FOLDER/DOMAIN/NAME (default /var/lib/postrider/mail)"},
    {"lmtp", SCHEMA_TEXT, AT(lmtp), NULL,
     .help = "or another server's LMTP: unix:/path or lmtp://HOST:PORT"},
    {"junk_detail", SCHEMA_TEXT, AT(junk_detail), NULL,
     .help = "with lmtp: what junk has in its recipient's name, as +Junk"},
};
static const struct schema_table deliver_table = {"deliver", deliver_keys, COUNT(deliver_keys)};

static const struct schema_key relay_keys[] = {
    {"networks", SCHEMA_FORM, 0, NULL, .read = draft_read_networks,
     .help = "list of networks that may relay; none by default"},
    {"domains", SCHEMA_FORM, 0, NULL, .read = draft_read_relay_domains,
     .help = "list of domains whose mail is passed on, whoever sends it"},
    {"certificates", SCHEMA_FORM, 0, NULL, .read = draft_read_fingerprints,
     .help = "list of client certificates (SHA-256) that may relay; none by default"},
};
static const struct schema_table relay_table = {"relay", relay_keys, COUNT(relay_keys)};

static const struct schema_key resolver_keys[] = {
    {"servers", SCHEMA_FORM, 0, NULL, .read = draft_read_servers,
     .help = "list of servers, as 127.0.0.1:53; the system's by default"},
    {"dnssec", SCHEMA_WORD, AT(dnssec), "validate", .words = dnssec_words,
     .help = "validate answers here, where a trust anchor is known"},
    {"trust_anchor", SCHEMA_TEXT, AT(trust_anchor), NULL,
     .help = "file with keys of the root; the system's by default"},
};
static const struct schema_table resolver_table = {"resolver", resolver_keys, COUNT(resolver_keys)};

static const struct schema_key outbound_keys[] = {
    {"address_families", SCHEMA_WORD, AT(families), "both", .words = family_words,
     .help = "which addresses of hosts are used"},
    {"connect_timeout", SCHEMA_DURATION, AT(config.outbound.connect_timeout_ms), "30s", 1, HOUR_MS,
     .help = "wait for a connection; at most 10s while there are other addresses"},
    {"tls", SCHEMA_FORM, 0, "opportunistic", .read = draft_read_outbound_tls,
     .help = "none, opportunistic or forced, or a mapping: level, ca, names, pins"},
    {"tls_domains", SCHEMA_FORM, 0, NULL, .read = draft_read_tls_domains,
     .help = "mapping of domains to the same: {example.org: forced}"},
    {"client_certificate", SCHEMA_FORM, 0, NULL, .read = draft_read_client_certificate,
     .help = "mapping: certificate, key; shown where TLS is forced and the server asks"},
    {"greeting_timeout", SCHEMA_DURATION, AT(config.client.greeting_timeout_ms), "5m", 1, HOUR_MS,
     .help = "wait for a server's greeting"},
    {"command_timeout", SCHEMA_DURATION, AT(config.client.command_timeout_ms), "5m", 1, HOUR_MS,
     .help = "wait for a reply to a command"},
    {"data_begin_timeout", SCHEMA_DURATION, AT(config.client.data_begin_timeout_ms), "2m", 1,
     HOUR_MS, .help = "wait for the reply to DATA"},
    {"data_block_timeout", SCHEMA_DURATION, AT(config.client.data_block_timeout_ms), "3m", 1,
     HOUR_MS, .help = "wait until a block of data is taken"},
    {"data_end_timeout", SCHEMA_DURATION, AT(config.client.data_end_timeout_ms), "10m", 1, HOUR_MS,
     .help = "wait for the reply to a message"},
    {"idle", SCHEMA_DURATION, AT(config.limits.client_idle_ms), "5s", 0, HOUR_MS,
     .help = "keep a connection that has nothing to do"},
};
static const struct schema_table outbound_table = {"outbound", outbound_keys, COUNT(outbound_keys)};

static const struct schema_key log_keys[] = {
    {"level", SCHEMA_WORD, AT(log_level), "info", .words = level_words,
     .help = "the least that is logged"},
    {"format", SCHEMA_WORD, AT(log_format), "logfmt", .words = format_words,
     .help = "of the lines on standard error"},
};
static const struct schema_table log_table = {"log", log_keys, COUNT(log_keys)};

static const struct schema_key trace_keys[] = {
    {"keep", SCHEMA_DURATION, AT(config.trace.keep_ms), "30d", HOUR_MS, 3650 * DAY_MS,
     .help = "how long the journals for postrider trace are kept"},
    {"size", SCHEMA_SIZE, AT(config.trace.size_bytes), "2G", 1 << 20, 1024 * GIB,
     .help = "of the journals of one process; the oldest are removed"},
};
static const struct schema_table trace_table = {"trace", trace_keys, COUNT(trace_keys)};

static const struct schema_key limits_keys[] = {
    {"message_size", SCHEMA_SIZE, AT(smtp.size_limit), "50M", 64 << 10, 4 * GIB,
     .help = "of a message"},
    {"recipients", SCHEMA_NUMBER, AT(smtp.recipient_limit), "1000", 100, 10000,
     .help = "of a message"},
    {"line", SCHEMA_SIZE, AT(smtp.line_limit), "4K", 2048, 64 << 10, .help = "of a command"},
    {"text_line", SCHEMA_SIZE, AT(smtp.text_line_limit), "0", 0, GIB,
     .help = "of a message's line; 0: any (RFC 5321 asks for 1000 at least)"},
    {"header_size", SCHEMA_SIZE, AT(config.limits.header_bytes), "512K", 16 << 10, 16 << 20,
     .help = "of a message's header"},
    {"hops", SCHEMA_NUMBER, AT(config.limits.hops), "100", 10, 1000,
     .help = "Received fields in a message, then it loops"},
    {"errors", SCHEMA_NUMBER, AT(smtp.error_limit), "100", 1, 10000,
     .help = "refused commands and recipients, then a session ends"},
    {"transactions", SCHEMA_NUMBER, AT(smtp.transaction_limit), "0", 0, 1000000,
     .help = "messages a session; 0: any"},
    {"sessions", SCHEMA_NUMBER, AT(config.limits.sessions), "20000", 1, 1000000,
     .help = "incoming, of one worker"},
    {"sessions_per_address", SCHEMA_NUMBER, AT(config.limits.sessions_per_address), "200", 1,
     1000000, .help = "incoming, of one worker"},
    {"command_timeout", SCHEMA_DURATION, AT(smtp.command_timeout_ms), "5m", 1, HOUR_MS,
     .help = "wait for a client's command"},
    {"data_timeout", SCHEMA_DURATION, AT(smtp.data_timeout_ms), "3m", 1, HOUR_MS,
     .help = "wait for a client's next block of data"},
    {"data_rate", SCHEMA_SIZE, AT(smtp.data_rate_min), "512", 0, GIB,
     .help = "the least bytes a second of a message, after a minute; 0: any"},
    {"hold_limit", SCHEMA_DURATION, AT(smtp.hold_limit_ms), "7d", 0, 365 * DAY_MS,
     .help = "FUTURERELEASE at submission: the furthest time; 0: not offered"},
    {"handshake_timeout", SCHEMA_DURATION, AT(smtp.handshake_timeout_ms), "30s", 1, HOUR_MS,
     .help = "of TLS"},
    {"drain", SCHEMA_DURATION, AT(config.limits.drain_ms), "30s", 0, HOUR_MS,
     .help = "stop waits this long for sessions and deliveries under way"},
};
static const struct schema_table limits_table = {"limits", limits_keys, COUNT(limits_keys)};

static const struct schema_key queue_keys[] = {
    {"retry_first", SCHEMA_DURATION, AT(config.queue.retry_first_ms), "2m", 1, DAY_MS,
     .help = "wait before the second attempt; each next wait is twice as long"},
    {"retry_max", SCHEMA_DURATION, AT(config.queue.retry_max_ms), "1h", 1, DAY_MS,
     .help = "the longest wait between two attempts"},
    {"expire", SCHEMA_DURATION, AT(config.queue.expire_ms), "5d", 1, 365 * DAY_MS,
     .help = "then the sender gets a report"},
    {"delay_notice", SCHEMA_DURATION, AT(config.queue.delay_notice_ms), "0", 0, 365 * DAY_MS,
     .help = "then the sender is told that it is late, once; 0: never"},
    {"connections", SCHEMA_NUMBER, AT(config.queue.lane_connections), "20", 1, 1000,
     .help = "to one destination"},
    {"rate", SCHEMA_TEXT, AT(rate), "", .help = "messages in a time to one destination: 100/m"},
    {"messages_per_connection", SCHEMA_NUMBER, AT(config.queue.connection_messages), "100", 1,
     1000000, .help = "then a new connection is made"},
    {"recipients_per_transaction", SCHEMA_NUMBER, AT(config.queue.transaction_recipients), "100", 1,
     10000, .help = "to one destination"},
};
static const struct schema_table queue_table = {"queue", queue_keys, COUNT(queue_keys)};

/* `spool: PATH` is short for `spool: {path: PATH}`. */
static void read_spool(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    if (node->type == YAML_SCALAR_NODE) {
        if (!schema_text(schema, node, "spool", &draft->spool_path))
            draft->spool_path.line = schema_line(node);
        return;
    }
    schema_map(schema, node, &spool_table, target);
}

static const struct schema_key top_keys[] = {
    {"hostname", SCHEMA_TEXT, AT(hostname), NULL, .help = "this host's name; the one key needed"},
    {"listen", SCHEMA_FORM, 0, NULL, .read = draft_read_listen, .table = &draft_listener_table,
     .help = "list of listeners"},
    {"domains", SCHEMA_FORM, 0, NULL, .read = draft_read_domains, .table = &draft_domain_table,
     .help = "list of local domains"},
    {"deliver", SCHEMA_MAP, .table = &deliver_table, .help = "where local mail goes"},
    {"verify", SCHEMA_MAP, .table = &draft_verify_table,
     .help = "whether mail from other servers is from whom it says"},
    {"relay", SCHEMA_MAP, .table = &relay_table, .help = "who may send through here"},
    {"routes", SCHEMA_FORM, 0, NULL, .read = draft_read_routes, .table = &draft_route_table,
     .help = "list of routes; \"*\" is a smarthost"},
    {"outbound", SCHEMA_MAP, .table = &outbound_table, .help = "deliveries to other servers"},
    {"resolver", SCHEMA_MAP, .table = &resolver_table, .help = "how the DNS is asked"},
    {"spool", SCHEMA_FORM, 0, NULL, .read = read_spool, .table = &spool_table,
     .help = "a path, or a mapping"},
    {"run", SCHEMA_TEXT, AT(run), NULL, .help = "folder of the sockets (default SPOOL/run)"},
    {"submission_socket", SCHEMA_TEXT, AT(submission_socket), NULL,
     .help = "where programs on this host submit (default RUN/submission.sock); or none"},
    {"accounts", SCHEMA_TEXT, AT(accounts), NULL,
     .help = "folder of the account directory (default SPOOL/accounts)"},
    {"keys", SCHEMA_TEXT, AT(keys), NULL,
     .help = "folder of private keys that postrider makes (default SPOOL/keys)"},
    {"auth", SCHEMA_MAP, .table = &draft_auth_table, .help = "logging in"},
    {"oauth", SCHEMA_MAP, .table = &draft_oauth_table, .help = "logging in with tokens"},
    {"user", SCHEMA_TEXT, AT(user), NULL, .help = "to become when started as root"},
    {"workers", SCHEMA_NUMBER, AT(workers), "1", 1, CONFIG_WORKER_LIMIT,
     .help = "processes that accept and deliver, each with a shard of the spool"},
    {"log", SCHEMA_MAP, .table = &log_table, .help = "the log"},
    {"trace", SCHEMA_MAP, .table = &trace_table, .help = "what postrider trace can tell of"},
    {"limits", SCHEMA_MAP, .table = &limits_table, .help = "for incoming mail"},
    {"queue", SCHEMA_MAP, .table = &queue_table, .help = "retries and connections"},
    {"tls", SCHEMA_MAP, .table = &draft_tls_table, .help = "certificates of this server"},
};
static const struct schema_table top_table = {"", top_keys, COUNT(top_keys)};

/* --- From the draft to the configuration ---------------------------------------------------- */

/* Formatted text in the arena, which has RESERVE left for these. */
PRINTF_LIKE(2, 3) static char *print(struct config *config, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int len = vsnprintf(NULL, 0, format, values);
    va_end(values);
    char *text = len < 0 ? NULL : arena_alloc(config->arena, (size_t)len + 1);
    ASSERT(text);
    va_start(values, format);
    vsnprintf(text, (size_t)len + 1, format, values);
    va_end(values);
    return text;
}

/* A relative path begins at the configuration's folder. */
static char *absolute(struct config *config, const char *path)
{
    return path[0] == '/' ? print(config, "%s", path)
                          : print(config, "%s/%s", config->folder, path);
}

/* Our own LMTP socket, or the one that deliver.lmtp names. False: reported. */
static bool local_endpoint(struct schema *schema, struct draft *draft, struct endpoint *out)
{
    struct config *config = &draft->config;
    struct bytes name;
    struct error err;
    if (!draft->lmtp.at) {
        name = bytes_of(print(config, "lmtp:unix:%s", config->mailbox_socket));
        *out = (struct endpoint){.kind = ENDPOINT_LMTP, .name = name};
        out->unix_path = bytes_of(config->mailbox_socket);
        return true;
    }
    name = bytes_of(draft->lmtp.at);
    struct bytes prefix = bytes_starts(name, BYTES("unix:"))        ? BYTES("unix:")
                          : bytes_starts(name, BYTES("lmtp:unix:")) ? BYTES("lmtp:unix:")
                                                                    : BYTES_NONE;
    if (prefix.len) {
        const char *path = absolute(config, draft->lmtp.at + prefix.len);
        name = bytes_of(print(config, "lmtp:unix:%s", path));
    }
    if (!endpoint_scan(name, out, &err)) {
        schema_problem(schema, draft->lmtp.line, "\"deliver.lmtp\": %s", err.text);
        return false;
    }
    if (out->kind == ENDPOINT_LMTP)
        return true;
    schema_problem(schema, draft->lmtp.line,
                   "\"deliver.lmtp\" speaks LMTP; write unix:/path or lmtp://HOST:PORT");
    return false;
}

static void build_local_routes(struct schema *schema, struct draft *draft)
{
    struct endpoint endpoint;
    if (!local_endpoint(schema, draft, &endpoint))
        return;
    for (struct draft_name *domain = draft->domains; domain; domain = domain->next) {
        struct bytes name = {(const uint8_t *)domain->text.at, domain->text.len};
        if (recipients_has_relayed(draft->config.recipients, name))
            schema_problem(schema, domain->text.line,
                           "\"%.100s\" is a local domain and in relay.domains too; remove one",
                           domain->text.at);
        if (!routes_add(draft->config.routes, name, &endpoint))
            schema_problem(schema, domain->text.line,
                           "\"%.100s\" is a local domain and has a route too; remove one",
                           domain->text.at);
    }
}

static void build_paths(struct schema *schema, struct draft *draft)
{
    struct config *config = &draft->config;
    config->spool.path = absolute(config, draft->spool_path.at);
    config->run_folder = draft->run.at ? absolute(config, draft->run.at)
                                       : print(config, "%s/run", config->spool.path);
    config->control_socket = print(config, "%s/control.sock", config->run_folder);
    config->mailbox_socket = print(config, "%s/mailbox.sock", config->run_folder);
    if (!draft->submission_socket.at)
        config->submission_socket = print(config, "%s/submission.sock", config->run_folder);
    else if (strcmp(draft->submission_socket.at, "none") != 0)
        config->submission_socket = absolute(config, draft->submission_socket.at);
    config->accounts_folder = draft->accounts.at ? absolute(config, draft->accounts.at)
                                                 : print(config, "%s/accounts", config->spool.path);
    config->keys_folder = draft->keys.at ? absolute(config, draft->keys.at)
                                         : print(config, "%s/keys", config->spool.path);
    config->keyring_path = print(config, "%s/dkim", config->keys_folder);
    config->trace_folder = print(config, "%s/trace", config->spool.path);
    if (!draft->lmtp.at)
        config->mailbox_root =
            absolute(config, draft->mailbox.at ? draft->mailbox.at : "/var/lib/postrider/mail");
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    size_t longest = strlen(config->mailbox_socket);
    if (!draft->submission_socket.at)
        longest = strlen(config->submission_socket);
    else if (config->submission_socket && strlen(config->submission_socket) > room)
        schema_problem(schema, draft->submission_socket.line,
                       "\"submission_socket\" is %zu bytes too long for the path of a Unix socket",
                       strlen(config->submission_socket) - room);
    if (longest > room)
        schema_problem(schema, draft->run.line ? draft->run.line : draft->spool_path.line,
                       "sockets would lie in %.150s, which is %zu bytes too long for the path of "
                       "a Unix socket; write a shorter folder as run:",
                       config->run_folder, longest - room);
    if (draft->mailbox.at && draft->lmtp.at)
        schema_problem(schema, draft->lmtp.line,
                       "\"deliver\" has both mailbox and lmtp; local mail goes to one place, "
                       "remove the other");
}

static void build_junk_detail(struct schema *schema, struct draft *draft)
{
    struct bytes detail = bytes_of(draft->junk_detail.at);
    if (!draft->junk_detail.at)
        return;
    if (!draft->lmtp.at)
        schema_problem(
            schema, draft->junk_detail.line,
            "\"deliver.junk_detail\" is for deliver.lmtp; leave it out: junk goes to the "
            "folder .Junk of the mailbox");
    else if (detail.len < 2 || detail.len > LOCAL_PART_LIMIT / 2 || !bytes_is_ascii(detail) ||
             !draft_is_local_part(detail))
        schema_problem(schema, draft->junk_detail.line,
                       "\"deliver.junk_detail\" takes a delimiter and a word, such as +Junk, not "
                       "\"%.40s\"",
                       draft->junk_detail.at);
    draft->config.junk_detail = draft->junk_detail.at;
}

static void build_values(struct schema *schema, struct draft *draft)
{
    struct config *config = &draft->config;
    config->hostname = draft->hostname.at;
    struct bytes hostname = bytes_of(draft->hostname.at);
    if (!draft->hostname.at)
        schema_problem(schema, 0, "\"hostname\" is missing; write hostname: mx.example.org");
    else if (!domain_is_valid(hostname, ADDRESS_ASCII))
        schema_problem(schema, draft->hostname.line,
                       "\"%.100s\" is no host name; write one like mx.example.org",
                       draft->hostname.at);
    if (config->queue.retry_first_ms > config->queue.retry_max_ms)
        schema_problem(schema, 0, "\"queue.retry_first\" is longer than \"queue.retry_max\"");
    draft_rate(schema, &draft->rate, "queue.rate", &config->queue.rate);
    config->user = draft->user.at;
    config->workers = (unsigned)draft->workers;
    config->log_level = (enum log_level)draft->log_level;
    config->log_format = (enum log_format)draft->log_format;
    config->outbound.families = (enum address_families)draft->families;
    config->spool.is_durable = draft->spool_sync == SYNC_DURABLE;
    config->queue.hostname = config->client.hostname = hostname;
    config->queue.seed = draft->seed;
}

static void build_resolver(struct draft *draft)
{
    struct config *config = &draft->config;
    const char **servers = arena_alloc(config->arena, sizeof draft->servers);
    ASSERT(servers);
    memcpy(servers, draft->servers, sizeof draft->servers);
    config->resolver.servers = servers;
    config->resolver.is_validating = draft->dnssec == DNSSEC_VALIDATE;
    if (draft->trust_anchor.at)
        config->resolver.trust_anchor = absolute(config, draft->trust_anchor.at);
}

static void build_secrets(struct draft *draft)
{
    struct config *config = &draft->config;
    config->secrets = arena_alloc(config->arena, sizeof draft->secrets);
    ASSERT(config->secrets);
    memcpy(config->secrets, draft->secrets, sizeof draft->secrets);
}

const char *draft_secret(struct schema *schema, struct draft *draft, const struct schema_text *path)
{
    struct config *config = &draft->config;
    const char *whole = draft_path(schema, draft, path);
    if (!whole)
        return NULL;
    for (size_t i = 0; i < config->secret_count; i++)
        if (strcmp(draft->secrets[i], whole) == 0)
            return draft->secrets[i];
    if (config->secret_count == CONFIG_SECRET_LIMIT) {
        schema_problem(schema, path->line,
                       "more than %d files with keys or passwords; put them in the folder keys:",
                       CONFIG_SECRET_LIMIT);
        return NULL;
    }
    return draft->secrets[config->secret_count++] = whole;
}

/* What a listener has that does not say. RFC 3207, 4: a public server must not require TLS. */
static enum smtp_server_tls default_tls(const struct draft *draft, enum smtp_role role)
{
    if (!draft->certificate_count)
        return SERVER_TLS_NONE;
    return role == ROLE_SUBMISSION ? SERVER_TLS_REQUIRED : SERVER_TLS_OFFERED;
}

/* Programs on this host need no port, no TLS and no login (RFC 6409, 4.3: known by other means);
 * the kernel says which user they are. */
static void add_local_listener(struct draft *draft)
{
    struct config *config = &draft->config;
    ASSERT(config->listener_count < CONFIG_LISTENER_LIMIT);
    draft->listener_tls[config->listener_count] = SERVER_TLS_NONE;
    draft->listeners[config->listener_count++] =
        (struct config_listener){.address = print(config, "unix:%s", config->submission_socket),
                                 .host = print(config, "%s", ""),
                                 .is_local = true,
                                 .role = ROLE_SUBMISSION,
                                 .verify = {.mode = VERDICT_OFF}};
}

/* The domain of a user of this host: the first one. */
static struct bytes name_domain(const struct config *config)
{
    struct bytes domain;
    size_t place = 0;
    bool has_domain = recipients_next_domain(config->recipients, &place, &domain);
    return has_domain ? domain : bytes_of(config->hostname);
}

static void build_listeners(struct schema *schema, struct draft *draft)
{
    struct config *config = &draft->config;
    if (config->listener_count == 0 && schema->problem_count == 0)
        schema_problem(schema, 0,
                       "nothing to listen on; write listen: [{address: \"0.0.0.0:25\", role: mx}]");
    if (config->submission_socket)
        add_local_listener(draft);
    config->listeners =
        arena_alloc(config->arena, config->listener_count * sizeof draft->listeners[0] + 1);
    ASSERT(config->listeners);
    for (size_t i = 0; i < config->listener_count; i++) {
        struct config_listener *listener = &config->listeners[i];
        *listener = draft->listeners[i];
        listener->smtp = draft->smtp;
        listener->smtp.hostname = bytes_of(config->hostname);
        listener->smtp.role = listener->role;
        if (listener->is_local)
            listener->smtp.domain = name_domain(config);
        listener->smtp.logins = listener->has_auth ? config->auth.mechanisms : 0;
        listener->smtp.tls = draft->listener_tls[i] == DRAFT_TLS_DEFAULT
                                 ? default_tls(draft, listener->role)
                                 : (enum smtp_server_tls)draft->listener_tls[i];
        if (listener->smtp.tls != SERVER_TLS_NONE && !draft->certificate_count)
            schema_problem(schema, draft->listener_lines[i],
                           "\"%.80s\" has TLS, and there is no certificate; write tls: "
                           "{certificate: …, key: …}",
                           listener->address);
        if (listener->role != ROLE_SUBMISSION)
            listener->smtp.hold_limit_ms = 0;
    }
}

/* So that what is built from the values has room for sure. */
static bool check_lengths(struct schema *schema, struct draft *draft)
{
    const struct schema_text *const paths[] = {
        &draft->spool_path,   &draft->run,      &draft->mailbox, &draft->lmtp,
        &draft->trust_anchor, &draft->accounts, &draft->keys,    &draft->submission_socket};
    for (size_t i = 0; i < COUNT(paths); i++)
        if (paths[i]->at && (paths[i]->len >= PATH_MAX || paths[i]->len == 0)) {
            schema_problem(schema, paths[i]->line, "a path has 1 to %d bytes", PATH_MAX - 1);
            return false;
        }
    if (arena_used(schema->arena) > ARENA_CEILING - ARENA_RESERVE) {
        schema_problem(schema, 0, "the values are too long in all");
        return false;
    }
    return true;
}

static void build(struct schema *schema, struct draft *draft)
{
    yaml_node_t *root = schema_root(schema);
    if (!root) {
        schema_problem(schema, 0, "the file is empty; write at least hostname and listen");
        return;
    }
    schema_defaults(schema, &spool_table, draft);
    schema_map(schema, root, &top_table, draft);
    if (!check_lengths(schema, draft))
        return;
    build_values(schema, draft);
    build_paths(schema, draft);
    build_resolver(draft);
    draft_build_certificates(schema, draft);
    draft_build_auth(schema, draft);
    build_secrets(draft);
    build_junk_detail(schema, draft);
    draft_build_verify(schema, draft);
    build_listeners(schema, draft);
    build_local_routes(schema, draft);
}

/* --- For people ------------------------------------------------------------------------------ */

static const char *kind_word(const struct schema_key *key)
{
    switch (key->kind) {
    case SCHEMA_TEXT: return "text";
    case SCHEMA_NUMBER: return "number";
    case SCHEMA_SIZE: return "size";
    case SCHEMA_DURATION: return "time";
    case SCHEMA_WORD: return "word";
    case SCHEMA_MAP:
    case SCHEMA_FORM:
    case SCHEMA_LATER: return "";
    }
    return "";
}

static void print_keys(struct buf *out, const struct schema_table *table, bool has_tables)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct schema_key *key = &table->keys[i];
        if (key->kind == SCHEMA_LATER)
            continue;
        buf_addf(out, "%s%-28s %-7s %-10s %s\n", has_tables ? "" : "  ", key->name, kind_word(key),
                 key->fallback ? key->fallback : "", key->help);
        if (has_tables && key->table)
            print_keys(out, key->table, false);
    }
}

void config_print_keys(struct buf *out)
{
    print_keys(out, &top_table, true);
}

/* --- The doors ------------------------------------------------------------------------------ */

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    /* Up to 256 bytes never come short (getrandom(2)); without it peers could guess the seed,
     * which costs speed only. */
    ssize_t got = getrandom(&seed, sizeof seed, 0);
    return got == sizeof seed ? seed : 1;
}

static void release(struct config *config)
{
    recipients_free(config->recipients);
    routes_free(config->routes);
    networks_free(config->relay_networks);
    fingerprints_free(config->relay_certificates);
    keyring_free(config->keyring);
    networks_free(config->verify.trusted);
    networks_free(config->verify.forwarders);
    map_free(config->verify.wishes);
    config_free_files(config);
    for (size_t i = 0; i < CONFIG_LISTENER_LIMIT; i++) {
        networks_free(config->proxies[i]);
        networks_free(config->xclients[i]);
    }
    networks_free(config->auth.unbanned);
    arena_free(config->arena);
}

struct config *config_parse(struct bytes text, const char *path, const char *folder,
                            struct buf *problems)
{
    struct draft draft = {.seed = random_seed()};
    struct config *config = &draft.config;
    config->arena = arena_new(ARENA_CEILING);
    config->recipients = recipients_new(draft.seed);
    config->routes = routes_new(draft.seed);
    config->relay_networks = networks_new();
    config->verify.trusted = networks_new();
    config->verify.forwarders = networks_new();
    config->verify.wishes = map_new(draft.seed);
    config->relay_certificates = fingerprints_new();
    config->auth.unbanned = networks_new();
    config->path = print(config, "%s", path);
    config->folder = print(config, "%s", folder);
    struct schema schema;
    bool is_good = schema_open(&schema, text, path, config->arena, problems);
    if (is_good) {
        build(&schema, &draft);
        is_good = schema.problem_count == 0;
        schema_close(&schema);
    }
    if (!is_good) {
        release(config);
        return NULL;
    }
    struct config *result = NEW(struct config);
    *result = *config;
    return result;
}

bool config_read(const char *path, struct buf *text, char **folder_owned, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "%s", path);
    buf_init(text, SCHEMA_TEXT_LIMIT + 1);
    ssize_t got = 1;
    while (got > 0 && text->len <= SCHEMA_TEXT_LIMIT) {
        size_t room = SCHEMA_TEXT_LIMIT + 1 - text->len;
        room = room < 65536 ? room : 65536;
        got = read(fd, buf_reserve(text, room), room);
        if (got > 0)
            buf_grow(text, (size_t)got);
    }
    int os = errno;
    close(fd);
    char *whole = got < 0 ? NULL : realpath(path, NULL);
    if (!whole) {
        buf_done(text);
        return error_set(err, got < 0 ? os : errno, "%s", path);
    }
    char *slash = strrchr(whole, '/');
    slash[slash == whole] = 0;
    *folder_owned = whole;
    return true;
}

struct config *config_load(const char *path, struct buf *problems)
{
    struct buf text;
    char *folder;
    struct error err;
    if (!config_read(path, &text, &folder, &err)) {
        buf_addf(problems, "%s%s\n", err.text,
                 err.os == ENOENT   ? "; name the configuration by --config FILE, or make one: "
                                      "postrider init"
                 : err.os == EACCES ? "; run this as root or as the server's user"
                                    : "");
        return NULL;
    }
    struct config *config = config_parse(buf_view(&text), path, folder, problems);
    buf_done(&text);
    free(folder);
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    release(config);
    free(config);
}
