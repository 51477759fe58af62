#include "cli/import_settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"

enum { STEP_LIMIT = 100000, MAP_SEED = 1 }; /* the file is its owner's, not a stranger's */

struct import_settings {
    const struct import_settings *base;
    struct import_setting **settings; /* in order, each on the heap */
    size_t count;
    struct map *by_name; /* of struct import_setting */
};

/* --- Lines ------------------------------------------------------------------------------------ */

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static struct bytes trim(struct bytes text)
{
    while (text.len && is_space(text.at[0]))
        text = bytes_from(text, 1);
    while (text.len && is_space(text.at[text.len - 1]))
        text.len--;
    return text;
}

bool import_line(struct bytes *text, unsigned *at, struct buf *line, unsigned *number)
{
    buf_clear(line);
    while (text->len) {
        struct bytes rest, physical;
        bool goes_on = is_space(text->at[0]) || text->at[0] == '#';
        if (line->len && !goes_on)
            return true;
        bytes_cut(*text, '\n', &physical, &rest);
        *text = rest;
        (*at)++;
        struct bytes content = trim(physical);
        if (content.len == 0 || content.at[0] == '#')
            continue;
        if (line->len)
            buf_add_byte(line, ' ');
        else
            *number = *at;
        /* One that begins with a space and continues nothing is left so, for who reads it. */
        if (!line->len && is_space(physical.at[0]))
            buf_add_byte(line, ' ');
        buf_add(line, content);
    }
    return line->len > 0;
}

/* --- The settings ----------------------------------------------------------------------------- */

struct import_settings *import_settings_new(const struct import_settings *base)
{
    struct import_settings *settings = NEW(struct import_settings);
    settings->base = base;
    settings->by_name = map_new(MAP_SEED);
    return settings;
}

void import_settings_free(struct import_settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < settings->count; i++) {
        bytes_disown(settings->settings[i]->name);
        bytes_disown(settings->settings[i]->value);
        free(settings->settings[i]);
    }
    free(settings->settings);
    map_free(settings->by_name);
    free(settings);
}

void import_settings_set(struct import_settings *settings, struct bytes name, struct bytes value,
                         unsigned line)
{
    struct import_setting *setting = map_find(settings->by_name, name);
    if (setting && line == 0)
        return;
    if (!setting) {
        setting = NEW(struct import_setting);
        setting->name = bytes_own(name);
        settings->settings =
            memory_resize(settings->settings, settings->count + 1, sizeof(struct import_setting *));
        settings->settings[settings->count++] = setting;
        map_add(settings->by_name, name, setting);
    }
    struct bytes before = setting->value;
    setting->value = bytes_own(value);
    setting->line = line;
    bytes_disown(before);
}

static bool read_setting(struct import_settings *settings, struct bytes line, unsigned number,
                         struct error *err)
{
    struct bytes name, value;
    if (is_space(line.at[0]))
        return error_set(err, 0, "line %u begins with a space and continues nothing", number);
    bool has_equals = bytes_cut(line, '=', &name, &value);
    name = trim(name);
    for (size_t i = 0; i < name.len; i++)
        has_equals &= !is_space(name.at[i]);
    if (!has_equals || name.len == 0)
        return error_set(err, 0, "line %u is no setting, which would be: name = value", number);
    import_settings_set(settings, name, trim(value), number);
    return true;
}

bool import_settings_read(struct import_settings *settings, struct bytes text, struct error *err)
{
    struct buf line;
    unsigned at = 0, number = 0;
    bool is_read = true;
    buf_init(&line, IMPORT_TEXT_LIMIT);
    while (is_read && import_line(&text, &at, &line, &number))
        is_read = line.overflowed ? error_set(err, 0, "line %u is too long", number)
                                  : read_setting(settings, buf_view(&line), number, err);
    buf_done(&line);
    return is_read;
}

const struct import_setting *import_settings_find(const struct import_settings *settings,
                                                  struct bytes name)
{
    const struct import_setting *found = NULL;
    for (; settings && !found; settings = settings->base)
        found = map_find(settings->by_name, name);
    return found;
}

const struct import_setting *import_settings_next(const struct import_settings *settings,
                                                  size_t *place)
{
    return *place < settings->count ? settings->settings[(*place)++] : NULL;
}

/* --- Putting in ------------------------------------------------------------------------------- */

enum frame_kind {
    FRAME_TEXT,    /* to go through */
    FRAME_MARK,    /* the left side is out; the right one follows */
    FRAME_COMPARE, /* both are out: say which text is meant */
};

enum comparison { EQUAL, UNEQUAL, LESS_OR_EQUAL, LESS, GREATER_OR_EQUAL, GREATER };

static const struct {
    const char *word;
    enum comparison comparison;
} comparisons[] = {
    {"==", EQUAL}, {"!=", UNEQUAL},          {"<=", LESS_OR_EQUAL},
    {"<", LESS},   {">=", GREATER_OR_EQUAL}, {">", GREATER},
};

struct frame {
    enum frame_kind kind;
    struct bytes text;    /* of FRAME_TEXT */
    size_t left, right;   /* of FRAME_COMPARE: where the sides begin in the output */
    enum comparison what; /* of FRAME_COMPARE */
    bool is_level;        /* of FRAME_COMPARE: of versions, part by part (compatibility_level) */
    struct bytes yes, no; /* its texts */
};

/* What is put in, as a stack instead of a recursion. */
struct expansion {
    const struct import_settings *settings;
    struct buf *out;
    struct error *err;
    struct frame frames[IMPORT_DEPTH_LIMIT];
    size_t depth;
};

static bool push(struct expansion *expansion, struct frame frame)
{
    if (expansion->depth == IMPORT_DEPTH_LIMIT)
        return error_set(expansion->err, 0, "its $names go round in a circle, or too deep");
    expansion->frames[expansion->depth++] = frame;
    return true;
}

static bool push_text(struct expansion *expansion, struct bytes text)
{
    return text.len == 0 || push(expansion, (struct frame){.kind = FRAME_TEXT, .text = text});
}

static bool malformed(struct expansion *expansion, struct bytes at)
{
    return error_set(expansion->err, 0, "it is malformed at \"%.*s\"; Postfix refuses it too",
                     BYTES_ARGS(bytes_sub(at, 0, 40)));
}

/* The text in the brackets that *rest begins with; *rest goes behind them. */
static bool take_brackets(struct bytes *rest, uint8_t opens, uint8_t closes, struct bytes *inside)
{
    size_t level = 0;
    for (size_t i = 0; i < rest->len; i++) {
        level += rest->at[i] == opens;
        level -= level > 0 && rest->at[i] == closes;
        if (level > 0)
            continue;
        *inside = bytes_sub(*rest, 1, i - 1);
        *rest = bytes_from(*rest, i + 1);
        return i > 0;
    }
    return false;
}

static bool is_name_byte(uint8_t byte)
{
    return ascii_is_alpha(byte) || ascii_is_digit(byte) || byte == '_';
}

static struct bytes take_name(struct bytes *rest)
{
    size_t len = 0;
    while (len < rest->len && is_name_byte(rest->at[len]))
        len++;
    struct bytes name = bytes_sub(*rest, 0, len);
    *rest = bytes_from(*rest, len);
    return name;
}

/* "{yes}", "{yes}:{no}", or all of it as it stands. */
static bool read_branches(struct bytes text, struct bytes *yes, struct bytes *no)
{
    struct bytes rest = trim(text);
    *no = BYTES_NONE;
    if (rest.len == 0 || rest.at[0] != '{') {
        *yes = text;
        return true;
    }
    if (!take_brackets(&rest, '{', '}', yes))
        return false;
    *yes = trim(*yes);
    rest = trim(rest);
    if (rest.len == 0)
        return true;
    if (rest.at[0] != ':')
        return false;
    rest = trim(bytes_from(rest, 1));
    if (rest.len == 0 || rest.at[0] != '{' || !take_brackets(&rest, '{', '}', no))
        return false;
    *no = trim(*no);
    return trim(rest).len == 0;
}

/* What stands behind a condition: nothing, "? ..." or ": ..." . */
static bool read_outcomes(struct bytes rest, struct bytes *yes, struct bytes *no)
{
    struct bytes behind = bytes_from(rest, 1), none;
    bool is_read;
    if (rest.len && rest.at[0] == '?')
        return read_branches(behind, yes, no);
    if (rest.len == 0 || rest.at[0] != ':')
        return false;
    *yes = BYTES_NONE;
    is_read = read_branches(behind, no, &none);
    return is_read && none.len == 0;
}

/* "{a} == {b} ? {yes} : {no}" */
static bool open_comparison(struct expansion *expansion, struct bytes whole)
{
    struct bytes rest = whole, left, right;
    struct frame compare = {.kind = FRAME_COMPARE, .left = expansion->out->len};
    size_t row = 0;
    if (!take_brackets(&rest, '{', '}', &left))
        return malformed(expansion, whole);
    rest = trim(rest);
    while (row < COUNT(comparisons) && !bytes_starts(rest, bytes_of(comparisons[row].word)))
        row++;
    if (row == COUNT(comparisons))
        return malformed(expansion, rest);
    compare.what = comparisons[row].comparison;
    rest = bytes_from(rest, strlen(comparisons[row].word));
    compare.is_level = bytes_starts(rest, BYTES("level"));
    rest = trim(bytes_from(rest, compare.is_level ? strlen("level") : 0));
    if (rest.len == 0 || rest.at[0] != '{' || !take_brackets(&rest, '{', '}', &right))
        return malformed(expansion, rest);
    rest = trim(rest);
    compare.yes = BYTES("true");
    if (rest.len && !read_outcomes(rest, &compare.yes, &compare.no))
        return malformed(expansion, rest);
    return push(expansion, compare) && push_text(expansion, trim(right)) &&
           push(expansion, (struct frame){.kind = FRAME_MARK}) && push_text(expansion, trim(left));
}

/* What stands in the brackets of a reference. */
static bool open_reference(struct expansion *expansion, struct bytes inside)
{
    struct bytes rest = trim(inside), yes, no;
    if (rest.len && rest.at[0] == '{')
        return open_comparison(expansion, rest);
    struct bytes name = take_name(&rest);
    if (name.len == 0)
        return malformed(expansion, inside);
    const struct import_setting *setting = import_settings_find(expansion->settings, name);
    /* As it is written: one whose own names are all empty counts as something. */
    struct bytes value = setting ? setting->value : BYTES_NONE;
    if (trim(rest).len == 0)
        return push_text(expansion, value);
    if (!read_outcomes(trim(rest), &yes, &no))
        return malformed(expansion, inside);
    return push_text(expansion, value.len ? yes : no);
}

/* The top frame's text begins with a $. */
static bool open_dollar(struct expansion *expansion)
{
    struct bytes *rest = &expansion->frames[expansion->depth - 1].text;
    struct bytes whole = *rest, inside;
    *rest = bytes_from(*rest, 1);
    uint8_t first = rest->len ? rest->at[0] : 0;
    if (first == '$') {
        *rest = bytes_from(*rest, 1);
        buf_add_byte(expansion->out, '$');
        return true;
    }
    if (first == '{' || first == '(')
        return take_brackets(rest, first, first == '{' ? '}' : ')', &inside)
                   ? open_reference(expansion, inside)
                   : malformed(expansion, whole);
    inside = take_name(rest);
    return inside.len ? open_reference(expansion, inside) : malformed(expansion, whole);
}

static int compare(struct bytes left, struct bytes right)
{
    uint64_t a, b;
    if (scan_u64(left, UINT64_MAX, &a) && scan_u64(right, UINT64_MAX, &b))
        return (a > b) - (a < b);
    return bytes_compare(left, right);
}

/* "3.6" is less than "3.10". */
static int compare_levels(struct bytes left, struct bytes right)
{
    int order = 0;
    while (order == 0 && (left.len || right.len)) {
        struct bytes a, b;
        uint64_t x = 0, y = 0;
        bytes_cut(left, '.', &a, &left);
        bytes_cut(right, '.', &b, &right);
        if ((a.len && !scan_u64(a, UINT32_MAX, &x)) || (b.len && !scan_u64(b, UINT32_MAX, &y)))
            return bytes_compare(a, b);
        order = (x > y) - (x < y);
    }
    return order;
}

static bool holds(enum comparison what, int order)
{
    switch (what) {
    case EQUAL: return order == 0;
    case UNEQUAL: return order != 0;
    case LESS_OR_EQUAL: return order <= 0;
    case LESS: return order < 0;
    case GREATER_OR_EQUAL: return order >= 0;
    case GREATER: return order > 0;
    }
    return false;
}

static bool step(struct expansion *expansion)
{
    struct frame *top = &expansion->frames[expansion->depth - 1];
    struct buf *out = expansion->out;
    if (top->kind == FRAME_MARK) {
        expansion->depth--;
        for (size_t i = expansion->depth; i-- > 0;)
            if (expansion->frames[i].kind == FRAME_COMPARE) {
                expansion->frames[i].right = out->len;
                break;
            }
        return true;
    }
    if (top->kind == FRAME_COMPARE) {
        struct frame frame = *top;
        struct bytes both = buf_view(out);
        struct bytes left = bytes_sub(both, frame.left, frame.right - frame.left);
        struct bytes right = bytes_from(both, frame.right);
        int order = frame.is_level ? compare_levels(left, right) : compare(left, right);
        expansion->depth--;
        out->len = frame.left;
        return push_text(expansion, holds(frame.what, order) ? frame.yes : frame.no);
    }
    size_t plain = bytes_find(top->text, '$');
    buf_add(out, bytes_sub(top->text, 0, plain));
    top->text = bytes_from(top->text, plain);
    if (top->text.len)
        return open_dollar(expansion);
    expansion->depth--;
    return true;
}

bool import_settings_expand(const struct import_settings *settings, struct bytes value,
                            struct buf *out, struct error *err)
{
    struct expansion *expansion = NEW(struct expansion);
    *expansion = (struct expansion){.settings = settings, .out = out, .err = err};
    bool is_good = push_text(expansion, value);
    for (unsigned steps = 0; is_good && expansion->depth; steps++) {
        if (steps == STEP_LIMIT || out->overflowed)
            is_good = error_set(err, 0, "it is too long with its $names put in");
        else
            is_good = step(expansion);
    }
    is_good = is_good && (!out->overflowed || error_set(err, 0, "it is too long"));
    free(expansion);
    return is_good;
}

/* --- Who is used ------------------------------------------------------------------------------ */

static bool mentions(struct bytes value, struct bytes name)
{
    while (value.len) {
        size_t at = bytes_search(value, name);
        struct bytes behind = bytes_from(value, at + name.len);
        size_t before = at;
        while (before > 0 && is_space(value.at[before - 1]))
            before--;
        bool is_reference =
            before > 0 && (value.at[before - 1] == '$' || value.at[before - 1] == '{' ||
                           value.at[before - 1] == '(');
        if (at < value.len && is_reference && !(behind.len && is_name_byte(behind.at[0])))
            return true;
        value = bytes_from(value, at + 1);
    }
    return false;
}

bool import_settings_use(const struct import_settings *settings, struct bytes name)
{
    for (const struct import_settings *one = settings; one; one = one->base)
        for (size_t i = 0; i < one->count; i++)
            if (mentions(one->settings[i]->value, name))
                return true;
    return false;
}
