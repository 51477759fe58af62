/* A Postfix to import: main.cf, master.cf and a table for all that they name, with lines of %%
 * between them. Each parameter that is set has a note, secrets stay out of the texts' way, and all
 * ends in bounded time. */
#include <string.h>

#include "cli/import_draft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PRINT_LIMIT = 32 << 20 };

static bool read_table(void *context, struct bytes path, struct buf *out, struct error *err)
{
    const struct bytes *table = context;
    if (path.len && path.at[path.len - 1] == '!')
        return error_set(err, 0, "it is not there");
    buf_add(out, *table);
    return true;
}

static struct bytes take_part(struct bytes *rest)
{
    size_t at = bytes_search(*rest, BYTES("%%\n"));
    struct bytes part = bytes_sub(*rest, 0, at);
    *rest = bytes_from(*rest, at + 3);
    return part;
}

static void check(const struct import_draft *draft)
{
    size_t place = 0;
    struct buf text;
    buf_init(&text, PRINT_LIMIT);
    import_draft_print_config(draft, &text);
    import_draft_print_report(draft, &text);
    for (size_t i = 0; i < draft->note_count; i++)
        ASSERT(draft->notes[i].text[0] && draft->notes[i].outcome < IMPORT_OUTCOMES);
    for (size_t i = 0; i < draft->secret_count; i++)
        ASSERT(strstr(draft->secrets[i].path, "/../") == NULL);
    for (const struct import_setting *one; (one = import_settings_next(draft->main, &place));) {
        bool has_nul = bytes_find(one->name, 0) < one->name.len;
        ASSERT(!one->line || has_nul || import_has_note(draft, one->name));
    }
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = {data, size}, main = take_part(&rest), master = take_part(&rest);
    const struct import_host host = {.hostname = "box",
                                     .networks = "192.0.2.1/24,",
                                     .addresses = "192.0.2.1,",
                                     .read = read_table,
                                     .context = &rest};
    struct import_draft *draft = import_draft_new(&host);
    struct error err = {.text = ""};
    if (import_draft_make(draft, main, master, &err))
        check(draft);
    else
        ASSERT(err.text[0]);
    import_draft_free(draft);
    return 0;
}
