/* The keys about people who log in: `auth:`, `oauth:`, and a listener's `auth`. */
#include "daemon/config_draft.h"

#include <string.h>
#include <sys/un.h>

#include "base/buf.h"

enum { CLEARTEXT_NEVER, CLEARTEXT_LOOPBACK };
enum { SENDERS_OWN, SENDERS_ANY };

enum {
    ALL_MECHANISMS = (1 << SASL_MECHANISM_COUNT) - 1,
    OAUTH_MECHANISMS = 1 << SASL_OAUTHBEARER | 1 << SASL_XOAUTH2,
};

static const char *const cleartext_words[] = {"never", "loopback", NULL};
static const char *const sender_words[] = {"own", "any", NULL};
static const char *const switch_words[] = {"off", "on", NULL};

#define AT(member) offsetof(struct draft, auth.member)

static void read_mechanisms(struct schema *schema, yaml_node_t *node, void *target);
static void keep_clients(struct schema *schema, yaml_node_t *node, void *target);
static void read_unbanned(struct schema *schema, yaml_node_t *node, void *target);

static const struct schema_key auth_keys[] = {
    {"mechanisms", SCHEMA_FORM, 0, NULL, .read = read_mechanisms,
     .help = "list of those offered; all that can be used by default"},
    {"cleartext", SCHEMA_WORD, AT(cleartext), "never", .words = cleartext_words,
     .help = "loopback: this host may log in without TLS"},
    {"senders", SCHEMA_WORD, AT(senders), "own", .words = sender_words,
     .help = "the addresses that an account may send as"},
    {"messages_per_day", SCHEMA_NUMBER, AT(messages), "1000", 0, UINT32_MAX,
     .help = "of an account without a limit of its own; 0: any"},
    {"recipients_per_day", SCHEMA_NUMBER, AT(recipients), "200", 0, UINT32_MAX,
     .help = "that the account never wrote to before; 0: any"},
    {"results", SCHEMA_WORD, AT(results), "off", .words = switch_words,
     .help = "on: Authentication-Results tells all who read the message which account sent it"},
    {"certificates", SCHEMA_FORM, 0, NULL, .read = keep_clients,
     .help = "mapping from a client certificate's SHA-256 to its account, for EXTERNAL"},
    {"hash_cost", SCHEMA_NUMBER, AT(hash_cost), "5", 1, 11,
     .help = "of new passwords' yescrypt hashes; one more takes twice the time and memory"},
    {"dovecot", SCHEMA_TEXT, AT(dovecot), NULL,
     .help = "auth socket of a Dovecot that verifies passwords in place of the directory"},
    {"unbanned", SCHEMA_FORM, 0, NULL, .read = read_unbanned,
     .help = "list of networks that are never banned (default 127.0.0.0/8 and ::1)"},
};
const struct schema_table draft_auth_table = {"auth", auth_keys, COUNT(auth_keys)};

static const struct schema_key oauth_keys[] = {
    {"issuer", SCHEMA_TEXT, AT(issuer), NULL, .help = "\"iss\" of the tokens that are taken"},
    {"audience", SCHEMA_TEXT, AT(audience), NULL, .help = "one of their \"aud\""},
    {"keys", SCHEMA_TEXT, AT(keys), NULL,
     .help = "file with the issuer's public keys: a JWKS, or one key in PEM"},
    {"claim", SCHEMA_TEXT, AT(claim), "email", .help = "the claim that names the account"},
    {"leeway", SCHEMA_DURATION, AT(leeway_ms), "60s", 0, 3600 * 1000,
     .help = "for clocks that differ"},
};
const struct schema_table draft_oauth_table = {"oauth", oauth_keys, COUNT(oauth_keys)};

static struct bytes bytes_in(const struct schema_text *text)
{
    return (struct bytes){(const uint8_t *)text->at, text->len};
}

static void add_mechanism(struct schema *schema, struct draft *draft,
                          const struct schema_text *text)
{
    enum sasl_mechanism mechanism;
    if (!sasl_mechanism_find(bytes_in(text), &mechanism)) {
        uint8_t room[200];
        struct buf names = {.at = room, .cap = sizeof room, .limit = sizeof room};
        for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
            buf_add(&names, i ? BYTES(", ") : BYTES_NONE);
            buf_add(&names, sasl_mechanism_name((enum sasl_mechanism)i));
        }
        schema_problem(schema, text->line,
                       "\"auth.mechanisms\": %.40s is not known here; there are %.*s", text->at,
                       BYTES_ARGS(buf_view(&names)));
        return;
    }
    draft->auth.mechanisms |= 1U << mechanism;
}

static void read_mechanisms(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    yaml_node_t *item;
    struct schema_text text;
    draft->auth.mechanisms_line = schema_line(node);
    if (node->type != YAML_SEQUENCE_NODE) {
        schema_problem(schema, schema_line(node),
                       "\"auth.mechanisms\" takes a list: [plain, scram-sha-256]");
        return;
    }
    for (size_t place = 0; (item = schema_item(schema, node, &place));)
        if (schema_text(schema, item, "auth.mechanisms", &text))
            add_mechanism(schema, draft, &text);
}

static void keep_clients(struct schema *schema, yaml_node_t *node, void *target)
{
    ((struct draft *)target)->auth.clients = node;
}

static void add_client(struct schema *schema, struct draft *draft, const struct schema_text *print,
                       const struct schema_text *account)
{
    struct config *config = &draft->config;
    struct config_client *client = &config->auth.certificates[config->auth.certificate_count];
    struct address address;
    if (!fingerprint_scan(bytes_in(print), client->fingerprint)) {
        schema_problem(schema, print->line,
                       "\"auth.certificates\": \"%.100s\" is no SHA-256 of a certificate; openssl "
                       "x509 -noout -fingerprint -sha256 prints it",
                       print->at);
        return;
    }
    if (address_parse(bytes_in(account), ADDRESS_UTF8, &address) != PATH_OK) {
        schema_problem(schema, account->line,
                       "\"auth.certificates\": \"%.100s\" is no account; write one like "
                       "ann@example.org",
                       account->at);
        return;
    }
    client->account = account->at;
    config->auth.certificate_count++;
}

static void build_clients(struct schema *schema, struct draft *draft)
{
    struct config *config = &draft->config;
    yaml_node_t *node = draft->auth.clients, *key, *value;
    struct schema_text print, account;
    if (!node)
        return;
    if (node->type != YAML_MAPPING_NODE) {
        schema_problem(schema, schema_line(node),
                       "\"auth.certificates\" takes a mapping: {\"SHA-256\": ann@example.org}");
        return;
    }
    config->auth.certificates =
        arena_alloc(config->arena, CONFIG_CLIENT_LIMIT * sizeof *config->auth.certificates);
    ASSERT(config->auth.certificates);
    for (size_t place = 0; schema_pair(schema, node, &place, &key, &value);) {
        if (config->auth.certificate_count == CONFIG_CLIENT_LIMIT) {
            schema_problem(schema, schema_line(key), "\"auth.certificates\" takes %d at most",
                           CONFIG_CLIENT_LIMIT);
            return;
        }
        if (schema_text(schema, key, "auth.certificates", &print) &&
            schema_text(schema, value, "auth.certificates", &account))
            add_client(schema, draft, &print, &account);
    }
    /* A certificate is shown only where it is asked for. */
    config->tls.asked = TLS_CLIENT_CERTIFICATE_ASKED;
}

static void read_unbanned(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    draft->auth.has_unbanned = true;
    draft_read_network_list(schema, node, "auth.unbanned", draft->config.auth.unbanned);
}

/* A webmail on this host logs in for everybody. */
static void build_unbanned(struct draft *draft)
{
    char hint[64];
    struct networks *unbanned = draft->config.auth.unbanned;
    bool is_good =
        draft->auth.has_unbanned || (networks_add(unbanned, BYTES("127.0.0.0/8"), hint) &&
                                     networks_add(unbanned, BYTES("::1"), hint));
    ASSERT(is_good);
}

static void build_oauth(struct schema *schema, struct draft *draft)
{
    struct draft_auth *auth = &draft->auth;
    struct config_oauth *out = &draft->config.oauth;
    const struct schema_text *const needed[] = {&auth->issuer, &auth->audience, &auth->keys};
    unsigned line = 0;
    bool is_whole = true;
    for (size_t i = 0; i < COUNT(needed); i++) {
        line = needed[i]->at ? needed[i]->line : line;
        is_whole &= needed[i]->at && needed[i]->len;
    }
    if (!line)
        return;
    if (!is_whole) {
        schema_problem(schema, line, "\"oauth\" takes issuer, audience and keys, all three");
        return;
    }
    out->issuer = auth->issuer.at;
    out->audience = auth->audience.at;
    out->claim = auth->claim.at;
    out->leeway_ms = auth->leeway_ms;
    out->keys = draft_secret(schema, draft, &auth->keys);
}

/* It tells whether a password is right, and nothing that SCRAM could be made of. */
static void build_dovecot(struct schema *schema, struct draft *draft, unsigned *mechanisms)
{
    const struct draft_auth *auth = &draft->auth;
    unsigned scram = 1U << SASL_SCRAM_SHA_256 | 1U << SASL_SCRAM_SHA_256_PLUS;
    if (!auth->dovecot.at)
        return;
    draft->config.auth.dovecot = draft_path(schema, draft, &auth->dovecot);
    if (draft->config.auth.dovecot &&
        strlen(draft->config.auth.dovecot) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        schema_problem(schema, auth->dovecot.line,
                       "\"auth.dovecot\" is too long for the path of a Unix socket");
    if (auth->mechanisms & scram)
        schema_problem(
            schema, auth->mechanisms_line,
            "\"auth.mechanisms\": with \"auth.dovecot\" there is no SCRAM; leave it out");
    *mechanisms &= ~scram;
}

void draft_build_auth(struct schema *schema, struct draft *draft)
{
    struct draft_auth *auth = &draft->auth;
    struct config *config = &draft->config;
    build_unbanned(draft);
    build_oauth(schema, draft);
    build_clients(schema, draft);
    unsigned mechanisms = auth->mechanisms_line ? auth->mechanisms : ALL_MECHANISMS;
    if (!config->oauth.keys && auth->mechanisms & OAUTH_MECHANISMS)
        schema_problem(schema, auth->mechanisms_line,
                       "\"auth.mechanisms\": tokens need \"oauth\", with the issuer's keys");
    if (!config->oauth.keys)
        mechanisms &= ~(unsigned)OAUTH_MECHANISMS;
    build_dovecot(schema, draft, &mechanisms);
    if (!config->auth.certificate_count)
        mechanisms &= ~(1U << SASL_EXTERNAL);
    config->auth.mechanisms = mechanisms;
    config->auth.allows_clear_loopback = auth->cleartext == CLEARTEXT_LOOPBACK;
    config->auth.allows_any_sender = auth->senders == SENDERS_ANY;
    config->auth.has_results = auth->results;
    config->auth.messages_per_day = (uint32_t)auth->messages;
    config->auth.recipients_per_day = (uint32_t)auth->recipients;
    config->auth.hash_cost = (unsigned)auth->hash_cost;
}
