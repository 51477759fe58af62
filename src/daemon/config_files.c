/* The trusted certificates that the configuration names. They are read with it, by the supervisor,
 * and go to the processes with its text: those may be confined, and what is wrong with a file is to
 * be known before they take it up. (Private keys and passwords are the keeper's alone.) */
#include "daemon/config_draft.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/packed.h"

const char *draft_path(struct schema *schema, struct draft *draft, const struct schema_text *path)
{
    char whole[2 * PATH_MAX];
    struct bytes copy;
    bool is_absolute = path->at[0] == '/';
    int len = snprintf(whole, sizeof whole, "%s%s%s", is_absolute ? "" : draft->config.folder,
                       is_absolute ? "" : "/", path->at);
    if (path->len == 0 || len < 0 || len >= PATH_MAX) {
        schema_problem(schema, path->line, "a path has 1 to %d bytes", PATH_MAX - 1);
        return NULL;
    }
    if (!arena_copy(draft->config.arena, (struct bytes){(const uint8_t *)whole, (size_t)len + 1},
                    &copy)) {
        schema_problem(schema, path->line, "the values are too long in all");
        return NULL;
    }
    return (const char *)copy.at;
}

static struct config_file *find(const struct config *config, struct bytes path)
{
    for (size_t i = 0; i < config->file_count; i++)
        if (bytes_equal(bytes_of(config->files[i].path), path))
            return &config->files[i];
    return NULL;
}

const char *draft_file(struct schema *schema, struct draft *draft, const struct schema_text *path)
{
    struct config *config = &draft->config;
    const char *whole = draft_path(schema, draft, path);
    if (!whole)
        return NULL;
    const struct config_file *known = find(config, bytes_of(whole));
    if (known)
        return known->path;
    if (config->file_count == CONFIG_FILE_LIMIT) {
        schema_problem(schema, path->line, "more than %d files with certificates",
                       CONFIG_FILE_LIMIT);
        return NULL;
    }
    config->files = memory_resize(config->files, config->file_count + 1, sizeof *config->files);
    config->files[config->file_count++] = (struct config_file){.path = whole};
    return whole;
}

/* --- Reading -----------------------------------------------------------------------------------
 */

static void set_text(struct config_file *file, struct bytes text)
{
    free(file->text_owned);
    file->text_owned = memory_new(text.len + 1, 1);
    if (text.len)
        memcpy(file->text_owned, text.at, text.len);
    file->text_len = text.len;
}

/* What is wrong; NULL: nothing. */
static const char *read_file(const char *path, struct buf *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && text->len <= CONFIG_FILE_SIZE_LIMIT) {
        size_t room = CONFIG_FILE_SIZE_LIMIT + 1 - text->len;
        room = room < 65536 ? room : 65536;
        got = read(fd, buf_reserve(text, room), room);
        if (got > 0)
            buf_grow(text, (size_t)got);
    }
    const char *what = got < 0 ? strerror(errno) : NULL;
    if (fd >= 0)
        close(fd);
    if (!what && text->len > CONFIG_FILE_SIZE_LIMIT)
        what = "it is larger than any file of certificates";
    if (!what && bytes_search(buf_view(text), BYTES("-----BEGIN ")) == text->len)
        what = "it holds no certificate in PEM";
    return what;
}

bool config_read_files(struct config *config, struct buf *problems)
{
    bool is_good = true;
    for (size_t i = 0; i < config->file_count; i++) {
        struct buf text;
        buf_init(&text, CONFIG_FILE_SIZE_LIMIT + 1);
        const char *what = read_file(config->files[i].path, &text);
        if (what)
            buf_addf(problems, "%s: %s: %s\n", config->path, config->files[i].path, what);
        else
            set_text(&config->files[i], buf_view(&text));
        is_good &= !what;
        buf_done(&text);
    }
    return is_good;
}

struct bytes config_file(const struct config *config, struct bytes path)
{
    const struct config_file *file = find(config, path);
    return file ? (struct bytes){file->text_owned, file->text_len} : BYTES_NONE;
}

/* --- From process to process -------------------------------------------------------------------
 */

void config_pack_files(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < config->file_count; i++)
        packed_add_string(out,
                          (struct bytes){config->files[i].text_owned, config->files[i].text_len});
}

bool config_unpack_files(struct config *config, struct bytes packed)
{
    struct bytes text;
    for (size_t i = 0; i < config->file_count; i++) {
        if (!packed_take_string(&packed, CONFIG_FILE_SIZE_LIMIT, &text))
            return false;
        set_text(&config->files[i], text);
    }
    return packed.len == 0;
}

void config_free_files(struct config *config)
{
    for (size_t i = 0; i < config->file_count; i++)
        free(config->files[i].text_owned);
    free(config->files);
}
