#include "daemon/schema.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PROBLEM_ROOM = 512, SHOWN_LIMIT = 80 };

/* --- Problems ------------------------------------------------------------------------------- */

void schema_problem(struct schema *schema, unsigned line, const char *format, ...)
{
    schema->problem_count++;
    if (schema->problem_count > SCHEMA_PROBLEM_LIMIT) {
        if (schema->problem_count == SCHEMA_PROBLEM_LIMIT + 1)
            buf_addf(schema->problems, "%s: more problems follow\n", schema->path);
        return;
    }
    char text[PROBLEM_ROOM];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    /* A value may hold line ends and terminal controls; a problem is one plain line. */
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7F)
            *at = '?';
    if (line)
        buf_addf(schema->problems, "%s:%u: %s\n", schema->path, line, text);
    else
        buf_addf(schema->problems, "%s: %s\n", schema->path, text);
}

unsigned schema_line(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

/* --- Parsing -------------------------------------------------------------------------------- */

static void begin_parser(yaml_parser_t *parser, struct bytes text)
{
    ASSERT(yaml_parser_initialize(parser)); /* fails only without memory */
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, text.len ? text.at : (const uint8_t *)"", text.len);
}

/* What is behind the commonest of libyaml's words. */
static const char *yaml_remedy(const yaml_parser_t *parser)
{
    static const struct {
        const char *context, *problem, *remedy;
    } rows[] = {
        {"", "found character that cannot start any token",
         "; indent by spaces, not by tabs, and put what begins with @, ` or % in quotes"},
        {"quoted scalar", "", "; a quote is not closed, in this line or above it"},
        {"flow", "", "; a [ or { is not closed, or a comma is missing"},
        {"block mapping", "", "; keys of one mapping begin in one column"},
        {"simple key", "", "; a key needs a colon and a space behind it"},
        {"", "mapping values are not allowed in this context",
         "; keys of one mapping begin in one column, and a value with a colon stands in quotes"},
    };
    const char *context = parser->context ? parser->context : "";
    const char *problem = parser->problem ? parser->problem : "";
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strstr(context, rows[i].context) && strstr(problem, rows[i].problem))
            return rows[i].remedy;
    return "";
}

static bool report_parser(struct schema *schema, const yaml_parser_t *parser)
{
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    const char *problem = parser->problem ? parser->problem : "it cannot be read";
    if (parser->error == YAML_READER_ERROR)
        schema_problem(schema, 0, "not a YAML text at byte %zu: %s", parser->problem_offset,
                       problem);
    else
        schema_problem(schema, line, "not YAML: %s%s%s%s", parser->context ? parser->context : "",
                       parser->context ? ", " : "", problem, yaml_remedy(parser));
    return false;
}

/* Looks at the events before the document is built: libyaml's time and memory grow with the square
 * of the depth, so depth is bounded first. One document only. */
static bool check_shape(struct schema *schema, struct bytes text)
{
    yaml_parser_t parser;
    begin_parser(&parser, text);
    size_t depth = 0, documents = 0;
    bool is_good = true, is_end = false;
    while (is_good && !is_end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            is_good = report_parser(schema, &parser);
            break;
        }
        unsigned line = (unsigned)event.start_mark.line + 1;
        is_end = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT)
            depth++;
        if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT)
            depth--;
        if (event.type == YAML_DOCUMENT_START_EVENT)
            documents++;
        yaml_event_delete(&event);
        if (depth > SCHEMA_DEPTH_LIMIT) {
            schema_problem(schema, line, "values are nested more than %d deep", SCHEMA_DEPTH_LIMIT);
            is_good = false;
        } else if (documents > 1) {
            schema_problem(schema, line, "a second document begins; write one only");
            is_good = false;
        }
    }
    yaml_parser_delete(&parser);
    return is_good;
}

bool schema_open(struct schema *schema, struct bytes text, const char *path, struct arena *arena,
                 struct buf *problems)
{
    *schema = (struct schema){.path = path, .arena = arena, .problems = problems};
    if (text.len > SCHEMA_TEXT_LIMIT) {
        schema_problem(schema, 0, "the file is larger than 1 MiB");
        return false;
    }
    if (!check_shape(schema, text))
        return false;
    yaml_parser_t parser;
    begin_parser(&parser, text);
    bool is_loaded = yaml_parser_load(&parser, &schema->document);
    if (!is_loaded)
        report_parser(schema, &parser);
    yaml_parser_delete(&parser);
    return is_loaded;
}

void schema_close(struct schema *schema)
{
    yaml_document_delete(&schema->document);
}

yaml_node_t *schema_root(struct schema *schema)
{
    return yaml_document_get_root_node(&schema->document);
}

/* --- Walking -------------------------------------------------------------------------------- */

static bool may_visit(struct schema *schema, const yaml_node_t *node)
{
    if (++schema->visits <= SCHEMA_VISIT_LIMIT)
        return true;
    if (schema->visits == SCHEMA_VISIT_LIMIT + 1)
        schema_problem(schema, schema_line(node),
                       "more than a million values: aliases repeat too much");
    return false;
}

yaml_node_t *schema_item(struct schema *schema, const yaml_node_t *node, size_t *place)
{
    yaml_node_item_t *item = node->data.sequence.items.start + *place;
    if (item >= node->data.sequence.items.top || !may_visit(schema, node))
        return NULL;
    ++*place;
    return yaml_document_get_node(&schema->document, *item);
}

bool schema_pair(struct schema *schema, const yaml_node_t *node, size_t *place, yaml_node_t **key,
                 yaml_node_t **value)
{
    yaml_node_pair_t *pair = node->data.mapping.pairs.start + *place;
    if (pair >= node->data.mapping.pairs.top || !may_visit(schema, node))
        return false;
    ++*place;
    *key = yaml_document_get_node(&schema->document, pair->key);
    *value = yaml_document_get_node(&schema->document, pair->value);
    return true;
}

static const char *kind_of(const yaml_node_t *node)
{
    if (node->type == YAML_MAPPING_NODE)
        return "a mapping";
    return node->type == YAML_SEQUENCE_NODE ? "a list" : "a value";
}

static bool is_nothing(const yaml_node_t *node)
{
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    struct bytes text = {node->data.scalar.value, node->data.scalar.length};
    return text.len == 0 || bytes_equal(text, BYTES("~")) || bytes_equal(text, BYTES("null"));
}

bool schema_text(struct schema *schema, yaml_node_t *node, const char *what,
                 struct schema_text *out)
{
    unsigned line = schema_line(node);
    if (node->type != YAML_SCALAR_NODE) {
        schema_problem(schema, line, "\"%s\" takes a single value, not %s", what, kind_of(node));
        return false;
    }
    if (is_nothing(node)) {
        schema_problem(schema, line, "\"%s\" has no value; write one or leave the key out", what);
        return false;
    }
    struct bytes text = {node->data.scalar.value, node->data.scalar.length};
    if (bytes_find(text, 0) < text.len) {
        schema_problem(schema, line, "the value of \"%s\" holds a NUL", what);
        return false;
    }
    char *copy = arena_alloc(schema->arena, text.len + 1);
    if (!copy) {
        schema_problem(schema, line, "the values are too long in all");
        return false;
    }
    memcpy(copy, text.at, text.len);
    *out = (struct schema_text){copy, text.len, line};
    return true;
}

/* --- Values --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint64_t factor;
} size_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}},
  duration_units[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400 * 1000}};

static size_t count_digits(struct bytes text)
{
    size_t digits = 0;
    while (digits < text.len && ascii_is_digit(text.at[digits]))
        digits++;
    return digits;
}

bool schema_scan_size(struct bytes text, uint64_t *out)
{
    size_t digits = count_digits(text);
    uint64_t number;
    if (!scan_u64(bytes_sub(text, 0, digits), UINT64_MAX >> 30, &number))
        return false;
    for (size_t i = 0; i < COUNT(size_units); i++)
        if (bytes_equal(bytes_from(text, digits), bytes_of(size_units[i].name))) {
            *out = number * size_units[i].factor;
            return true;
        }
    return false;
}

bool schema_scan_duration(struct bytes text, int64_t *out_ms)
{
    size_t digits = count_digits(text);
    uint64_t number;
    if (!scan_u64(bytes_sub(text, 0, digits), (uint64_t)INT64_MAX / (86400 * 1000), &number))
        return false;
    struct bytes unit = bytes_from(text, digits);
    if (unit.len == 0 && number == 0) {
        *out_ms = 0;
        return true;
    }
    for (size_t i = 0; i < COUNT(duration_units); i++)
        if (bytes_equal(unit, bytes_of(duration_units[i].name))) {
            *out_ms = (int64_t)(number * duration_units[i].factor);
            return true;
        }
    return false;
}

static void print_size(struct buf *out, uint64_t size)
{
    size_t unit = COUNT(size_units) - 1;
    while (unit && (size == 0 || size % size_units[unit].factor))
        unit--;
    buf_addf(out, "%llu%s", (unsigned long long)(size / size_units[unit].factor),
             size_units[unit].name);
}

static void print_duration(struct buf *out, uint64_t duration_ms)
{
    size_t unit = COUNT(duration_units) - 1;
    while (unit && (duration_ms == 0 || duration_ms % duration_units[unit].factor))
        unit--;
    buf_addf(out, "%llu%s", (unsigned long long)(duration_ms / duration_units[unit].factor),
             duration_ms ? duration_units[unit].name : "");
}

/* What the key takes, for a problem: "a size such as 10K, 50M or 1G, from 1K to 1G". */
static void describe(struct buf *out, const struct schema_key *key)
{
    switch (key->kind) {
    case SCHEMA_NUMBER:
        buf_addf(out, "a number from %llu to %llu", (unsigned long long)key->least,
                 (unsigned long long)key->most);
        return;
    case SCHEMA_SIZE:
        buf_addf(out, "a size such as 10K, 50M or 1G, from ");
        print_size(out, key->least);
        buf_add(out, BYTES(" to "));
        print_size(out, key->most);
        return;
    case SCHEMA_DURATION:
        buf_addf(out, "a time such as 250ms, 90s, 5m, 4h or 5d, from ");
        print_duration(out, key->least);
        buf_add(out, BYTES(" to "));
        print_duration(out, key->most);
        return;
    case SCHEMA_WORD:
        for (const char *const *word = key->words; *word; word++)
            buf_addf(out, "%s%s", word == key->words ? "" : word[1] ? ", " : " or ", *word);
        return;
    case SCHEMA_TEXT:
    case SCHEMA_MAP:
    case SCHEMA_FORM:
    case SCHEMA_LATER: return;
    }
}

static bool scan_word(const struct schema_key *key, struct bytes text, unsigned *out)
{
    for (unsigned i = 0; key->words[i]; i++)
        if (bytes_equal(text, bytes_of(key->words[i]))) {
            *out = i;
            return true;
        }
    return false;
}

/* Reads a scalar to its place in the target. */
static bool scan_value(const struct schema_key *key, const struct schema_text *text, void *place)
{
    struct bytes bytes = {(const uint8_t *)text->at, text->len};
    uint64_t number;
    int64_t duration_ms;
    switch (key->kind) {
    case SCHEMA_TEXT: *(struct schema_text *)place = *text; return true;
    case SCHEMA_NUMBER:
        if (!scan_u64(bytes, key->most, &number) || number < key->least)
            return false;
        *(uint64_t *)place = number;
        return true;
    case SCHEMA_SIZE:
        if (!schema_scan_size(bytes, &number) || number < key->least || number > key->most)
            return false;
        *(uint64_t *)place = number;
        return true;
    case SCHEMA_DURATION:
        if (!schema_scan_duration(bytes, &duration_ms) || (uint64_t)duration_ms < key->least ||
            (uint64_t)duration_ms > key->most)
            return false;
        *(int64_t *)place = duration_ms;
        return true;
    case SCHEMA_WORD: return scan_word(key, bytes, (unsigned *)place);
    case SCHEMA_MAP:
    case SCHEMA_FORM:
    case SCHEMA_LATER: return false;
    }
    return false;
}

/* --- Tables --------------------------------------------------------------------------------- */

static void *place_of(const struct schema_key *key, void *target)
{
    return (uint8_t *)target + key->offset;
}

void schema_defaults(struct schema *schema, const struct schema_table *table, void *target)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct schema_key *key = &table->keys[i];
        if (key->kind == SCHEMA_MAP)
            schema_defaults(schema, key->table, target);
        if (!key->fallback || key->kind == SCHEMA_FORM)
            continue;
        struct bytes copy;
        size_t len = strlen(key->fallback);
        struct bytes with_nul = {(const uint8_t *)key->fallback, len + 1};
        if (!arena_copy(schema->arena, with_nul, &copy)) {
            schema_problem(schema, 0, "the values are too long in all");
            return;
        }
        struct schema_text text = {(char *)(uintptr_t)copy.at, len, 0};
        ASSERT(scan_value(key, &text, place_of(key, target)));
    }
}

/* Levenshtein's distance of two short words; a large number for long ones. */
static unsigned edit_distance(struct bytes a, struct bytes b)
{
    enum { WORD_LIMIT = 40 };
    if (a.len > WORD_LIMIT || b.len > WORD_LIMIT)
        return UINT_MAX;
    unsigned row[WORD_LIMIT + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (ascii_lower(a.at[i - 1]) != ascii_lower(b.at[j - 1]));
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b.len];
}

static void report_unknown(struct schema *schema, const struct schema_table *table,
                           const struct schema_text *name)
{
    struct bytes word = {(const uint8_t *)name->at, name->len};
    const char *nearest = NULL;
    unsigned least = word.len < 5 ? 2 : 3;
    for (size_t i = 0; i < table->count; i++) {
        unsigned distance = edit_distance(word, bytes_of(table->keys[i].name));
        if (distance < least) {
            least = distance;
            nearest = table->keys[i].name;
        }
    }
    char place[64] = "";
    if (table->name[0])
        snprintf(place, sizeof place, " in \"%s\"", table->name);
    if (nearest) {
        schema_problem(schema, name->line, "unknown key \"%.*s\"%s; did you mean \"%s\"?",
                       SHOWN_LIMIT, name->at, place, nearest);
        return;
    }
    struct buf known;
    buf_init(&known, PROBLEM_ROOM);
    for (size_t i = 0; i < table->count; i++)
        if (table->keys[i].kind != SCHEMA_LATER)
            buf_addf(&known, "%s%s", known.len ? ", " : "", table->keys[i].name);
    schema_problem(schema, name->line, "unknown key \"%.*s\"%s; known are: %.*s", SHOWN_LIMIT,
                   name->at, place, BYTES_ARGS(buf_view(&known)));
    buf_done(&known);
}

static void read_scalar(struct schema *schema, const struct schema_key *key, const char *what,
                        yaml_node_t *node, void *target)
{
    struct schema_text text;
    if (!schema_text(schema, node, what, &text) || scan_value(key, &text, place_of(key, target)))
        return;
    struct buf takes;
    buf_init(&takes, PROBLEM_ROOM);
    describe(&takes, key);
    schema_problem(schema, text.line, "\"%s\" takes %.*s, not \"%.*s\"", what,
                   BYTES_ARGS(buf_view(&takes)), SHOWN_LIMIT, text.at);
    buf_done(&takes);
}

static void read_key(struct schema *schema, const struct schema_table *table,
                     const struct schema_key *key, yaml_node_t *node, void *target)
{
    char what[128];
    snprintf(what, sizeof what, "%s%s%s", table->name, table->name[0] ? "." : "", key->name);
    switch (key->kind) {
    case SCHEMA_TEXT:
    case SCHEMA_NUMBER:
    case SCHEMA_SIZE:
    case SCHEMA_DURATION:
    case SCHEMA_WORD: read_scalar(schema, key, what, node, target); return;
    case SCHEMA_MAP: schema_map(schema, node, key->table, target); return;
    case SCHEMA_FORM: key->read(schema, node, target); return;
    case SCHEMA_LATER:
        schema_problem(schema, schema_line(node), "\"%s\" is not in this version; %s", what,
                       key->help);
        return;
    }
}

static const struct schema_key *find_key(const struct schema_table *table, struct bytes name,
                                         size_t *place)
{
    for (size_t i = 0; i < table->count; i++)
        if (bytes_equal(bytes_of(table->keys[i].name), name)) {
            *place = i;
            return &table->keys[i];
        }
    return NULL;
}

void schema_map(struct schema *schema, yaml_node_t *node, const struct schema_table *table,
                void *target)
{
    enum { TABLE_LIMIT = 64 };
    unsigned seen[TABLE_LIMIT] = {0};
    ASSERT(table->count <= TABLE_LIMIT);
    schema_defaults(schema, table, target);
    if (node->type != YAML_MAPPING_NODE) {
        schema_problem(schema, schema_line(node), "%s%s%s a mapping of keys, not %s",
                       table->name[0] ? "\"" : "the file", table->name,
                       table->name[0] ? "\" takes" : " is", kind_of(node));
        return;
    }
    yaml_node_t *key_node, *value;
    for (size_t place = 0; schema_pair(schema, node, &place, &key_node, &value);) {
        struct schema_text name;
        if (!schema_text(schema, key_node, "key", &name))
            continue;
        size_t number;
        const struct schema_key *key =
            find_key(table, (struct bytes){(const uint8_t *)name.at, name.len}, &number);
        if (!key) {
            report_unknown(schema, table, &name);
        } else if (seen[number]) {
            schema_problem(schema, name.line,
                           "\"%s\" is given twice; the first is in line %u: keep one", key->name,
                           seen[number]);
        } else {
            seen[number] = name.line;
            read_key(schema, table, key, value, target);
        }
    }
}
