#include "cli/trace_lines.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/table.h"
#include "base/memory.h"

enum { FILE_LIMIT = 256 };

struct trace_file {
    struct bytes text; /* mapped */
};

/* --- Files --------------------------------------------------------------------------------------
 */

/* NAME.log, NAME.log.1 … */
static bool is_journal(const char *name)
{
    const char *ending = strstr(name, ".log");
    return name[0] != '.' && ending && (ending[4] == 0 || ending[4] == '.');
}

/* A journal that is rotated away in between is read all the same, or has gone: no matter. */
static void map_file(struct trace_lines *lines, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && status.st_size > 0) {
        void *at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at != MAP_FAILED)
            lines->files[lines->file_count++].text = (struct bytes){at, (size_t)status.st_size};
    }
    close(fd);
}

static bool map_files(struct trace_lines *lines, const char *folder, struct error *err)
{
    DIR *stream = opendir(folder);
    if (!stream)
        return error_set(err, errno, "%s", folder);
    lines->files = memory_new(FILE_LIMIT, sizeof *lines->files);
    for (struct dirent *entry; (entry = readdir(stream)) && lines->file_count < FILE_LIMIT;) {
        char path[PATH_MAX + 256];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (is_journal(entry->d_name))
            map_file(lines, path);
    }
    closedir(stream);
    return true;
}

/* --- Fields -------------------------------------------------------------------------------------
 */

static uint8_t hex_value(uint8_t digit)
{
    return ascii_is_digit(digit) ? (uint8_t)(digit - '0')
                                 : (uint8_t)(ascii_lower(digit) - 'a' + 10);
}

/* One escape of base/log.h, behind its backslash; the count of its bytes. */
static size_t unescape(struct bytes rest, struct buf *value)
{
    static const char from[] = "nrt", to[] = "\n\r\t";
    const char *known = rest.len ? memchr(from, rest.at[0], sizeof from - 1) : NULL;
    if (known) {
        buf_add_byte(value, (uint8_t)to[known - from]);
        return 1;
    }
    if (rest.len >= 3 && rest.at[0] == 'x') {
        buf_add_byte(value, (uint8_t)(hex_value(rest.at[1]) << 4 | hex_value(rest.at[2])));
        return 3;
    }
    buf_add(value, bytes_sub(rest, 0, 1));
    return 1;
}

/* Cuts the next field off: its name and its value as written, without quotes. */
static bool cut_field(struct bytes *rest, struct bytes *name, struct bytes *raw)
{
    *rest = bytes_trim(*rest);
    size_t equals = bytes_find(*rest, '=');
    if (equals == 0 || equals == rest->len)
        return false;
    *name = bytes_sub(*rest, 0, equals);
    *rest = bytes_from(*rest, equals + 1);
    if (rest->len == 0 || rest->at[0] != '"') {
        bytes_cut(*rest, ' ', raw, rest);
        return true;
    }
    size_t end = 1;
    while (end < rest->len && rest->at[end] != '"')
        end += rest->at[end] == '\\' ? 2 : 1;
    *raw = bytes_sub(*rest, 1, end - 1);
    *rest = bytes_from(*rest, end + 1);
    return true;
}

bool trace_field(struct bytes *rest, struct bytes *name, struct buf *value)
{
    struct bytes raw;
    buf_clear(value);
    if (!cut_field(rest, name, &raw))
        return false;
    while (raw.len) {
        bool is_escape = raw.at[0] == '\\';
        size_t used = is_escape ? 1 + unescape(bytes_from(raw, 1), value) : 1;
        if (!is_escape)
            buf_add_byte(value, raw.at[0]);
        raw = bytes_from(raw, used);
    }
    return true;
}

/* Field by field, as a value from outside may look like another field. */
struct bytes trace_lines_value(struct bytes line, struct bytes wanted)
{
    struct bytes name, raw;
    while (cut_field(&line, &name, &raw))
        if (bytes_equal(name, wanted))
            return raw;
    return BYTES_NONE;
}

static uint64_t id_of(struct bytes line)
{
    uint64_t id = 0;
    return id_scan(trace_lines_value(line, BYTES("id")), &id) ? id : 0;
}

/* --- Searching -------------------------------------------------------------------------------- */

struct search {
    struct trace_lines *lines;
    struct bytes needle;
    struct table *ids; /* of messages that matching lines name; values are not used */
    size_t room;
};

static bool has_nocase(struct bytes line, struct bytes needle)
{
    uint8_t first = ascii_lower(needle.at[0]);
    for (size_t i = 0; i + needle.len <= line.len; i++)
        if (ascii_lower(line.at[i]) == first && bytes_starts_nocase(bytes_from(line, i), needle))
            return true;
    return false;
}

void trace_lines_each(const struct trace_lines *lines, trace_visit *visit, void *context)
{
    for (size_t i = 0; i < lines->file_count; i++) {
        struct bytes rest = lines->files[i].text, line;
        while (rest.len) {
            bytes_cut(rest, '\n', &line, &rest);
            visit(context, line);
        }
    }
}

/* First pass for a text: which messages is it about? */
static void note_id(void *context, struct bytes line)
{
    struct search *search = context;
    if (table_count(search->ids) < TRACE_LINE_LIMIT && has_nocase(line, search->needle) &&
        id_of(line))
        table_add(search->ids, id_of(line), search);
}

static void keep_line(void *context, struct bytes line)
{
    struct search *search = context;
    struct trace_lines *lines = search->lines;
    uint64_t id = id_of(line);
    bool is_wanted =
        id && search->ids ? table_find(search->ids, id) != NULL : has_nocase(line, search->needle);
    if (!is_wanted)
        return;
    if (lines->count == TRACE_LINE_LIMIT) {
        lines->was_cut = true;
        return;
    }
    if (lines->count == search->room) {
        search->room = search->room ? search->room * 2 : 256;
        lines->lines = memory_resize(lines->lines, search->room, sizeof *lines->lines);
    }
    lines->lines[lines->count++] =
        (struct trace_line){line, trace_lines_value(line, BYTES("time")), id};
}

/* What several processes tell of one millisecond, in the order in which it can have happened. */
static int rank(const struct trace_line *line)
{
    struct bytes event = trace_lines_value(line->text, BYTES("event"));
    if (bytes_equal(event, BYTES("recipient")) || bytes_equal(event, BYTES("accepted")))
        return 0;
    return bytes_equal(event, BYTES("mailbox-stored")) ? 1 : 2;
}

static int compare_lines(const void *a, const void *b)
{
    const struct trace_line *one = a, *two = b;
    if (one->id != two->id)
        return one->id - 1 < two->id - 1 ? -1 : 1; /* 0 sorts last */
    int order = bytes_compare(one->time, two->time);
    if (order)
        return order;
    order = rank(one) - rank(two);
    if (order)
        return order;
    /* Within a millisecond a file's order is the order of events. */
    return one->text.at < two->text.at ? -1 : one->text.at > two->text.at;
}

bool trace_lines_open(struct trace_lines *lines, const char *folder, struct bytes needle,
                      struct error *err)
{
    uint64_t id;
    *lines = (struct trace_lines){.count = 0};
    if (!map_files(lines, folder, err))
        return false;
    struct search search = {.lines = lines, .needle = needle};
    bool is_id = id_scan(needle, &id);
    if (!is_id) {
        search.ids = table_new(0);
        trace_lines_each(lines, note_id, &search);
    }
    trace_lines_each(lines, keep_line, &search);
    table_free(search.ids);
    if (lines->count)
        qsort(lines->lines, lines->count, sizeof *lines->lines, compare_lines);
    return true;
}

void trace_lines_close(struct trace_lines *lines)
{
    for (size_t i = 0; i < lines->file_count; i++)
        munmap((void *)(uintptr_t)lines->files[i].text.at, lines->files[i].text.len);
    free(lines->files);
    free(lines->lines);
}
