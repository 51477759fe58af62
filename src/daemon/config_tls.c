#include "daemon/config_tls.h"

#include <string.h>

#include "mail/address.h"
#include "mail/base64.h"
#include "policy/pattern.h"

static struct bytes bytes_in(const struct schema_text *text)
{
    return (struct bytes){(const uint8_t *)text->at, text->len};
}

/* --- One rule ----------------------------------------------------------------------------------
 */

struct reading {
    struct draft_tls tls;
    unsigned level;
    struct schema_text ca;
    const char *key;
};

enum { LEVEL_UNSET = 3 };
static const char *const level_words[] = {[TLS_LEVEL_NONE] = "none",
                                          [TLS_LEVEL_OPPORTUNISTIC] = "opportunistic",
                                          [TLS_LEVEL_FORCED] = "forced",
                                          [LEVEL_UNSET] = NULL};

/* Walks a list, or a single value as if it were a list of one. */
static yaml_node_t *next_item(struct schema *schema, yaml_node_t *node, size_t *place)
{
    if (node->type == YAML_SEQUENCE_NODE)
        return schema_item(schema, node, place);
    return (*place)++ ? NULL : node;
}

static void add_name(struct schema *schema, struct reading *reading, const struct schema_text *text)
{
    struct draft_tls *tls = &reading->tls;
    struct bytes name = bytes_in(text);
    if (!domain_is_valid(bytes_from(name, name.len && name.at[0] == '.'), ADDRESS_ASCII))
        schema_problem(schema, text->line,
                       "%s.names: \"%.80s\" is no name of a certificate; write mx.example.org, or "
                       ".example.org for what is below it",
                       reading->key, text->at);
    else if (tls->name_count == TLS_NAME_LIMIT)
        schema_problem(schema, text->line, "%s.names takes %d names at most", reading->key,
                       TLS_NAME_LIMIT);
    else
        tls->names[tls->name_count++] = name;
}

static void read_names(struct schema *schema, yaml_node_t *node, void *target)
{
    struct schema_text text;
    yaml_node_t *item;
    for (size_t place = 0; (item = next_item(schema, node, &place));)
        if (schema_text(schema, item, "names", &text))
            add_name(schema, target, &text);
}

static int hex_digit(uint8_t byte)
{
    byte = ascii_lower(byte);
    if (ascii_is_digit(byte))
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool scan_hex(struct bytes text, uint8_t out[TLS_PIN_SIZE])
{
    if (text.len != 2 * TLS_PIN_SIZE)
        return false;
    for (size_t i = 0; i < TLS_PIN_SIZE; i++) {
        int high = hex_digit(text.at[2 * i]), low = hex_digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

/* 64 hexadecimal digits, or base64, before which curl's "sha256//" may stand. */
static bool scan_pin(struct bytes text, uint8_t out[TLS_PIN_SIZE])
{
    struct buf hash;
    if (bytes_starts_nocase(text, BYTES("sha256//")))
        text = bytes_from(text, sizeof "sha256//" - 1);
    if (scan_hex(text, out))
        return true;
    buf_init(&hash, 2 * TLS_PIN_SIZE);
    bool is_good = base64_scan(&hash, text, BASE64_PLAIN) && hash.len == TLS_PIN_SIZE;
    if (is_good)
        memcpy(out, hash.at, TLS_PIN_SIZE);
    buf_done(&hash);
    return is_good;
}

static void read_pins(struct schema *schema, yaml_node_t *node, void *target)
{
    struct reading *reading = target;
    struct draft_tls *tls = &reading->tls;
    struct schema_text text;
    yaml_node_t *item;
    for (size_t place = 0; (item = next_item(schema, node, &place));) {
        if (!schema_text(schema, item, "pins", &text))
            continue;
        if (tls->pin_count == TLS_PIN_LIMIT)
            schema_problem(schema, text.line, "%s.pins takes %d keys at most", reading->key,
                           TLS_PIN_LIMIT);
        else if (scan_pin(bytes_in(&text), tls->pins[tls->pin_count]))
            tls->pin_count++;
        else
            schema_problem(schema, text.line,
                           "%s.pins: \"%.80s\" is no SHA-256 of a public key; write 64 hexadecimal "
                           "digits, or sha256// and base64",
                           reading->key, text.at);
    }
}

static const struct schema_key rule_keys[] = {
    {"level", SCHEMA_WORD, offsetof(struct reading, level), NULL, .words = level_words,
     .help = "none, opportunistic or forced"},
    {"ca", SCHEMA_TEXT, offsetof(struct reading, ca), NULL,
     .help = "file of certificates to trust (PEM); the system's by default"},
    {"names", SCHEMA_FORM, 0, NULL, .read = read_names, .help = "that the certificate may be for"},
    {"pins", SCHEMA_FORM, 0, NULL, .read = read_pins, .help = "SHA-256 of the server's key"},
};
static const struct schema_table rule_table = {"outbound.tls", rule_keys, COUNT(rule_keys)};

static void read_mapping(struct schema *schema, yaml_node_t *node, struct reading *reading,
                         struct draft *draft)
{
    struct draft_tls *tls = &reading->tls;
    size_t before = schema->problem_count;
    reading->level = LEVEL_UNSET;
    schema_map(schema, node, &rule_table, reading);
    if (reading->ca.at)
        tls->ca_file = bytes_of(draft_file(schema, draft, &reading->ca));
    if (schema->problem_count > before)
        return;
    bool has_more = reading->ca.at || tls->name_count || tls->pin_count;
    if (reading->level == LEVEL_UNSET && !has_more)
        schema_problem(schema, schema_line(node), "\"%s\" has no level; write level: forced",
                       reading->key);
    else if (reading->level < TLS_LEVEL_FORCED && has_more)
        schema_problem(schema, schema_line(node),
                       "%s: ca, names and pins are for level: forced; with %s, any certificate "
                       "will do",
                       reading->key, level_words[reading->level]);
    tls->level = reading->level == LEVEL_UNSET ? TLS_LEVEL_FORCED : (enum tls_level)reading->level;
}

static void read_word(struct schema *schema, yaml_node_t *node, struct reading *reading)
{
    struct schema_text text;
    if (!schema_text(schema, node, reading->key, &text))
        return;
    for (unsigned i = 0; level_words[i]; i++)
        if (bytes_equal(bytes_in(&text), bytes_of(level_words[i]))) {
            reading->tls.level = (enum tls_level)i;
            return;
        }
    schema_problem(schema, text.line,
                   "\"%s\" takes none, opportunistic or forced, or a mapping such as {level: "
                   "forced, names: [mx.example.org]}, not \"%.80s\"",
                   reading->key, text.at);
}

void draft_tls_read(struct schema *schema, yaml_node_t *node, const char *key, struct draft *draft,
                    struct draft_tls *out)
{
    struct reading reading = {.key = key};
    size_t before = schema->problem_count;
    if (node->type == YAML_MAPPING_NODE)
        read_mapping(schema, node, &reading, draft);
    else
        read_word(schema, node, &reading);
    if (schema->problem_count > before)
        return;
    reading.tls.line = schema_line(node);
    *out = reading.tls;
}

struct tls_rule draft_tls_rule(const struct draft_tls *tls, enum tls_source source)
{
    return (struct tls_rule){.level = tls->level,
                             .source = source,
                             .ca_file = tls->ca_file,
                             .names = tls->names,
                             .name_count = tls->name_count,
                             .pins = tls->pins,
                             .pin_count = tls->pin_count};
}

void draft_tls_check(struct schema *schema, const struct draft_tls *tls,
                     const struct endpoint *endpoint)
{
    struct ip ip;
    bool is_forced = tls->level == TLS_LEVEL_FORCED;
    if (endpoint->unix_path.len && tls->level != TLS_LEVEL_NONE)
        schema_problem(schema, tls->line, "a Unix socket needs no TLS; leave tls: out");
    else if (endpoint->is_implicit_tls && tls->level == TLS_LEVEL_NONE)
        schema_problem(schema, tls->line,
                       "smtps:// is TLS from its beginning; write smtp:// or leave tls: out");
    else if (is_forced && !tls->name_count && !tls->pin_count && ip_scan(endpoint->host, &ip))
        schema_problem(schema, tls->line,
                       "no certificate is verified for an address; write tls: {level: forced, "
                       "names: [mx.example.org]}, or pins:");
}

/* --- Of the whole ------------------------------------------------------------------------------
 */

void draft_read_outbound_tls(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    struct draft_tls tls = {.line = 0};
    draft_tls_read(schema, node, "outbound.tls", draft, &tls);
    if (!tls.line)
        return;
    const struct tls_rule rule = draft_tls_rule(&tls, TLS_BY_DEFAULT);
    tls_rules_set_default(routes_tls(draft->config.routes), &rule);
}

static void add_domain(struct schema *schema, struct draft *draft, const struct schema_text *domain,
                       yaml_node_t *node)
{
    struct draft_tls tls = {.line = 0};
    struct bytes pattern = bytes_in(domain);
    bool is_below = pattern.len && pattern.at[0] == '.';
    if (!domain_is_valid(bytes_from(pattern, is_below), ADDRESS_UTF8)) {
        schema_problem(schema, domain->line,
                       "\"outbound.tls_domains\" takes example.org or .example.org, not \"%.80s\"",
                       domain->at);
        return;
    }
    draft_tls_read(schema, node, "outbound.tls_domains", draft, &tls);
    if (!tls.line)
        return;
    const struct tls_rule rule = draft_tls_rule(&tls, TLS_BY_DOMAIN);
    if (!tls_rules_add(routes_tls(draft->config.routes), pattern, &rule))
        schema_problem(schema, domain->line, "\"%.80s\" is given twice in outbound.tls_domains",
                       domain->at);
}

void draft_read_tls_domains(struct schema *schema, yaml_node_t *node, void *target)
{
    yaml_node_t *key, *value;
    if (node->type != YAML_MAPPING_NODE) {
        schema_problem(schema, schema_line(node),
                       "\"outbound.tls_domains\" takes a mapping: {example.org: forced}");
        return;
    }
    for (size_t place = 0; schema_pair(schema, node, &place, &key, &value);) {
        struct schema_text domain;
        if (schema_text(schema, key, "outbound.tls_domains", &domain))
            add_domain(schema, target, &domain, value);
    }
}

struct draft_identity {
    struct schema_text certificate, key;
};

static const struct schema_key identity_keys[] = {
    {"certificate", SCHEMA_TEXT, offsetof(struct draft_identity, certificate), NULL,
     .help = "file with it and its chain (PEM)"},
    {"key", SCHEMA_TEXT, offsetof(struct draft_identity, key), NULL,
     .help = "file with its private key (PEM), read by the keeper alone"},
};
static const struct schema_table identity_table = {"outbound.client_certificate", identity_keys,
                                                   COUNT(identity_keys)};

void draft_read_client_certificate(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    struct draft_identity identity = {.key.at = NULL};
    schema_map(schema, node, &identity_table, &identity);
    if (!identity.certificate.at || !identity.key.at) {
        schema_problem(schema, schema_line(node),
                       "\"outbound.client_certificate\" takes both; write {certificate: a.pem, "
                       "key: a.key}");
        return;
    }
    draft->config.outbound.certificate = draft_file(schema, draft, &identity.certificate);
    draft->config.outbound.key = draft_secret(schema, draft, &identity.key);
}
