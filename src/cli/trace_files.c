#include "cli/trace_files.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/journal_files.h"

enum { OPEN_ATTEMPTS = 3 };

struct trace_file {
    char *path;
    int fd;                    /* of one that is being written; -1: it is closed */
    struct bytes mapped, text; /* as whole lines */
    struct bytes mapped_index; /* if it was read */
    struct buf made_index;     /* or what was made instead */
    struct journal_index index;
    bool has_index;
    size_t block_count;
    uint8_t *selected, *scratch; /* a bit for each block */
};

struct trace_files {
    struct trace_file *files;
    size_t count;
    struct trace_block *blocks; /* the newest first */
    size_t block_count;
};

/* --- Opening ---------------------------------------------------------------------------------- */

static bool make_index(struct trace_file *file)
{
    struct error err;
    journal_unmap(file->mapped_index);
    file->mapped_index = BYTES_NONE;
    buf_clear(&file->made_index);
    file->has_index =
        journal_make_index(file->path, file->mapped, &file->made_index, &err) &&
        journal_index_scan(buf_view(&file->made_index), file->mapped.len, &file->index);
    return file->has_index;
}

static void open_index(struct trace_file *file)
{
    struct buf path;
    struct error err;
    buf_init(&path, PATH_MAX + 300);
    journal_index_path(&path, file->path);
    file->has_index = !path.overflowed &&
                      journal_map((const char *)path.at, &file->mapped_index, NULL, &err) &&
                      journal_index_scan(file->mapped_index, file->mapped.len, &file->index);
    buf_done(&path);
    if (!file->has_index)
        (void)!make_index(file);
}

static void add_block(struct trace_files *files, size_t *room, struct trace_block block)
{
    if (files->block_count == *room) {
        *room = *room ? *room * 2 : 1024;
        files->blocks = memory_resize(files->blocks, *room, sizeof *files->blocks);
    }
    files->blocks[files->block_count++] = block;
}

static void add_blocks(struct trace_files *files, size_t *room, size_t number)
{
    struct trace_file *file = &files->files[number];
    size_t count = file->index.block_count;
    struct journal_block *cut = file->has_index ? NULL : journal_blocks_new(file->text, &count);
    for (size_t i = 0; i < count; i++) {
        struct journal_block at = cut ? cut[i] : journal_index_block(&file->index, i);
        uint64_t end = file->text.len;
        if (i + 1 < count)
            end = cut ? cut[i + 1].offset : journal_index_block(&file->index, i + 1).offset;
        add_block(files, room,
                  (struct trace_block){bytes_sub(file->text, at.offset, end - at.offset),
                                       at.first_ms, at.last_ms, number, i});
    }
    free(cut);
    file->block_count = count;
    file->selected = memory_new((count + 7) / 8 + 1, 1);
    file->scratch = memory_new((count + 7) / 8 + 1, 1);
}

/* A journal that is closed meanwhile is read all the same, as it is mapped; one that has gone was
 * too old. */
static bool open_file(struct trace_file *file, const char *folder, const struct journal_file *entry)
{
    char path[PATH_MAX + 300];
    struct error err;
    snprintf(path, sizeof path, "%s/%s", folder, entry->name);
    file->fd = -1;
    if (!journal_map(path, &file->mapped, entry->closed_ms ? NULL : &file->fd, &err))
        return false;
    file->path = strdup(path);
    ASSERT(file->path);
    buf_init(&file->made_index, JOURNAL_INDEX_LIMIT);
    file->text = file->mapped;
    if (entry->closed_ms)
        open_index(file);
    else /* a line that is half written is left to those who go on reading */
        while (file->text.len && file->text.at[file->text.len - 1] != '\n')
            file->text.len--;
    return true;
}

static int compare_blocks(const void *a, const void *b)
{
    const struct trace_block *one = a, *two = b;
    if (one->last_ms != two->last_ms)
        return one->last_ms > two->last_ms ? -1 : 1;
    return one->text.at > two->text.at ? -1 : one->text.at < two->text.at;
}

static struct trace_files *open_all(const char *folder, const struct journal_file *entries,
                                    size_t count)
{
    struct trace_files *files = NEW(struct trace_files);
    size_t room = 0;
    files->files = memory_new(count + 1, sizeof *files->files);
    for (size_t i = 0; i < count; i++)
        if (open_file(&files->files[files->count], folder, &entries[i]))
            add_blocks(files, &room, files->count++);
    if (files->block_count)
        qsort(files->blocks, files->block_count, sizeof *files->blocks, compare_blocks);
    return files;
}

/* Has none been closed since they were listed? It would be missed under its new name. */
static bool are_the_same(const char *folder, const struct journal_file *entries, size_t count)
{
    struct journal_file *now;
    size_t now_count;
    struct error err;
    if (!journal_files_list(folder, &now, &now_count, &err))
        return true;
    bool is_same = count == now_count;
    for (size_t i = 0; is_same && i < count; i++)
        is_same = strcmp(entries[i].name, now[i].name) == 0;
    journal_files_free(now, now_count);
    return is_same;
}

struct trace_files *trace_files_open(const char *folder, struct error *err)
{
    for (size_t left = OPEN_ATTEMPTS;; left--) {
        struct journal_file *entries;
        size_t count;
        if (!journal_files_list(folder, &entries, &count, err))
            return NULL;
        struct trace_files *files = open_all(folder, entries, count);
        bool is_good = left == 1 || are_the_same(folder, entries, count);
        journal_files_free(entries, count);
        if (is_good)
            return files;
        trace_files_close(files);
    }
}

void trace_files_close(struct trace_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->count; i++) {
        struct trace_file *file = &files->files[i];
        journal_unmap(file->mapped);
        journal_unmap(file->mapped_index);
        buf_done(&file->made_index);
        if (file->fd >= 0)
            close(file->fd);
        free(file->selected);
        free(file->scratch);
        free(file->path);
    }
    free(files->files);
    free(files->blocks);
    free(files);
}

/* --- Selecting -------------------------------------------------------------------------------- */

void trace_files_select_none(struct trace_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        memset(files->files[i].selected, 0, (files->files[i].block_count + 7) / 8);
}

void trace_files_select_all(struct trace_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        memset(files->files[i].selected, 0xFF, (files->files[i].block_count + 7) / 8);
}

/* False: the index is damaged. */
static bool narrow(struct trace_file *file, const struct bytes *words, size_t count)
{
    memset(file->scratch, 0xFF, (file->block_count + 7) / 8);
    for (size_t i = 0; i < count; i++)
        if (journal_name_is_indexed(words[i]) &&
            !journal_index_narrow(&file->index, words[i], file->scratch))
            return false;
    return true;
}

void trace_files_select(struct trace_files *files, const struct bytes *words, size_t count)
{
    for (size_t i = 0; i < files->count; i++) {
        struct trace_file *file = &files->files[i];
        bool is_narrow = file->has_index && narrow(file, words, count);
        /* One that is damaged is made anew; its blocks are the same. */
        if (file->has_index && !is_narrow)
            is_narrow = make_index(file) && file->index.block_count == file->block_count &&
                        narrow(file, words, count);
        for (size_t j = 0; j < (file->block_count + 7) / 8; j++)
            file->selected[j] |= is_narrow ? file->scratch[j] : 0xFF;
    }
}

static bool is_selected(const struct trace_files *files, const struct trace_block *block)
{
    return files->files[block->file].selected[block->number / 8] >> block->number % 8 & 1;
}

const struct trace_block *trace_files_next(const struct trace_files *files, size_t *place)
{
    while (*place < files->block_count) {
        const struct trace_block *block = &files->blocks[(*place)++];
        if (is_selected(files, block))
            return block;
    }
    return NULL;
}

uint64_t trace_files_bytes(const struct trace_files *files, bool is_of_selected)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < files->block_count; i++)
        if (!is_of_selected || is_selected(files, &files->blocks[i]))
            bytes += files->blocks[i].text.len;
    return bytes;
}

bool trace_files_tail(const struct trace_files *files, size_t *place, struct trace_tail *out)
{
    while (*place < files->count) {
        const struct trace_file *file = &files->files[(*place)++];
        if (file->fd < 0)
            continue;
        *out = (struct trace_tail){file->path, file->fd, file->text.len};
        return true;
    }
    return false;
}
