/* `verify:` of a configuration: whether mail from other servers is checked, and what follows. */
#include "daemon/config_draft.h"

#include "base/map.h"
#include "mail/idna.h"

#define AT(member) offsetof(struct draft, member)

const char *const draft_listener_modes[] = {"off", "mark", "enforce", "default", NULL};
const char *const draft_domain_modes[] = {"enforce", "mark", NULL};
static const char *const mode_words[] = {"off", "mark", "enforce", NULL};
static const char *const action_words[] = {"accept", "junk", "refuse", NULL};
static const char *const switch_words[] = {"off", "on", NULL};
static const char *const unsure_words[] = {"accept", "defer", NULL};

static void add_name(struct schema *schema, struct draft *draft, const struct schema_text *text,
                     const char *key, struct draft_name **list, size_t *count)
{
    struct bytes name = {(const uint8_t *)text->at, text->len};
    uint8_t room[HOST_NAME_LIMIT];
    struct buf ascii = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (!idna_to_ascii(name, &ascii)) {
        schema_problem(schema, text->line,
                       "\"%s\": \"%.80s\" is no domain; write one like "
                       "example.org",
                       key, text->at);
        return;
    }
    struct draft_name *entry = arena_alloc(draft->config.arena, sizeof *entry + ascii.len + 1);
    struct bytes copy;
    if (!entry || !arena_copy(draft->config.arena, buf_view(&ascii), &copy)) {
        schema_problem(schema, text->line, "the values are too long in all");
        return;
    }
    *entry = (struct draft_name){.next = *list, .text = *text};
    entry->text.at = (char *)(uintptr_t)copy.at;
    entry->text.len = copy.len;
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

void draft_build_verify(struct schema *schema, struct draft *draft)
{
    struct config *config = &draft->config;
    const struct draft_verify *verify = &draft->verify;
    char hint[64];
    config->verify.policy = (struct verdict_policy){
        .on_reject = (enum verdict_action)verify->reject,
        .on_quarantine = (enum verdict_action)verify->quarantine,
        .on_spf_fail = (enum verdict_action)verify->spf_fail,
        .on_helo_fail = (enum verdict_action)verify->helo_fail,
        .on_no_author = (enum verdict_action)verify->no_author,
        .on_no_name = (enum verdict_action)verify->no_name,
        .on_unsure = (enum verdict_unsure)verify->dns_error,
        .allow = take_names(draft, verify->allow, verify->allow_count),
        .allow_count = verify->allow_count,
        .sealers = take_names(draft, verify->sealers, verify->sealer_count),
        .sealer_count = verify->sealer_count,
    };
    config->verify.has_received_spf = verify->received_spf;
    if (!verify->has_trusted) {
        bool is_added = networks_add(config->verify.trusted, BYTES("127.0.0.0/8"), hint) &&
                        networks_add(config->verify.trusted, BYTES("::1"), hint);
        ASSERT(is_added);
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        struct config_listener *listener = &draft->listeners[i];
        bool is_said = listener->verify != (enum verdict_mode)DRAFT_MODE_DEFAULT;
        if (listener->role == ROLE_MX) {
            listener->verify = is_said ? listener->verify : (enum verdict_mode)verify->mode;
            continue;
        }
        if (is_said && listener->verify != VERDICT_OFF)
            schema_problem(schema, draft->listener_lines[i],
                           "listener \"%.80s\" is for submission, which is not verified; leave "
                           "out its verify:",
                           listener->address);
        listener->verify = VERDICT_OFF;
    }
}

void draft_mark_domain(struct draft *draft, const struct schema_text *domain)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (idna_to_ascii((struct bytes){(const uint8_t *)domain->at, domain->len}, &name))
        (void)map_add(draft->config.verify.marked, buf_view(&name), draft->config.verify.marked);
}
