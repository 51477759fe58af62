#include "cli/import_draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { NOTE_LIMIT = 20000, RECENT_NOTES = 2000, SECTION_LIMIT = 4 << 20, NAME_TEXT_LIMIT = 512 };

struct import_draft *import_draft_new(const struct import_host *host)
{
    struct import_draft *draft = NEW(struct import_draft);
    draft->host = host;
    draft->main = import_settings_new(NULL);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        buf_init(&draft->sections[i], SECTION_LIMIT);
    buf_init(&draft->local, SECTION_LIMIT);
    buf_init(&draft->relayed, SECTION_LIMIT);
    return draft;
}

void import_draft_free(struct import_draft *draft)
{
    if (!draft)
        return;
    import_services_done(&draft->services);
    import_settings_free(draft->main);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        buf_done(&draft->sections[i]);
    buf_done(&draft->local);
    buf_done(&draft->relayed);
    for (size_t i = 0; i < draft->note_count; i++) {
        free(draft->notes[i].name);
        free(draft->notes[i].value);
        free(draft->notes[i].text);
    }
    free(draft->notes);
    for (size_t i = 0; i < draft->secret_count; i++) {
        free(draft->secrets[i].path);
        explicit_bzero(draft->secrets[i].text, strlen(draft->secrets[i].text));
        free(draft->secrets[i].text);
    }
    free(draft);
}

/* --- Notes ------------------------------------------------------------------------------------ */

static char *own_text(struct bytes text)
{
    char *copy = memory_new(text.len + 1, 1);
    for (size_t i = 0; i < text.len; i++) /* a NUL would end it; it is nothing that is meant */
        copy[i] = text.at[i] ? (char)text.at[i] : ' ';
    return copy;
}

/* Tables are read for each domain that they are for. */
static bool has_same_note(const struct import_draft *draft, struct bytes name, struct bytes value,
                          struct bytes text)
{
    size_t least = draft->note_count > RECENT_NOTES ? draft->note_count - RECENT_NOTES : 0;
    for (size_t i = draft->note_count; i-- > least;) {
        const struct import_note *note = &draft->notes[i];
        if (bytes_equal(bytes_of(note->name), name) && bytes_equal(bytes_of(note->text), text) &&
            bytes_equal(bytes_of(note->value), value))
            return true;
    }
    return false;
}

static void add_note(struct import_draft *draft, enum import_outcome outcome, struct bytes name,
                     struct bytes value, unsigned line, struct bytes text)
{
    if (draft->note_count == NOTE_LIMIT || has_same_note(draft, name, value, text))
        return;
    if (draft->note_count % 64 == 0)
        draft->notes = memory_resize(draft->notes, draft->note_count + 64, sizeof *draft->notes);
    draft->notes[draft->note_count++] = (struct import_note){
        .outcome = outcome,
        .name = own_text(name),
        .value = own_text(value),
        .text = own_text(text),
        .line = line,
    };
}

static void add_note_formatted(struct import_draft *draft, enum import_outcome outcome,
                               const struct import_setting *setting, const char *format,
                               va_list values)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, values);
    add_note(draft, outcome, setting->name, setting->value, setting->line, bytes_of(text));
}

void import_note(struct import_draft *draft, enum import_outcome outcome,
                 const struct import_setting *setting, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    add_note_formatted(draft, outcome, setting, format, values);
    va_end(values);
}

void import_note_of(struct import_draft *draft, enum import_outcome outcome, struct bytes name,
                    struct bytes value, const char *format, ...)
{
    const struct import_setting setting = {.name = name, .value = value};
    va_list values;
    va_start(values, format);
    add_note_formatted(draft, outcome, &setting, format, values);
    va_end(values);
}

bool import_has_note(const struct import_draft *draft, struct bytes name)
{
    for (size_t i = 0; i < draft->note_count; i++)
        if (bytes_equal(bytes_of(draft->notes[i].name), name))
            return true;
    return false;
}

/* --- Values ----------------------------------------------------------------------------------- */

const struct import_setting *import_set(const struct import_draft *draft, const char *name)
{
    const struct import_setting *setting = import_settings_find(draft->main, bytes_of(name));
    return setting && setting->line ? setting : NULL;
}

bool import_value(struct import_draft *draft, const struct import_settings *settings,
                  const char *name, struct buf *out)
{
    const struct import_setting *setting = import_settings_find(settings, bytes_of(name));
    struct error err;
    size_t before = out->len;
    if (!setting)
        return false;
    if (!import_settings_expand(settings, setting->value, out, &err)) {
        out->len = before;
        import_note(draft, IMPORT_TO_DO, setting, "%s", err.text);
        return false;
    }
    return bytes_trim(bytes_from(buf_view(out), before)).len > 0;
}

bool import_is(struct import_draft *draft, const struct import_settings *settings, const char *name,
               const char *text)
{
    struct buf value;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    bool is_it = import_value(draft, settings, name, &value) &&
                 bytes_equal_nocase(bytes_trim(buf_view(&value)), bytes_of(text));
    buf_done(&value);
    return is_it;
}

bool import_is_yes(struct import_draft *draft, const struct import_settings *settings,
                   const char *name)
{
    return import_is(draft, settings, name, "yes");
}

/* --- Files ------------------------------------------------------------------------------------ */

bool import_read_table(struct import_draft *draft, const char *parameter, struct bytes item,
                       enum import_form form, struct import_table *out)
{
    struct bytes type, path = item;
    struct buf text;
    struct error err;
    *out = (struct import_table){.count = 0};
    bool is_table = import_item_table(item, &type, &path);
    if (is_table && !import_type_is_text(type)) {
        import_note_of(draft, IMPORT_TO_DO, bytes_of(parameter), item,
                       "a table of the kind %.*s cannot be read as a text; carry what is in it "
                       "over by hand",
                       BYTES_ARGS(type));
        return false;
    }
    buf_init(&text, IMPORT_TEXT_LIMIT);
    bool is_read = draft->host->read(draft->host->context, is_table ? path : item, &text, &err) &&
                   import_table_read(out, buf_view(&text), form, &err);
    buf_done(&text);
    if (!is_read)
        import_note_of(draft, IMPORT_TO_DO, bytes_of(parameter), item, "%s", err.text);
    return is_read;
}

static void add_name(struct buf *out, struct bytes name)
{
    if (name.len == 0 || name.len > NAME_TEXT_LIMIT || import_have_name(buf_view(out), name))
        return;
    for (size_t i = 0; i < name.len; i++)
        buf_add_byte(out, name.at[i] == '\n' ? ' ' : ascii_lower(name.at[i]));
    buf_add_byte(out, '\n');
}

static void add_names_of(struct import_draft *draft, const char *parameter, struct bytes item,
                         struct buf *out)
{
    struct import_table table;
    struct bytes type, name;
    bool is_table = import_item_table(item, &type, &name);
    if (import_read_table(draft, parameter, item, is_table ? IMPORT_POSTMAP : IMPORT_LIST, &table))
        for (size_t i = 0; i < table.count; i++)
            add_name(out, table.rows[i].key);
    import_table_done(&table);
}

void import_read_names(struct import_draft *draft, const char *parameter, struct buf *out)
{
    struct buf value;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    import_value(draft, draft->main, parameter, &value);
    struct bytes list = buf_view(&value), item, type, name;
    while ((item = import_item(&list)).len) {
        if (item.at[0] == '!')
            import_note_of(draft, IMPORT_TO_DO, bytes_of(parameter), item,
                           "an exception from a list has no counterpart; look whether the list "
                           "has too much now");
        else if (item.at[0] == '/' || import_item_table(item, &type, &name))
            add_names_of(draft, parameter, item, out);
        else
            add_name(out, item);
    }
    buf_done(&value);
}

bool import_next_name(struct bytes *names, struct bytes *out)
{
    bytes_cut(*names, '\n', out, names);
    return out->len > 0;
}

bool import_have_name(struct bytes names, struct bytes name)
{
    for (struct bytes one; import_next_name(&names, &one);)
        if (bytes_equal_nocase(one, name))
            return true;
    return false;
}

/* --- What comes of it ------------------------------------------------------------------------- */

/* Words that YAML reads as they are: no indicators, no numbers, no true and null. */
static bool is_plain(struct bytes text)
{
    if (text.len == 0 || !(ascii_is_alpha(text.at[0]) || text.at[0] == '/'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (!ascii_is_alpha(byte) && !ascii_is_digit(byte) && bytes_find(BYTES("._-/@"), byte) == 5)
            return false;
    }
    static const char *const words[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
    for (size_t i = 0; i < COUNT(words); i++)
        if (bytes_equal_nocase(text, bytes_of(words[i])))
            return false;
    return true;
}

void import_add_text(struct buf *out, struct bytes text)
{
    if (is_plain(text)) {
        buf_add(out, text);
        return;
    }
    buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (byte < ' ' || byte == 0x7F) {
            buf_addf(out, "\\x%02x", byte);
            continue;
        }
        if (byte == '"' || byte == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, byte);
    }
    buf_add_byte(out, '"');
}

bool import_add_secret(struct import_draft *draft, const char *path, struct bytes text)
{
    for (size_t i = 0; i < draft->secret_count; i++)
        if (strcmp(draft->secrets[i].path, path) == 0)
            return true;
    if (draft->secret_count == IMPORT_SECRET_LIMIT)
        return false;
    draft->secrets[draft->secret_count++] = (struct import_secret){
        .path = own_text(bytes_of(path)),
        .text = own_text(text),
    };
    return true;
}

static void write_host(struct import_draft *draft)
{
    struct buf *out = &draft->sections[SECTION_HOST];
    const struct import_setting *set = import_set(draft, "myhostname");
    struct buf name;
    buf_init(&name, IMPORT_VALUE_LIMIT);
    import_value(draft, draft->main, "myhostname", &name);
    buf_add(out, BYTES("hostname: "));
    import_add_text(out, bytes_trim(buf_view(&name)));
    buf_add(out, BYTES("\n"));
    if (draft->host->has_user)
        buf_add(out, BYTES("user: postrider\n"));
    else
        buf_add(out, BYTES("# When the ports are bound: the user to become, as Postfix's "
                           "mail_owner.\n# user: postrider\n"));
    if (set)
        import_note(draft, IMPORT_MAPPED, set, "hostname");
    buf_done(&name);
}

bool import_draft_make(struct import_draft *draft, struct bytes main_text, struct bytes master_text,
                       struct error *err)
{
    if (!import_settings_read(draft->main, main_text, err))
        return error_wrap(err, "main.cf");
    import_add_defaults(draft);
    if (!import_services_read(&draft->services, master_text, draft->main, err))
        return error_wrap(err, "master.cf");
    write_host(draft);
    import_listeners(draft);
    import_domains(draft);
    import_routes(draft);
    import_numbers(draft);
    size_t place = 0;
    for (const struct import_setting *one; (one = import_settings_next(draft->main, &place));)
        if (one->line && !import_has_note(draft, one->name))
            import_rest(draft, one, one->name);
    return true;
}
