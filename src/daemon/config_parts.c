/* The lists of a configuration: listeners, domains, networks and routes. */
#include "daemon/config_draft.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "daemon/config_tls.h"

static struct bytes bytes_in(const struct schema_text *text)
{
    return (struct bytes){(const uint8_t *)text->at, text->len};
}

/* Without the list there is nothing to walk. */
static bool is_list(struct schema *schema, const yaml_node_t *node, const char *what)
{
    if (node->type == YAML_SEQUENCE_NODE)
        return true;
    schema_problem(schema, schema_line(node), "\"%s\" takes a list: [first, second]", what);
    return false;
}

/* --- Listeners ------------------------------------------------------------------------------ */

struct draft_listener {
    struct schema_text address;
    unsigned role, auth, tls;
    yaml_node_t *proxy, *xclient, *verify; /* NULL: not given */
};

static void keep_proxy(struct schema *schema, yaml_node_t *node, void *target)
{
    ((struct draft_listener *)target)->proxy = node;
}

static void keep_xclient(struct schema *schema, yaml_node_t *node, void *target)
{
    ((struct draft_listener *)target)->xclient = node;
}

static void keep_listener_verify(struct schema *schema, yaml_node_t *node, void *target)
{
    ((struct draft_listener *)target)->verify = node;
}

enum { AUTH_BY_ROLE, AUTH_ON, AUTH_OFF };

static const char *const tls_words[] = {[SERVER_TLS_NONE] = "none",
                                        [SERVER_TLS_OFFERED] = "starttls",
                                        [SERVER_TLS_REQUIRED] = "required",
                                        [SERVER_TLS_IMPLICIT] = "implicit",
                                        NULL};
static const char *const role_words[] = {"mx", "submission", NULL};
static const char *const auth_words[] = {"role", "on", "off", NULL};

static const struct schema_key listener_keys[] = {
    {"address", SCHEMA_TEXT, offsetof(struct draft_listener, address), NULL,
     .help = "\"IP:PORT\"; IPv6 in brackets; 0.0.0.0 and [::] for all"},
    {"role", SCHEMA_WORD, offsetof(struct draft_listener, role), "mx", .words = role_words,
     .help = "mx: from other servers; submission: from mail clients"},
    {"auth", SCHEMA_WORD, offsetof(struct draft_listener, auth), "role", .words = auth_words,
     .help = "may people log in? role: on submission, not on mx"},
    {"tls", SCHEMA_WORD, offsetof(struct draft_listener, tls), NULL, .words = tls_words,
     .help = "with a certificate: starttls for mx, required for submission; else none"},
    {"verify", SCHEMA_FORM, 0, NULL, .read = keep_listener_verify,
     .help = "of mx: off, mark, enforce, or a mapping of what differs from verify"},
    {"proxy", SCHEMA_FORM, 0, NULL, .read = keep_proxy,
     .help = "list of networks whose connections begin with a PROXY header"},
    {"xclient", SCHEMA_FORM, 0, NULL, .read = keep_xclient,
     .help = "list of networks that may say XCLIENT"},
};
const struct schema_table draft_listener_table = {"listen", listener_keys, COUNT(listener_keys)};

/* "IP:PORT" or "[IPv6]:PORT". */
static bool scan_listener(struct bytes text, struct bytes *host, uint16_t *port)
{
    size_t colon = bytes_find_last(text, ':');
    uint64_t number;
    struct ip ip;
    if (!scan_u64(bytes_from(text, colon + 1), UINT16_MAX, &number) || number == 0)
        return false;
    *host = bytes_sub(text, 0, colon);
    bool is_bracketed = host->len > 2 && host->at[0] == '[' && host->at[host->len - 1] == ']';
    if (is_bracketed)
        *host = bytes_sub(*host, 1, host->len - 2);
    *port = (uint16_t)number;
    bool has_colon = bytes_find(*host, ':') < host->len;
    return has_colon == is_bracketed && ip_scan(*host, &ip);
}

static bool is_any_host(struct bytes host)
{
    return bytes_equal(host, BYTES("0.0.0.0")) || bytes_equal(host, BYTES("::"));
}

/* Would both be bound to one address? IPv6 listeners take IPv6 only. */
static bool is_same_place(const struct config_listener *a, const struct config_listener *b)
{
    struct bytes host_a = bytes_of(a->host), host_b = bytes_of(b->host);
    struct ip ip_a, ip_b;
    bool is_v6_a = bytes_find(host_a, ':') < host_a.len;
    bool is_v6_b = bytes_find(host_b, ':') < host_b.len;
    if (a->port != b->port || is_v6_a != is_v6_b)
        return false;
    if (is_any_host(host_a) || is_any_host(host_b))
        return true;
    return ip_scan(host_a, &ip_a) && ip_scan(host_b, &ip_b) &&
           memcmp(ip_a.at, ip_b.at, sizeof ip_a.at) == 0;
}

static void add_listener(struct schema *schema, struct draft *draft,
                         const struct draft_listener *listener, unsigned line)
{
    struct config *config = &draft->config;
    struct bytes host;
    uint16_t port;
    if (!scan_listener(bytes_in(&listener->address), &host, &port)) {
        schema_problem(schema, line,
                       "\"listen.address\" takes an IP address and a port such as "
                       "\"0.0.0.0:25\" or \"[::]:25\", not \"%.80s\"",
                       listener->address.at);
        return;
    }
    /* One place is the local socket's. */
    if (config->listener_count == CONFIG_LISTENER_LIMIT - 1) {
        schema_problem(schema, line, "more than %d listeners", CONFIG_LISTENER_LIMIT - 1);
        return;
    }
    char *copy = arena_alloc(config->arena, host.len + 1);
    if (!copy) {
        schema_problem(schema, line, "the values are too long in all");
        return;
    }
    memcpy(copy, host.at, host.len);
    struct config_listener result = {
        .address = listener->address.at,
        .host = copy,
        .port = port,
        .role = listener->role == DRAFT_MX ? ROLE_MX : ROLE_SUBMISSION,
        .has_auth = listener->auth == AUTH_ON ||
                    (listener->auth == AUTH_BY_ROLE && listener->role == DRAFT_SUBMISSION)};
    for (size_t i = 0; i < config->listener_count; i++)
        if (is_same_place(&draft->listeners[i], &result)) {
            schema_problem(schema, line,
                           "\"%.80s\" is taken by the listener in line %u; write another port",
                           listener->address.at, draft->listener_lines[i]);
            return;
        }
    if (listener->proxy) {
        result.proxies = config->proxies[config->listener_count] = networks_new();
        draft_read_network_list(schema, listener->proxy, "listen.proxy", result.proxies);
    }
    if (listener->xclient) {
        result.xclients = config->xclients[config->listener_count] = networks_new();
        draft_read_network_list(schema, listener->xclient, "listen.xclient", result.xclients);
    }
    if (listener->verify)
        draft_read_listener_wish(schema, listener->verify,
                                 &draft->listener_wishes[config->listener_count]);
    draft->listener_lines[config->listener_count] = line;
    draft->listener_tls[config->listener_count] = listener->tls;
    draft->listeners[config->listener_count++] = result;
}

void draft_read_listen(struct schema *schema, yaml_node_t *node, void *target)
{
    yaml_node_t *item;
    if (!is_list(schema, node, "listen"))
        return;
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct draft_listener listener = {.role = DRAFT_MX, .tls = DRAFT_TLS_DEFAULT};
        size_t before = schema->problem_count;
        schema_map(schema, item, &draft_listener_table, &listener);
        unsigned line = listener.address.line ? listener.address.line : schema_line(item);
        if (listener.address.at)
            add_listener(schema, target, &listener, line);
        else if (schema->problem_count == before)
            schema_problem(schema, line,
                           "the listener has no address; write address: "
                           "\"0.0.0.0:25\"");
    }
}

/* --- Domains -------------------------------------------------------------------------------- */

struct draft_domain {
    struct schema_text name, catch_all, delimiter;
    yaml_node_t *mailboxes, *aliases, *verify; /* NULL: not given */
};

static void keep_mailboxes(struct schema *schema, yaml_node_t *node, void *target)
{
    ((struct draft_domain *)target)->mailboxes = node;
}

static void keep_aliases(struct schema *schema, yaml_node_t *node, void *target)
{
    ((struct draft_domain *)target)->aliases = node;
}

static void keep_domain_verify(struct schema *schema, yaml_node_t *node, void *target)
{
    ((struct draft_domain *)target)->verify = node;
}

static const struct schema_key domain_keys[] = {
    {"name", SCHEMA_TEXT, offsetof(struct draft_domain, name), NULL, .help = "example.org"},
    {"mailboxes", SCHEMA_FORM, 0, NULL, .read = keep_mailboxes,
     .help = "any, directory (those with an account), or a list of names; none by default"},
    {"aliases", SCHEMA_FORM, 0, NULL, .read = keep_aliases,
     .help = "mapping of names to an address or a list of addresses"},
    {"catch_all", SCHEMA_TEXT, offsetof(struct draft_domain, catch_all), NULL,
     .help = "address that takes what is for unknown names"},
    {"delimiter", SCHEMA_TEXT, offsetof(struct draft_domain, delimiter), "+",
     .help = "ann+list is for ann; \"\" for none"},
    {"verify", SCHEMA_FORM, 0, NULL, .read = keep_domain_verify,
     .help = "for mail to here: mark, enforce, or a mapping of what differs from the listener's"},
};
const struct schema_table draft_domain_table = {"domains", domain_keys, COUNT(domain_keys)};

/* A local part as SMTP takes it, for domain's sake checked within an address. */
bool draft_is_local_part(struct bytes text)
{
    uint8_t room[LOCAL_PART_LIMIT + sizeof "@x.example"];
    struct buf whole = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct address address;
    buf_add(&whole, text);
    buf_add(&whole, BYTES("@x.example"));
    return !whole.overflowed &&
           address_parse(buf_view(&whole), ADDRESS_UTF8, &address) == PATH_OK &&
           address.local.len == text.len;
}

static bool is_address(struct schema *schema, const struct schema_text *text, const char *what)
{
    struct address address;
    if (address_parse(bytes_in(text), ADDRESS_UTF8, &address) == PATH_OK && address.domain.len)
        return true;
    bool has_at = bytes_find(bytes_in(text), '@') < text->len;
    schema_problem(schema, text->line, "%s \"%.80s\" %s; write one like ann@example.org", what,
                   text->at, has_at ? "is no address" : "has no @");
    return false;
}

static void add_mailboxes(struct schema *schema, struct draft *draft,
                          const struct draft_domain *domain)
{
    yaml_node_t *node = domain->mailboxes, *item;
    if (!node || node->type == YAML_SCALAR_NODE || !is_list(schema, node, "domains.mailboxes"))
        return;
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct schema_text name;
        if (!schema_text(schema, item, "domains.mailboxes", &name))
            continue;
        if (bytes_find(bytes_in(&name), '@') < name.len)
            schema_problem(schema, name.line,
                           "mailbox \"%.80s\": write the name alone, without @ and domain",
                           name.at);
        else if (!draft_is_local_part(bytes_in(&name)))
            schema_problem(schema, name.line,
                           "mailbox \"%.80s\" is no name of a mailbox; write one like ann or "
                           "ann.lee",
                           name.at);
        else
            recipients_add_mailbox(draft->config.recipients, bytes_in(&domain->name),
                                   bytes_in(&name));
    }
}

static enum mailboxes scan_mailboxes(struct schema *schema, const struct draft_domain *domain)
{
    struct schema_text word;
    if (!domain->mailboxes || domain->mailboxes->type != YAML_SCALAR_NODE ||
        !schema_text(schema, domain->mailboxes, "domains.mailboxes", &word))
        return MAILBOXES_LISTED;
    if (bytes_equal(bytes_in(&word), BYTES("any")))
        return MAILBOXES_ANY;
    if (bytes_equal(bytes_in(&word), BYTES("directory")))
        return MAILBOXES_DIRECTORY;
    schema_problem(schema, word.line,
                   "\"domains.mailboxes\" takes any, directory or a list of names, not \"%.80s\"",
                   word.at);
    return MAILBOXES_LISTED;
}

static void add_alias(struct schema *schema, struct draft *draft, const struct schema_text *domain,
                      const struct schema_text *name, yaml_node_t *node)
{
    struct recipients *recipients = draft->config.recipients;
    struct schema_text target;
    if (node->type != YAML_SEQUENCE_NODE) {
        if (schema_text(schema, node, name->at, &target) &&
            is_address(schema, &target, "the alias's target"))
            recipients_add_alias(recipients, bytes_in(domain), bytes_in(name), bytes_in(&target));
        return;
    }
    yaml_node_t *item;
    size_t place = 0;
    while ((item = schema_item(schema, node, &place)))
        if (schema_text(schema, item, name->at, &target) &&
            is_address(schema, &target, "the alias's target"))
            recipients_add_alias(recipients, bytes_in(domain), bytes_in(name), bytes_in(&target));
    if (place == 0)
        schema_problem(schema, name->line, "alias \"%.80s\" has no target", name->at);
}

static void add_aliases(struct schema *schema, struct draft *draft,
                        const struct draft_domain *domain)
{
    yaml_node_t *node = domain->aliases, *key, *value;
    if (!node)
        return;
    if (node->type != YAML_MAPPING_NODE) {
        schema_problem(schema, schema_line(node),
                       "\"domains.aliases\" takes a mapping: {sales: ann@example.org}");
        return;
    }
    struct map *seen = map_new(draft->seed);
    for (size_t place = 0; schema_pair(schema, node, &place, &key, &value);) {
        struct schema_text name;
        if (!schema_text(schema, key, "domains.aliases", &name))
            continue;
        if (!draft_is_local_part(bytes_in(&name)))
            schema_problem(schema, name.line,
                           "alias \"%.80s\" is no name; write the part before the @ alone",
                           name.at);
        else if (map_find(seen, bytes_in(&name)))
            schema_problem(schema, name.line, "alias \"%.80s\" is given twice", name.at);
        else
            add_alias(schema, draft, &domain->name, &name, value);
        map_add(seen, bytes_in(&name), node);
    }
    map_free(seen);
}

static void set_details(struct schema *schema, struct draft *draft,
                        const struct draft_domain *domain)
{
    struct recipients *recipients = draft->config.recipients;
    struct bytes delimiter = bytes_in(&domain->delimiter);
    bool is_mark = delimiter.len == 1 && delimiter.at[0] > ' ' && delimiter.at[0] < 0x7F &&
                   !ascii_is_alpha(delimiter.at[0]) && !ascii_is_digit(delimiter.at[0]) &&
                   delimiter.at[0] != '@' && delimiter.at[0] != '"' && delimiter.at[0] != '.';
    if (delimiter.len == 0 || is_mark)
        recipients_set_delimiter(recipients, bytes_in(&domain->name),
                                 delimiter.len ? delimiter.at[0] : 0);
    else
        schema_problem(schema, domain->delimiter.line,
                       "\"domains.delimiter\" takes one mark such as \"+\" or \"-\", or \"\"");
    if (domain->catch_all.at && is_address(schema, &domain->catch_all, "\"domains.catch_all\""))
        recipients_set_catch_all(recipients, bytes_in(&domain->name), bytes_in(&domain->catch_all));
}

static void add_domain(struct schema *schema, struct draft *draft,
                       const struct draft_domain *domain)
{
    struct bytes name = bytes_in(&domain->name);
    if (!domain_is_valid(name, ADDRESS_UTF8)) {
        schema_problem(schema, domain->name.line,
                       "\"%.80s\" is no domain; write one like example.org", domain->name.at);
        return;
    }
    if (!recipients_add_domain(draft->config.recipients, name, scan_mailboxes(schema, domain))) {
        schema_problem(schema, domain->name.line, "domain \"%.80s\" is listed twice",
                       domain->name.at);
        return;
    }
    struct draft_name *entry = arena_alloc(draft->config.arena, sizeof *entry);
    if (!entry) {
        schema_problem(schema, domain->name.line, "the values are too long in all");
        return;
    }
    *entry = (struct draft_name){draft->domains, domain->name};
    draft->domains = entry;
    if (domain->verify)
        draft_read_domain_wish(schema, draft, &domain->name, domain->verify);
    add_mailboxes(schema, draft, domain);
    add_aliases(schema, draft, domain);
    set_details(schema, draft, domain);
}

void draft_read_domains(struct schema *schema, yaml_node_t *node, void *target)
{
    yaml_node_t *item;
    if (!is_list(schema, node, "domains"))
        return;
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct draft_domain domain = {.mailboxes = NULL};
        size_t before = schema->problem_count;
        schema_map(schema, item, &draft_domain_table, &domain);
        if (domain.name.at)
            add_domain(schema, target, &domain);
        else if (schema->problem_count == before)
            schema_problem(schema, schema_line(item),
                           "the domain has no name; write name: example.org");
    }
}

/* --- The resolver's servers ------------------------------------------------------------------ */

void draft_read_servers(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    size_t *count = &draft->config.resolver.server_count;
    yaml_node_t *item;
    if (!is_list(schema, node, "resolver.servers"))
        return;
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct schema_text text;
        struct bytes host;
        uint16_t port;
        if (!schema_text(schema, item, "resolver.servers", &text))
            continue;
        if (!scan_listener(bytes_in(&text), &host, &port))
            schema_problem(schema, text.line,
                           "\"%.80s\" is no address with a port; write one like 127.0.0.1:53 or "
                           "\"[::1]:53\"",
                           text.at);
        else if (*count == COUNT(draft->servers))
            schema_problem(schema, text.line, "\"resolver.servers\" takes %d servers at most",
                           RESOLVER_SERVER_LIMIT);
        else
            draft->servers[(*count)++] = text.at;
    }
}

/* --- Networks and routes -------------------------------------------------------------------- */

void draft_read_network_list(struct schema *schema, yaml_node_t *node, const char *key,
                             struct networks *out)
{
    yaml_node_t *item;
    if (!is_list(schema, node, key))
        return;
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct schema_text text;
        char hint[64] = "";
        if (!schema_text(schema, item, key, &text) || networks_add(out, bytes_in(&text), hint))
            continue;
        if (hint[0])
            schema_problem(schema, text.line,
                           "network \"%.80s\" has bits set behind its length; write %s", text.at,
                           hint);
        else
            schema_problem(schema, text.line,
                           "\"%.80s\" is no network; write one like 192.0.2.0/24 or "
                           "2001:db8::/32",
                           text.at);
    }
}

void draft_read_networks(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    draft_read_network_list(schema, node, "relay.networks", draft->config.relay_networks);
}

void draft_read_fingerprints(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    yaml_node_t *item;
    if (!is_list(schema, node, "relay.certificates"))
        return;
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct schema_text text;
        if (schema_text(schema, item, "relay.certificates", &text) &&
            !fingerprints_add(draft->config.relay_certificates, bytes_in(&text)))
            schema_problem(
                schema, text.line,
                "\"%.100s\" is no SHA-256 fingerprint; write the one that the log has "
                "as client_certificate, or that openssl x509 -fingerprint -sha256 prints",
                text.at);
    }
}

/* A domain, or one behind a dot. */
static bool is_domain_pattern(struct bytes text)
{
    return domain_is_valid(bytes_from(text, text.len && text.at[0] == '.'), ADDRESS_UTF8);
}

void draft_read_relay_domains(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    yaml_node_t *item;
    if (!is_list(schema, node, "relay.domains"))
        return;
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct schema_text text;
        if (!schema_text(schema, item, "relay.domains", &text))
            continue;
        if (!is_domain_pattern(bytes_in(&text)))
            schema_problem(schema, text.line,
                           "\"relay.domains\" takes example.org or .example.org, not \"%.80s\"",
                           text.at);
        else if (!recipients_add_relayed(draft->config.recipients, bytes_in(&text)))
            schema_problem(schema, text.line, "\"relay.domains\" has \"%.80s\" twice", text.at);
    }
}

struct draft_route {
    struct draft *draft;
    struct schema_text to, via, rate, user, password_file;
    uint64_t connections, connection_messages;
    struct draft_tls tls;
};

static void read_route_tls(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft_route *route = target;
    draft_tls_read(schema, node, "routes.tls", route->draft, &route->tls);
}

static const struct schema_key route_keys[] = {
    {"to", SCHEMA_TEXT, offsetof(struct draft_route, to), NULL,
     .help = "example.org, .example.org (what is below it) or \"*\" (all else)"},
    {"via", SCHEMA_TEXT, offsetof(struct draft_route, via), NULL,
     .help = "smtp://HOST:PORT, smtps://HOST:PORT, lmtp://HOST:PORT, lmtp:unix:/path, or mx"},
    {"connections", SCHEMA_NUMBER, offsetof(struct draft_route, connections), NULL, 1, 1000,
     .help = "at most at a time; as queue.connections by default"},
    {"messages_per_connection", SCHEMA_NUMBER, offsetof(struct draft_route, connection_messages),
     NULL, 1, 1000000, .help = "as queue.messages_per_connection by default"},
    {"rate", SCHEMA_TEXT, offsetof(struct draft_route, rate), NULL,
     .help = "messages in a time: 100/m, 10/s; as queue.rate by default"},
    {"tls", SCHEMA_FORM, 0, NULL, .read = read_route_tls,
     .help = "as outbound.tls; that of the domain, or outbound.tls, by default"},
    {"user", SCHEMA_TEXT, offsetof(struct draft_route, user), NULL,
     .help = "to log in as, at a smarthost"},
    {"password_file", SCHEMA_TEXT, offsetof(struct draft_route, password_file), NULL,
     .help = "file whose first line is the password; read by the keeper alone"},
};
const struct schema_table draft_route_table = {"routes", route_keys, COUNT(route_keys)};

/* "*", a domain, or a domain behind a dot. */
static bool is_pattern(struct bytes text)
{
    return bytes_equal(text, BYTES("*")) || is_domain_pattern(text);
}

void draft_rate(struct schema *schema, const struct schema_text *text, const char *key,
                struct rate *out)
{
    if (text->at && text->len && !rate_scan(bytes_in(text), out))
        schema_problem(schema, text->line,
                       "\"%s\" takes messages in a time such as 100/m (s, m, h, d), not \"%.40s\"",
                       key, text->at);
}

/* Whether and how to log in. A password is for one host that the route names. */
static void set_login(struct schema *schema, const struct draft_route *route,
                      struct endpoint *endpoint)
{
    struct ip ip;
    unsigned line = route->user.at ? route->user.line : route->password_file.line;
    if (!route->user.at && !route->password_file.at)
        return;
    if (!route->user.at || !route->password_file.at || !route->user.len) {
        schema_problem(schema, line, "a login takes both: user: NAME and password_file: PATH");
        return;
    }
    if (endpoint->kind == ENDPOINT_MX || endpoint->unix_path.len) {
        schema_problem(schema, line,
                       "a login is for a server that the route names: via smtp://HOST or "
                       "smtps://HOST");
        return;
    }
    bool is_elsewhere = ip_scan(endpoint->host, &ip) && !ip_is_loopback(&ip);
    if (is_elsewhere && !route->tls.line)
        schema_problem(schema, line,
                       "a password goes through verified TLS alone, and no certificate is verified "
                       "for an address; write the host's name, or tls: {names: [HOST]}");
    const char *file = draft_secret(schema, route->draft, &route->password_file);
    endpoint->user = bytes_in(&route->user);
    endpoint->password_file = bytes_of(file);
}

static void add_endpoint(struct schema *schema, struct draft *draft,
                         const struct draft_route *route, const struct endpoint *via)
{
    struct endpoint whole = *via, *endpoint = &whole;
    struct endpoint_limits *limits = &endpoint->limits;
    limits->connections = (uint32_t)route->connections;
    limits->connection_messages = (uint32_t)route->connection_messages;
    draft_rate(schema, &route->rate, "routes.rate", &limits->rate);
    set_login(schema, route, endpoint);
    const struct tls_rule rule = draft_tls_rule(&route->tls, TLS_BY_ROUTE);
    if (route->tls.line) {
        draft_tls_check(schema, &route->tls, endpoint);
        endpoint->tls = &rule;
    }
    if (!routes_add(draft->config.routes, bytes_in(&route->to), endpoint))
        schema_problem(schema, route->to.line, "there are two routes to \"%.80s\"", route->to.at);
}

static void add_route(struct schema *schema, struct draft *draft, const struct draft_route *route)
{
    struct endpoint endpoint;
    struct error err;
    if (!is_pattern(bytes_in(&route->to)))
        schema_problem(schema, route->to.line,
                       "\"routes.to\" takes example.org, .example.org or \"*\", not \"%.80s\"",
                       route->to.at);
    else if (!endpoint_scan(bytes_in(&route->via), &endpoint, &err))
        schema_problem(schema, route->via.line, "\"routes.via\": %s", err.text);
    else
        add_endpoint(schema, draft, route, &endpoint);
}

void draft_read_routes(struct schema *schema, yaml_node_t *node, void *target)
{
    yaml_node_t *item;
    if (!is_list(schema, node, "routes"))
        return;
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct draft_route route = {.draft = target};
        size_t before = schema->problem_count;
        schema_map(schema, item, &draft_route_table, &route);
        if (route.to.at && route.via.at)
            add_route(schema, target, &route);
        else if (schema->problem_count == before)
            schema_problem(schema, schema_line(item),
                           "a route takes both; write {to: \"*\", via: \"smtp://HOST:25\"}");
    }
}
