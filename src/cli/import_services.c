#include "cli/import_services.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
    COLUMNS = 7
}; /* name, type, private, unprivileged, chroot, wakeup, maxproc; then the command */

/* The next word of the line; one in braces may have spaces. Empty: there is none. */
static struct bytes take_word(struct bytes *line)
{
    *line = bytes_trim(*line);
    size_t len = 0, level = 0;
    while (len < line->len && (level > 0 || (line->at[len] != ' ' && line->at[len] != '\t'))) {
        level += line->at[len] == '{';
        level -= level > 0 && line->at[len] == '}';
        len++;
    }
    struct bytes word = bytes_sub(*line, 0, len);
    *line = bytes_from(*line, len);
    return word;
}

/* "name=value", or "{ name = value }" */
static bool read_override(struct import_service *service, struct bytes word)
{
    struct bytes name, value;
    if (word.len > 1 && word.at[0] == '{' && word.at[word.len - 1] == '}')
        word = bytes_trim(bytes_sub(word, 1, word.len - 2));
    if (!bytes_cut(word, '=', &name, &value) || bytes_trim(name).len == 0)
        return false;
    import_settings_set(service->overrides, bytes_trim(name), bytes_trim(value), service->line);
    return true;
}

static bool read_service(struct import_service *service, struct bytes line, struct error *err)
{
    struct bytes columns[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++)
        columns[i] = take_word(&line);
    struct bytes command = take_word(&line);
    if (command.len == 0)
        return error_set(err, 0, "line %u is no service, which has eight columns", service->line);
    service->name = bytes_own(columns[0]);
    service->type = bytes_own(columns[1]);
    service->command = bytes_own(command);
    for (struct bytes word; (word = take_word(&line)).len;) {
        struct bytes attached = bytes_from(word, 2);
        if (!bytes_starts(word, BYTES("-o")))
            continue;
        if (!read_override(service, attached.len ? attached : take_word(&line)))
            return error_set(err, 0, "line %u: -o takes name=value", service->line);
    }
    return true;
}

bool import_services_read(struct import_services *out, struct bytes text,
                          const struct import_settings *base, struct error *err)
{
    struct buf line;
    unsigned at = 0, number = 0;
    bool is_read = true;
    *out = (struct import_services){.count = 0};
    out->services = memory_new(IMPORT_SERVICE_LIMIT, sizeof *out->services);
    buf_init(&line, IMPORT_TEXT_LIMIT);
    while (is_read && import_line(&text, &at, &line, &number)) {
        if (out->count == IMPORT_SERVICE_LIMIT || line.overflowed) {
            is_read = error_set(err, 0, "line %u: more than can be a master.cf", number);
            break;
        }
        struct import_service *service = &out->services[out->count++];
        *service = (struct import_service){.line = number};
        service->overrides = import_settings_new(base);
        is_read = read_service(service, buf_view(&line), err);
    }
    buf_done(&line);
    if (!is_read)
        import_services_done(out);
    return is_read;
}

void import_services_done(struct import_services *services)
{
    for (size_t i = 0; i < services->count; i++) {
        struct import_service *service = &services->services[i];
        bytes_disown(service->name);
        bytes_disown(service->type);
        bytes_disown(service->command);
        import_settings_free(service->overrides);
    }
    free(services->services);
    *services = (struct import_services){.count = 0};
}

const struct import_service *import_services_transport(const struct import_services *services,
                                                       struct bytes name)
{
    for (size_t i = 0; i < services->count; i++) {
        const struct import_service *service = &services->services[i];
        if (bytes_equal(service->type, BYTES("unix")) && bytes_equal(service->name, name))
            return service;
    }
    return NULL;
}
