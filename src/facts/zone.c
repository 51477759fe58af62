#include "facts/zone.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/map.h"
#include "base/memory.h"

enum {
    CNAME_LIMIT = 10, /* in a chain */
    NAME_LIMIT = 255,
};

struct owner {
    bool exists; /* else it is only named as secure */
    bool is_secure;
    bool has[FACT_TYPES];
    struct answer answers[FACT_TYPES]; /* of the types that it has */
    bool has_rest;
    struct answer rest; /* of the types that it has not: "*" */
};

struct zone {
    struct arena *arena; /* holds the owners and their records */
    struct map *owners;  /* by name: lower case, no final dot */
};

static bool out_of_memory(struct error *err)
{
    return error_set(err, 0, "more than %d MiB of records", ZONE_MEMORY_LIMIT >> 20);
}

static struct bytes text_of(const json_t *value)
{
    return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

/* --- The data of a record ----------------------------------------------------------------------
 */

static bool take_address(struct arena *arena, const json_t *value, enum fact_type type,
                         struct answer_record *out, struct error *err)
{
    struct ip ip;
    struct bytes text = text_of(value);
    bool is_ipv6 = bytes_find(text, ':') < text.len;
    if (!json_is_string(value) || !ip_scan(text, &ip) || is_ipv6 != (type == FACT_AAAA))
        return error_set(err, 0, "\"%.*s\" is no %s address", BYTES_ARGS(text),
                         type == FACT_A ? "IPv4" : "IPv6");
    struct bytes address = {ip.at, sizeof ip.at};
    if (type == FACT_A)
        address = bytes_from(address, IP_MAPPED_BITS / 8);
    return arena_copy(arena, address, &out->data) || out_of_memory(err);
}

static bool take_name(struct arena *arena, const json_t *value, struct answer_record *out,
                      struct error *err)
{
    struct bytes name = text_of(value);
    if (!json_is_string(value))
        return error_set(err, 0, "a name is a string");
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    return arena_copy(arena, name, &out->data) || out_of_memory(err);
}

static bool take_mx(struct arena *arena, const json_t *value, struct answer_record *out,
                    struct error *err)
{
    const json_t *preference = json_array_get(value, 0);
    if (json_array_size(value) != 2 || !json_is_integer(preference) ||
        json_integer_value(preference) < 0 || json_integer_value(preference) > UINT16_MAX)
        return error_set(err, 0, "an MX record is [PREFERENCE, \"name\"]");
    out->preference = (uint16_t)json_integer_value(preference);
    return take_name(arena, json_array_get(value, 1), out, err);
}

/* One string, or several that are one text (RFC 7208, 3.3). */
static bool take_text(struct arena *arena, const json_t *value, struct answer_record *out,
                      struct error *err)
{
    size_t len = 0, count = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *string = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(string))
            return error_set(err, 0, "a TXT record is a string or a list of strings");
        len += json_string_length(string);
    }
    uint8_t *text = arena_alloc(arena, len);
    if (!text)
        return out_of_memory(err);
    out->data = (struct bytes){text, len};
    for (size_t i = 0; i < count; i++) {
        struct bytes part = text_of(json_is_array(value) ? json_array_get(value, i) : value);
        if (part.len)
            memcpy(text, part.at, part.len);
        text += part.len;
    }
    return true;
}

static int hex_digit(uint8_t byte)
{
    return ascii_is_digit(byte)                                   ? byte - '0'
           : ascii_lower(byte) >= 'a' && ascii_lower(byte) <= 'f' ? ascii_lower(byte) - 'a' + 10
                                                                  : -1;
}

static bool take_hex(struct arena *arena, struct bytes hex, struct bytes *out, struct error *err)
{
    uint8_t *data = arena_alloc(arena, hex.len / 2);
    if (!data)
        return out_of_memory(err);
    for (size_t i = 0; i < hex.len / 2 * 2; i++) {
        int digit = hex_digit(hex.at[i]);
        if (digit < 0)
            return error_set(err, 0, "the data of a TLSA record is hexadecimal");
        data[i / 2] = (uint8_t)(data[i / 2] << 4 | digit);
    }
    *out = (struct bytes){data, hex.len / 2};
    return hex.len % 2 == 0 || error_set(err, 0, "the data of a TLSA record has an odd digit");
}

static bool take_tlsa(struct arena *arena, const json_t *value, struct answer_record *out,
                      struct error *err)
{
    uint8_t *const numbers[] = {&out->usage, &out->selector, &out->matching};
    bool is_good = json_array_size(value) == 4 && json_is_string(json_array_get(value, 3));
    for (size_t i = 0; is_good && i < COUNT(numbers); i++) {
        const json_t *number = json_array_get(value, i);
        is_good = json_is_integer(number) && json_integer_value(number) >= 0 &&
                  json_integer_value(number) <= UINT8_MAX;
        *numbers[i] = (uint8_t)json_integer_value(number);
    }
    if (!is_good)
        return error_set(err, 0, "a TLSA record is [USAGE, SELECTOR, MATCHING, \"hex\"]");
    return take_hex(arena, text_of(json_array_get(value, 3)), &out->data, err);
}

static bool take_srv(struct arena *arena, const json_t *value, struct answer_record *out,
                     struct error *err)
{
    uint16_t *const numbers[] = {&out->preference, &out->weight, &out->port};
    bool is_good = json_array_size(value) == 4;
    for (size_t i = 0; is_good && i < COUNT(numbers); i++) {
        const json_t *number = json_array_get(value, i);
        is_good = json_is_integer(number) && json_integer_value(number) >= 0 &&
                  json_integer_value(number) <= UINT16_MAX;
        *numbers[i] = (uint16_t)json_integer_value(number);
    }
    if (!is_good)
        return error_set(err, 0, "an SRV record is [PRIORITY, WEIGHT, PORT, \"name\"]");
    return take_name(arena, json_array_get(value, 3), out, err);
}

static bool take_record(struct arena *arena, const json_t *value, enum fact_type type,
                        struct answer_record *out, struct error *err)
{
    switch (type) {
    case FACT_A:
    case FACT_AAAA: return take_address(arena, value, type, out, err);
    case FACT_MX: return take_mx(arena, value, out, err);
    case FACT_TXT: return take_text(arena, value, out, err);
    case FACT_PTR:
    case FACT_CNAME: return take_name(arena, value, out, err);
    case FACT_TLSA: return take_tlsa(arena, value, out, err);
    case FACT_SRV: return take_srv(arena, value, out, err);
    }
    return false;
}

/* --- The zone ----------------------------------------------------------------------------------
 */

static bool take_failure(const json_t *value, struct answer *out, struct error *err)
{
    struct bytes word = text_of(value);
    bool is_timeout = bytes_equal(word, BYTES("TIMEOUT"));
    if (!is_timeout && !bytes_equal(word, BYTES("SERVFAIL")))
        return error_set(err, 0, "wants \"TIMEOUT\" or \"SERVFAIL\"");
    out->status = is_timeout ? ANSWER_TIMEOUT : ANSWER_SERVFAIL;
    out->reason = BYTES("the zone on file says so");
    return true;
}

static bool take_answer(struct arena *arena, const json_t *value, enum fact_type type,
                        struct answer *out, struct error *err)
{
    if (json_is_string(value))
        return take_failure(value, out, err);
    if (!json_is_array(value))
        return error_set(err, 0, "wants a list of records, \"TIMEOUT\" or \"SERVFAIL\"");
    size_t count = json_array_size(value);
    out->status = count ? ANSWER_FOUND : ANSWER_NODATA;
    out->ttl_s = ZONE_TTL_S;
    if (type == FACT_CNAME && count > 1)
        return error_set(err, 0, "a name is the alias of one other");
    struct answer_record *records = arena_alloc(arena, count * sizeof *records);
    if (!records)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++)
        if (!take_record(arena, json_array_get(value, i), type, &records[i], err))
            return false;
    out->records = records;
    out->count = count;
    return true;
}

static bool type_scan(struct bytes word, enum fact_type *out)
{
    for (enum fact_type type = 0; type <= FACT_SRV; type++) {
        if (!bytes_equal_nocase(word, bytes_of(fact_type_name(type))))
            continue;
        *out = type;
        return true;
    }
    return false;
}

static bool take_type(struct arena *arena, struct bytes word, const json_t *value,
                      struct owner *owner, struct error *err)
{
    enum fact_type type;
    if (bytes_equal(word, BYTES("*"))) {
        owner->has_rest = true;
        return take_failure(value, &owner->rest, err);
    }
    if (!type_scan(word, &type))
        return true;
    if (owner->has[type])
        return error_set(err, 0, "is there twice");
    owner->has[type] = true;
    return take_answer(arena, value, type, &owner->answers[type], err);
}

/* The key of a name in the map of owners; false: too long to be one. */
static bool make_key(struct bytes name, uint8_t room[NAME_LIMIT], struct bytes *out)
{
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    if (name.len > NAME_LIMIT)
        return false;
    for (size_t i = 0; i < name.len; i++)
        room[i] = ascii_lower(name.at[i]);
    *out = (struct bytes){room, name.len};
    return true;
}

static struct owner *owner_find(const struct zone *zone, struct bytes name)
{
    uint8_t room[NAME_LIMIT];
    struct bytes key;
    return make_key(name, room, &key) ? map_find(zone->owners, key) : NULL;
}

/* NULL and err: no memory, or a name that the DNS cannot have. */
static struct owner *owner_make(struct zone *zone, struct bytes name, struct error *err)
{
    uint8_t room[NAME_LIMIT];
    struct bytes key;
    if (!make_key(name, room, &key)) {
        error_set(err, 0, "is too long for a name");
        return NULL;
    }
    struct owner *owner = map_find(zone->owners, key);
    if (owner)
        return owner;
    owner = arena_alloc(zone->arena, sizeof *owner);
    if (!owner)
        out_of_memory(err);
    else
        map_add(zone->owners, key, owner);
    return owner;
}

static bool take_owner(struct zone *zone, struct bytes name, json_t *types, struct error *err)
{
    const char *word;
    size_t word_len;
    json_t *value;
    if (!json_is_object(types))
        return error_set(err, 0, "wants an object of record types");
    struct owner *owner = owner_make(zone, name, err);
    if (!owner)
        return false;
    if (owner->exists)
        return error_set(err, 0, "is there twice");
    owner->exists = true;
    json_object_keylen_foreach(types, word, word_len, value)
    {
        struct bytes type = {(const uint8_t *)word, word_len};
        if (!take_type(zone->arena, type, value, owner, err))
            return error_wrap(err, "%.*s", BYTES_ARGS(type));
    }
    return true;
}

/* A name that does not exist can be secure as well. */
static bool take_secure(struct zone *zone, const json_t *names, struct error *err)
{
    if (!json_is_array(names))
        return error_set(err, 0, "wants a list of names");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        if (!json_is_string(name))
            return error_set(err, 0, "wants a list of names");
        struct owner *owner = owner_make(zone, text_of(name), err);
        if (!owner)
            return false;
        owner->is_secure = true;
    }
    return true;
}

static bool take_all(struct zone *zone, json_t *root, struct error *err)
{
    const char *key;
    size_t key_len;
    json_t *value;
    if (!json_is_object(root))
        return error_set(err, 0, "a zone is an object of names");
    json_object_keylen_foreach(root, key, key_len, value)
    {
        struct bytes name = {(const uint8_t *)key, key_len};
        bool is_good = bytes_equal(name, BYTES("@secure")) ? take_secure(zone, value, err)
                                                           : take_owner(zone, name, value, err);
        if (!is_good)
            return error_wrap(err, "%.*s", BYTES_ARGS(name));
    }
    return true;
}

struct zone *zone_parse(struct bytes text, struct error *err)
{
    json_error_t wrong;
    if (text.len > ZONE_TEXT_LIMIT) {
        error_set(err, 0, "more than %d MiB", ZONE_TEXT_LIMIT >> 20);
        return NULL;
    }
    json_t *root = json_loadb((const char *)text.at, text.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &wrong);
    if (!root) {
        error_set(err, 0, "line %d: %s", wrong.line, wrong.text);
        return NULL;
    }
    struct zone *zone = NEW(struct zone);
    zone->arena = arena_new(ZONE_MEMORY_LIMIT);
    zone->owners = map_new(0);
    if (!take_all(zone, root, err)) {
        zone_free(zone);
        zone = NULL;
    }
    json_decref(root);
    return zone;
}

void zone_free(struct zone *zone)
{
    if (!zone)
        return;
    map_free(zone->owners);
    arena_free(zone->arena);
    free(zone);
}

/* --- Answering ---------------------------------------------------------------------------------
 */

static struct answer answer_without(enum answer_status status)
{
    return (struct answer){.status = status, .ttl_s = ZONE_TTL_S};
}

static void answer_question(const struct zone *zone, struct facts *facts,
                            const struct question *question)
{
    enum fact_type type = question->type;
    struct bytes name = question->name;
    struct answer answer;
    bool is_secure = true;
    for (int step = 0;; step++) {
        const struct owner *owner = owner_find(zone, name);
        is_secure &= owner && owner->is_secure;
        if (!owner || !owner->exists) {
            answer = answer_without(ANSWER_NXDOMAIN);
        } else if (owner->has[type]) {
            answer = owner->answers[type];
        } else if (owner->has[FACT_CNAME] && owner->answers[FACT_CNAME].count &&
                   step < CNAME_LIMIT) {
            name = owner->answers[FACT_CNAME].records[0].data;
            continue;
        } else if (owner->has[FACT_CNAME] && owner->answers[FACT_CNAME].count) {
            answer = answer_without(ANSWER_SERVFAIL);
            answer.reason = BYTES("too many aliases, one behind the other");
        } else {
            answer = owner->has_rest ? owner->rest : answer_without(ANSWER_NODATA);
        }
        break;
    }
    if (!bytes_equal(name, question->name))
        answer.canonical = name;
    answer.is_secure = is_secure && answer.status <= ANSWER_NXDOMAIN;
    facts_answer(facts, type, question->name, &answer);
}

void zone_answer(const struct zone *zone, struct facts *facts)
{
    struct question question;
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        answer_question(zone, facts, &question);
}
