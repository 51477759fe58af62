/* `verify:` of a configuration: whether mail from other servers is checked, and what follows. */
#include "daemon/config_draft.h"

#include <string.h>

#include "base/map.h"
#include "mail/idna.h"

#define AT(member) offsetof(struct draft, member)

static const char *const mode_words[] = {"off", "mark", "enforce", NULL};
static const char *const action_words[] = {"accept", "junk", "refuse", NULL};
static const char *const switch_words[] = {"off", "on", NULL};
static const char *const unsure_words[] = {"accept", "defer", NULL};

/* The text as A-labels in the arena; NULL: it is no domain, which was reported. */
static const char *domain_of(struct schema *schema, struct draft *draft, const char *key,
                             const struct schema_text *text)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf ascii = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct bytes name = {(const uint8_t *)text->at, text->len};
    if (!idna_to_ascii(name, &ascii)) {
        schema_problem(schema, text->line,
                       "\"%s\": \"%.80s\" is no domain; write one like example.org", key, text->at);
        return NULL;
    }
    char *copy = arena_alloc(draft->config.arena, ascii.len + 1);
    if (!copy) {
        schema_problem(schema, text->line, "the values are too long in all");
        return NULL;
    }
    memcpy(copy, ascii.at, ascii.len);
    copy[ascii.len] = '\0';
    return copy;
}

static void add_name(struct schema *schema, struct draft *draft, const struct schema_text *text,
                     const char *key, struct draft_name **list, size_t *count)
{
    const char *name = domain_of(schema, draft, key, text);
    struct draft_name *entry = name ? arena_alloc(draft->config.arena, sizeof *entry) : NULL;
    if (!name)
        return;
    if (!entry) {
        schema_problem(schema, text->line, "the values are too long in all");
        return;
    }
    *entry = (struct draft_name){.next = *list, .text = *text};
    entry->text.at = (char *)(uintptr_t)name;
    entry->text.len = strlen(name);
    *list = entry;
    (*count)++;
}

static void read_names(struct schema *schema, yaml_node_t *node, struct draft *draft,
                       const char *key, struct draft_name **list, size_t *count)
{
    yaml_node_t *item;
    if (node->type != YAML_SEQUENCE_NODE) {
        schema_problem(schema, schema_line(node), "\"%s\" takes a list: [first, second]", key);
        return;
    }
    for (size_t place = 0; (item = schema_item(schema, node, &place));) {
        struct schema_text text;
        if (schema_text(schema, item, key, &text))
            add_name(schema, draft, &text, key, list, count);
    }
}

static void read_allow(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    read_names(schema, node, draft, "verify.allow", &draft->verify.allow,
               &draft->verify.allow_count);
}

static void read_sealers(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    read_names(schema, node, draft, "verify.trusted_sealers", &draft->verify.sealers,
               &draft->verify.sealer_count);
}

static void read_trusted(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    draft->verify.has_trusted = true;
    draft_read_network_list(schema, node, "verify.trusted_networks", draft->config.verify.trusted);
}

static void read_forwarders(struct schema *schema, yaml_node_t *node, void *target)
{
    struct draft *draft = target;
    draft_read_network_list(schema, node, "verify.forwarders", draft->config.verify.forwarders);
}

static const struct schema_key verify_keys[] = {
    {"mode", SCHEMA_WORD, AT(verify.mode), "enforce", .words = mode_words,
     .help = "mark: checked and written down only"},
    {"reject", SCHEMA_WORD, AT(verify.reject), "refuse", .words = action_words,
     .help = "DMARC fails, and the domain's owner says p=reject"},
    {"quarantine", SCHEMA_WORD, AT(verify.quarantine), "junk", .words = action_words,
     .help = "DMARC fails, and the domain's owner says p=quarantine"},
    {"spf_fail", SCHEMA_WORD, AT(verify.spf_fail), "junk", .words = action_words,
     .help = "SPF fails, there is no DMARC record, nor a signature of the author's"},
    {"helo_fail", SCHEMA_WORD, AT(verify.helo_fail), "accept", .words = action_words,
     .help = "SPF fails for the name that the client gives in EHLO or HELO"},
    {"no_author", SCHEMA_WORD, AT(verify.no_author), "refuse", .words = action_words,
     .help = "no From field, several, or one that cannot be read"},
    {"no_reverse_name", SCHEMA_WORD, AT(verify.no_name), "accept", .words = action_words,
     .help = "the client's address has no name that leads back to it"},
    {"misleading_name", SCHEMA_WORD, AT(verify.misleading), "accept", .words = action_words,
     .help = "the From field shows an address that is not the author's"},
    {"dns_error", SCHEMA_WORD, AT(verify.dns_error), "accept", .words = unsure_words,
     .help = "the DNS does not answer for DMARC; defer: 451, try again"},
    {"trusted_networks", SCHEMA_FORM, 0, "loopback", .read = read_trusted,
     .help = "clients that are not checked, beside relay.networks"},
    {"forwarders", SCHEMA_FORM, 0, NULL, .read = read_forwarders,
     .help = "networks of servers that forward mail to here: checked, nothing is held against it"},
    {"allow", SCHEMA_FORM, 0, NULL, .read = read_allow,
     .help = "domains of authors whose mail is taken though it fails, subdomains too"},
    {"trusted_sealers", SCHEMA_FORM, 0, NULL, .read = read_sealers,
     .help = "domains whose ARC seals are believed"},
    {"rsa_bits", SCHEMA_NUMBER, AT(config.verify.rsa_bits), "1024", 1024, 4096,
     .help = "the least of an RSA key by which a signature counts"},
    {"seal", SCHEMA_TEXT, AT(verify.seal), NULL,
     .help = "domain whose key seals mail that is passed on to elsewhere (ARC)"},
    {"received_spf", SCHEMA_WORD, AT(verify.received_spf), "off", .words = switch_words,
     .help = "write the field Received-SPF, too"},
    {"timeout", SCHEMA_DURATION, AT(config.verify.timeout_ms), "20s", 100, 5 * 60 * 1000,
     .help = "how long a message waits for the DNS"},
};
const struct schema_table draft_verify_table = {"verify", verify_keys, COUNT(verify_keys)};

/* The names of a list, in its order. */
static const struct bytes *take_names(struct draft *draft, const struct draft_name *list,
                                      size_t count)
{
    struct bytes *names = arena_alloc(draft->config.arena, count * sizeof *names + 1);
    ASSERT(names);
    for (; list; list = list->next)
        names[--count] = (struct bytes){(const uint8_t *)list->text.at, list->text.len};
    return names;
}

/* --- Listeners and domains -------------------------------------------------------------------- */

/* `verify:` of one of them, each key a place in its words; the last word is "default". */
struct draft_wish {
    unsigned mode, on[VERDICT_RULES], unsure;
};

enum {
    MODE_DEFAULT = VERDICT_ENFORCE + 1,
    ACTION_DEFAULT = VERDICT_REFUSE + 1,
    UNSURE_DEFAULT = VERDICT_DEFER_UNSURE + 1
};

static const char *const wish_mode_words[] = {"off", "mark", "enforce", "default", NULL};
static const char *const wish_action_words[] = {"accept", "junk", "refuse", "default", NULL};
static const char *const wish_unsure_words[] = {"accept", "defer", "default", NULL};

/* Each is the key of that name in `verify:`, and documented there. */
#define WISH(key, member, choice)                                                                  \
    {                                                                                              \
        key, SCHEMA_WORD, offsetof(struct draft_wish, member), "default", .words = choice          \
    }
static const struct schema_key wish_keys[] = {
    WISH("mode", mode, wish_mode_words),
    WISH("reject", on[VERDICT_ON_REJECT], wish_action_words),
    WISH("quarantine", on[VERDICT_ON_QUARANTINE], wish_action_words),
    WISH("spf_fail", on[VERDICT_ON_SPF_FAIL], wish_action_words),
    WISH("helo_fail", on[VERDICT_ON_HELO_FAIL], wish_action_words),
    WISH("no_reverse_name", on[VERDICT_ON_NO_NAME], wish_action_words),
    WISH("no_author", on[VERDICT_ON_NO_AUTHOR], wish_action_words),
    WISH("misleading_name", on[VERDICT_ON_MISLEADING], wish_action_words),
    WISH("dns_error", unsure, wish_unsure_words),
};
#undef WISH
static const struct schema_table listener_wish_table = {"listen.verify", wish_keys,
                                                        COUNT(wish_keys)};
static const struct schema_table domain_wish_table = {"domains.verify", wish_keys,
                                                      COUNT(wish_keys)};

/* A word alone is the mode. */
static void read_mode(struct schema *schema, yaml_node_t *node, const char *key,
                      struct draft_wish *wish)
{
    struct schema_text word;
    if (!schema_text(schema, node, key, &word))
        return;
    for (unsigned i = 0; wish_mode_words[i]; i++)
        if (strcmp(word.at, wish_mode_words[i]) == 0) {
            wish->mode = i;
            return;
        }
    schema_problem(schema, word.line,
                   "\"%s\" takes off, mark, enforce, default, or a mapping such as {mode: mark} or "
                   "{spf_fail: refuse}, not \"%.80s\"",
                   key, word.at);
}

static struct verdict_wish read_wish(struct schema *schema, yaml_node_t *node,
                                     const struct schema_table *table)
{
    struct draft_wish draft;
    schema_defaults(schema, table, &draft);
    if (node->type == YAML_SCALAR_NODE)
        read_mode(schema, node, table->name, &draft);
    else
        schema_map(schema, node, table, &draft);
    struct verdict_wish wish = {.has_mode = draft.mode != MODE_DEFAULT,
                                .has_unsure = draft.unsure != UNSURE_DEFAULT};
    if (wish.has_mode)
        wish.policy.mode = (enum verdict_mode)draft.mode;
    if (wish.has_unsure)
        wish.policy.on_unsure = (enum verdict_unsure)draft.unsure;
    for (size_t i = 0; i < VERDICT_RULES; i++) {
        wish.has_on[i] = draft.on[i] != ACTION_DEFAULT;
        if (wish.has_on[i])
            wish.policy.on[i] = (enum verdict_action)draft.on[i];
    }
    return wish;
}

void draft_read_listener_wish(struct schema *schema, yaml_node_t *node, struct verdict_wish *out)
{
    *out = read_wish(schema, node, &listener_wish_table);
}

void draft_read_domain_wish(struct schema *schema, struct draft *draft,
                            const struct schema_text *domain, yaml_node_t *node)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct verdict_wish *wish = arena_alloc(draft->config.arena, sizeof *wish);
    if (!wish) {
        schema_problem(schema, domain->line, "the values are too long in all");
        return;
    }
    *wish = read_wish(schema, node, &domain_wish_table);
    if (wish->has_mode && wish->policy.mode == VERDICT_OFF)
        schema_problem(
            schema, schema_line(node),
            "\"domains.verify\": off is a listener's; write mark, which costs no mail of "
            "this domain");
    if (idna_to_ascii((struct bytes){(const uint8_t *)domain->at, domain->len}, &name))
        (void)map_add(draft->config.verify.wishes, buf_view(&name), wish);
}

/* Does it want anything but to be off? */
static bool wants_checks(const struct verdict_wish *wish)
{
    bool wants = wish->has_unsure || (wish->has_mode && wish->policy.mode != VERDICT_OFF);
    for (size_t i = 0; i < VERDICT_RULES; i++)
        wants = wants || wish->has_on[i];
    return wants;
}

static void settle_listener(struct schema *schema, struct draft *draft, size_t number)
{
    struct config_listener *listener = &draft->listeners[number];
    const struct verdict_wish *wish = &draft->listener_wishes[number];
    listener->verify = draft->config.verify.policy;
    verdict_policy_wish(&listener->verify, wish);
    if (listener->role == ROLE_MX)
        return;
    listener->verify.mode = VERDICT_OFF;
    if (wants_checks(wish))
        schema_problem(schema, draft->listener_lines[number],
                       "listener \"%.80s\" is for submission, which is not verified; leave out its "
                       "verify:",
                       listener->address);
}

void draft_build_verify(struct schema *schema, struct draft *draft)
{
    struct config *config = &draft->config;
    const struct draft_verify *verify = &draft->verify;
    char hint[64];
    config->verify.policy = (struct verdict_policy){
        .mode = (enum verdict_mode)verify->mode,
        .on = {[VERDICT_ON_REJECT] = (enum verdict_action)verify->reject,
               [VERDICT_ON_QUARANTINE] = (enum verdict_action)verify->quarantine,
               [VERDICT_ON_SPF_FAIL] = (enum verdict_action)verify->spf_fail,
               [VERDICT_ON_HELO_FAIL] = (enum verdict_action)verify->helo_fail,
               [VERDICT_ON_NO_NAME] = (enum verdict_action)verify->no_name,
               [VERDICT_ON_NO_AUTHOR] = (enum verdict_action)verify->no_author,
               [VERDICT_ON_MISLEADING] = (enum verdict_action)verify->misleading},
        .on_unsure = (enum verdict_unsure)verify->dns_error,
    };
    config->verify.trust = (struct verdict_trust){
        .allow = take_names(draft, verify->allow, verify->allow_count),
        .allow_count = verify->allow_count,
        .sealers = take_names(draft, verify->sealers, verify->sealer_count),
        .sealer_count = verify->sealer_count,
    };
    config->verify.has_received_spf = verify->received_spf;
    if (verify->seal.at)
        config->verify.seal = domain_of(schema, draft, "verify.seal", &verify->seal);
    if (!verify->has_trusted) {
        bool is_added = networks_add(config->verify.trusted, BYTES("127.0.0.0/8"), hint) &&
                        networks_add(config->verify.trusted, BYTES("::1"), hint);
        ASSERT(is_added);
    }
    for (size_t i = 0; i < config->listener_count; i++)
        settle_listener(schema, draft, i);
}
