#include "policy/tls_level.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/memory.h"
#include "policy/pattern.h"

/* --- Rules -------------------------------------------------------------------------------------
 */

const struct tls_rule *tls_rule_local(void)
{
    static const struct tls_rule rule = {.level = TLS_LEVEL_NONE, .source = TLS_BY_NATURE};
    return &rule;
}

const struct tls_rule *tls_rule_login(void)
{
    static const struct tls_rule rule = {.level = TLS_LEVEL_FORCED, .source = TLS_BY_LOGIN};
    return &rule;
}

const struct tls_rule *tls_rule_smtps(void)
{
    static const struct tls_rule rule = {.level = TLS_LEVEL_FORCED, .source = TLS_BY_NATURE};
    return &rule;
}

static struct bytes put(uint8_t **at, struct bytes bytes)
{
    struct bytes copy = {*at, bytes.len};
    if (bytes.len)
        memcpy(*at, bytes.at, bytes.len);
    *at += bytes.len;
    return copy;
}

struct tls_rule *tls_rule_copy(const struct tls_rule *rule)
{
    size_t pins_len = rule->pin_count * TLS_PIN_SIZE;
    size_t names_len = rule->name_count * sizeof *rule->names;
    size_t len = sizeof *rule + names_len + pins_len + rule->ca_file.len;
    for (size_t i = 0; i < rule->name_count; i++)
        len += rule->names[i].len;
    struct tls_rule *copy = memory_new(1, len);
    struct bytes *names = (struct bytes *)(copy + 1);
    uint8_t(*pins)[TLS_PIN_SIZE] = (uint8_t(*)[TLS_PIN_SIZE])(names + rule->name_count);
    uint8_t *at = (uint8_t *)(pins + rule->pin_count);
    *copy = *rule;
    copy->names = names;
    copy->pins = (const uint8_t(*)[TLS_PIN_SIZE])pins;
    copy->ca_file = put(&at, rule->ca_file);
    for (size_t i = 0; i < rule->name_count; i++)
        names[i] = put(&at, rule->names[i]);
    if (pins_len)
        memcpy(pins, rule->pins, pins_len);
    return copy;
}

static bool is_plain(const struct tls_rule *rule)
{
    return rule->ca_file.len == 0 && rule->name_count == 0 && rule->pin_count == 0;
}

static void add_part(struct buf *out, struct bytes part)
{
    buf_addf(out, "%zu:", part.len);
    buf_add(out, part);
}

void tls_rule_print(struct buf *out, const struct tls_rule *rule)
{
    if (rule->level == TLS_LEVEL_OPPORTUNISTIC)
        return;
    buf_addf(out, ";tls=%s", tls_level_word(rule->level));
    if (is_plain(rule))
        return;
    struct buf all;
    buf_init(&all, SIZE_MAX);
    add_part(&all, rule->ca_file);
    for (size_t i = 0; i < rule->name_count; i++)
        add_part(&all, rule->names[i]);
    for (size_t i = 0; i < rule->pin_count; i++)
        buf_add(&all, (struct bytes){rule->pins[i], TLS_PIN_SIZE});
    buf_addf(out, ":%016llx", (unsigned long long)hash_bytes(buf_view(&all), 0));
    buf_done(&all);
}

bool tls_rule_is_bound(const struct tls_rule *rule)
{
    return rule->level == TLS_LEVEL_FORCED && rule->name_count == 0 && rule->pin_count == 0;
}

struct tls_rules {
    struct tls_rule *by_default;
    struct map *by_pattern; /* struct tls_rule */
};

struct tls_rules *tls_rules_new(uint64_t seed)
{
    static const struct tls_rule first = {.level = TLS_LEVEL_OPPORTUNISTIC};
    struct tls_rules *rules = NEW(struct tls_rules);
    rules->by_default = tls_rule_copy(&first);
    rules->by_pattern = map_new(seed);
    return rules;
}

void tls_rules_free(struct tls_rules *rules)
{
    if (!rules)
        return;
    size_t place = 0;
    for (void *value; map_next(rules->by_pattern, &place, &value);)
        free(value);
    map_free(rules->by_pattern);
    free(rules->by_default);
    free(rules);
}

void tls_rules_set_default(struct tls_rules *rules, const struct tls_rule *rule)
{
    free(rules->by_default);
    rules->by_default = tls_rule_copy(rule);
}

bool tls_rules_add(struct tls_rules *rules, struct bytes pattern, const struct tls_rule *rule)
{
    uint8_t room[PATTERN_LIMIT];
    if (!pattern_is_valid(pattern))
        return false;
    struct bytes lower = pattern_lower(pattern, room);
    if (map_find(rules->by_pattern, lower))
        return false;
    map_add(rules->by_pattern, lower, tls_rule_copy(rule));
    return true;
}

const struct tls_rule *tls_rules_find(const struct tls_rules *rules, struct bytes domain)
{
    const struct tls_rule *rule = pattern_find(rules->by_pattern, domain);
    return rule ? rule : rules->by_default;
}

/* --- One connection ----------------------------------------------------------------------------
 */

const char *tls_level_word(enum tls_level level)
{
    switch (level) {
    case TLS_LEVEL_NONE: return "none";
    case TLS_LEVEL_OPPORTUNISTIC: return "opportunistic";
    case TLS_LEVEL_FORCED: return "forced";
    }
    return "";
}

static const char *source_words(enum tls_source source, bool is_implicit)
{
    switch (source) {
    case TLS_BY_DEFAULT: return "outbound.tls";
    case TLS_BY_DOMAIN: return "outbound.tls_domains";
    case TLS_BY_ROUTE: return "routes.tls";
    case TLS_BY_LOGIN: return "routes.user";
    case TLS_BY_NATURE: return is_implicit ? "smtps" : "a local socket";
    }
    return "";
}

/* The domain, and all that is below it. */
static void add_domain(struct tls_terms *out, struct bytes domain)
{
    struct buf below = {.at = out->room, .cap = sizeof out->room, .limit = sizeof out->room};
    buf_add_byte(&below, '.');
    buf_add(&below, domain);
    out->names[out->name_count++] = domain;
    if (!below.overflowed)
        out->names[out->name_count++] = buf_view(&below);
}

static void choose_names(const struct tls_rule *rule, const struct tls_hop *hop,
                         struct tls_terms *out)
{
    ASSERT(rule->name_count <= TLS_NAME_LIMIT);
    for (size_t i = 0; i < rule->name_count; i++)
        out->names[out->name_count++] = rule->names[i];
    if (rule->name_count)
        return;
    if (hop->is_by_mx && hop->domain.len)
        add_domain(out, hop->domain);
    if (!hop->is_by_mx || hop->is_host_secure)
        out->names[out->name_count++] = hop->host;
    /* No certificate is for this one (RFC 6761, 6.4). */
    if (out->name_count == 0)
        out->names[out->name_count++] = BYTES("invalid");
}

void tls_level_choose(const struct tls_rule *rule, const struct tls_hop *hop, struct tls_terms *out)
{
    out->level = rule->level;
    out->reason = source_words(rule->source, hop->is_implicit);
    out->name_count = 0;
    if (rule->level == TLS_LEVEL_FORCED) {
        choose_names(rule, hop, out);
    } else if (rule->level == TLS_LEVEL_OPPORTUNISTIC && hop->has_failed && !hop->is_implicit) {
        out->level = TLS_LEVEL_NONE;
        out->reason = "its TLS handshake failed of late";
    }
}
