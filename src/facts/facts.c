#include "facts/facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"

enum {
    NAME_LIMIT = 253, /* 255 bytes on the wire (RFC 1035, 2.3.4) */
    LABEL_LIMIT = 63,
};

struct entry {
    const struct answer *answer; /* NULL: open */
    struct bytes name;           /* lower case, no final dot, a NUL behind it */
    enum fact_type type;
};

struct facts {
    struct arena *arena; /* holds entries, answers and their bytes */
    struct entry **entries;
    size_t count, room;
};

enum { FIRST_ROOM = 8 }; /* enough for most decisions */

static const struct answer is_no_name = {.status = ANSWER_NXDOMAIN};
static const struct answer too_much = {
    .status = ANSWER_SERVFAIL,
    .reason = BYTES_INIT("more of the DNS is needed than one decision may ask for"),
};

const char *fact_type_name(enum fact_type type)
{
    switch (type) {
    case FACT_A: return "A";
    case FACT_AAAA: return "AAAA";
    case FACT_MX: return "MX";
    case FACT_TXT: return "TXT";
    case FACT_PTR: return "PTR";
    case FACT_CNAME: return "CNAME";
    case FACT_TLSA: return "TLSA";
    case FACT_SRV: return "SRV";
    }
    return "";
}

const char *answer_status_name(enum answer_status status)
{
    switch (status) {
    case ANSWER_FOUND: return "FOUND";
    case ANSWER_NODATA: return "NODATA";
    case ANSWER_NXDOMAIN: return "NXDOMAIN";
    case ANSWER_SERVFAIL: return "SERVFAIL";
    case ANSWER_TIMEOUT: return "TIMEOUT";
    }
    return "";
}

struct facts *facts_new(void)
{
    struct facts *facts = NEW(struct facts);
    facts->arena = arena_new(FACTS_BYTES_LIMIT);
    return facts;
}

void facts_free(struct facts *facts)
{
    if (!facts)
        return;
    arena_free(facts->arena);
    free(facts->entries);
    free(facts);
}

static struct bytes without_dot(struct bytes name)
{
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool is_name(struct bytes name)
{
    if (name.len == 0 || name.len > NAME_LIMIT)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] == 0)
            return false;
        label = name.at[i] == '.' ? 0 : label + 1;
        bool is_empty_label = label == 0 && (i == 0 || name.at[i - 1] == '.');
        if (is_empty_label || label > LABEL_LIMIT)
            return false;
    }
    return label > 0;
}

bool fact_name_is_valid(struct bytes name)
{
    return is_name(without_dot(name));
}

/* A table has few questions, so looking at each is quick. */
static struct entry *entry_find(const struct facts *facts, enum fact_type type, struct bytes name)
{
    for (size_t i = 0; i < facts->count; i++)
        if (facts->entries[i]->type == type && bytes_equal_nocase(facts->entries[i]->name, name))
            return facts->entries[i];
    return NULL;
}

/* NULL beyond the table's bounds. */
static struct entry *entry_add(struct facts *facts, enum fact_type type, struct bytes name)
{
    if (facts->count == FACTS_QUESTION_LIMIT)
        return NULL;
    struct entry *entry = arena_alloc(facts->arena, sizeof *entry);
    uint8_t *copy = entry ? arena_alloc(facts->arena, name.len + 1) : NULL;
    if (!copy)
        return NULL;
    for (size_t i = 0; i < name.len; i++)
        copy[i] = ascii_lower(name.at[i]);
    *entry = (struct entry){.type = type, .name = {copy, name.len}};
    if (facts->count == facts->room) {
        facts->room = facts->room ? 2 * facts->room : FIRST_ROOM;
        facts->entries = memory_resize(facts->entries, facts->room, sizeof(struct entry *));
    }
    facts->entries[facts->count++] = entry;
    return entry;
}

const struct answer *facts_ask(struct facts *facts, enum fact_type type, struct bytes name)
{
    name = without_dot(name);
    if (!is_name(name))
        return &is_no_name;
    struct entry *entry = entry_find(facts, type, name);
    if (!entry)
        entry = entry_add(facts, type, name);
    return entry ? entry->answer : &too_much;
}

bool facts_next_open(const struct facts *facts, size_t *place, struct question *out)
{
    while (*place < facts->count) {
        const struct entry *entry = facts->entries[(*place)++];
        if (entry->answer)
            continue;
        *out = (struct question){.type = entry->type, .name = entry->name};
        return true;
    }
    return false;
}

static bool records_copy(struct arena *arena, struct answer *answer)
{
    if (answer->count == 0)
        return true;
    struct answer_record *records = arena_alloc(arena, answer->count * sizeof *records);
    if (!records)
        return false;
    for (size_t i = 0; i < answer->count; i++) {
        records[i] = answer->records[i];
        if (!arena_copy(arena, records[i].data, &records[i].data))
            return false;
    }
    answer->records = records;
    return true;
}

/* NULL where the table has no room for it. */
static const struct answer *answer_copy(struct arena *arena, const struct answer *answer)
{
    struct answer *copy = arena_alloc(arena, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *answer;
    if (copy->count > FACTS_RECORD_LIMIT) {
        copy->count = FACTS_RECORD_LIMIT;
        copy->is_cut = true;
    }
    if (!arena_copy(arena, answer->canonical, &copy->canonical) ||
        !arena_copy(arena, answer->reason, &copy->reason) || !records_copy(arena, copy))
        return NULL;
    return copy;
}

void facts_answer(struct facts *facts, enum fact_type type, struct bytes name,
                  const struct answer *answer)
{
    name = without_dot(name);
    if (!is_name(name))
        return;
    struct entry *entry = entry_find(facts, type, name);
    if (!entry)
        entry = entry_add(facts, type, name);
    if (!entry || entry->answer)
        return;
    const struct answer *copy = answer_copy(facts->arena, answer);
    entry->answer = copy ? copy : &too_much;
}
