#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "cli/command.h"
#include "cli/paint.h"
#include "cli/trace_lines.h"
#include "cli/trace_state.h"
#include "cli/trace_story.h"

enum { SENTENCE_LIMIT = 128 << 10 };

/* The server is asked of so many messages at most. Text only: for programs there is `queue show
 * --json`. */
enum { STATES_MOST = 100 };

static void print_id(uint64_t id)
{
    struct buf text;
    buf_init(&text, 64);
    if (id) {
        buf_add(&text, BYTES("Message "));
        id_print(&text, id);
    } else {
        buf_add(&text, BYTES("About no message in particular"));
    }
    buf_add_byte(&text, 0);
    paint_print(PAINT_BOLD, (const char *)text.at);
    putchar('\n');
    buf_done(&text);
}

static enum paint paint_of(struct bytes line)
{
    if (bytes_search(line, BYTES(" event=delivered")) < line.len)
        return PAINT_GREEN;
    if (bytes_search(line, BYTES(" event=deferred")) < line.len)
        return PAINT_YELLOW;
    bool is_bad = bytes_search(line, BYTES(" event=failed")) < line.len ||
                  bytes_search(line, BYTES(" event=refused")) < line.len ||
                  bytes_search(line, BYTES(" level=error")) < line.len;
    return is_bad ? PAINT_RED : PAINT_NONE;
}

/* What the message waits for now; false: do not ask for another's. */
static bool print_state(const struct config *config, const struct trace_lines *lines, uint64_t id)
{
    uint8_t room[ID_TEXT + 1] = {0};
    struct buf text = {.at = room, .cap = ID_TEXT, .limit = ID_TEXT};
    id_print(&text, id);
    return trace_state_print(config, lines, (const char *)room);
}

static void print_stories(const struct config *config, const struct trace_lines *lines)
{
    size_t states = STATES_MOST;
    struct buf text;
    buf_init(&text, SENTENCE_LIMIT);
    for (size_t i = 0; i < lines->count; i++) {
        const struct trace_line *line = &lines->lines[i];
        if (i == 0 || line->id != lines->lines[i - 1].id) {
            if (i)
                putchar('\n');
            print_id(line->id);
        }
        paint_add(&text, line->time);
        printf("%.*s  ", BYTES_ARGS(buf_view(&text)));
        buf_clear(&text);
        trace_story(&text, line->text);
        buf_add_byte(&text, 0);
        paint_print(paint_of(line->text), (const char *)text.at);
        putchar('\n');
        buf_clear(&text);
        bool is_last = i + 1 == lines->count || lines->lines[i + 1].id != line->id;
        if (is_last && line->id && states > 0)
            states = print_state(config, lines, line->id) ? states - 1 : 0;
    }
    buf_done(&text);
}

static json_t *make_event(struct bytes line)
{
    json_t *event = json_object();
    struct bytes name;
    struct buf value, safe;
    buf_init(&value, SENTENCE_LIMIT);
    buf_init(&safe, SENTENCE_LIMIT);
    while (trace_field(&line, &name, &value)) {
        buf_clear(&safe);
        if (bytes_is_utf8(buf_view(&value)))
            buf_add(&safe, buf_view(&value));
        else
            paint_add(&safe, buf_view(&value));
        char *key = strndup((const char *)name.at, name.len);
        ASSERT(key);
        json_object_set_new(event, key,
                            json_stringn(safe.len ? (const char *)safe.at : "", safe.len));
        free(key);
    }
    buf_done(&safe);
    buf_done(&value);
    return event;
}

static void print_json(const struct trace_lines *lines)
{
    putchar('[');
    for (size_t i = 0; i < lines->count; i++) {
        json_t *event = make_event(lines->lines[i].text);
        fputs(i ? ",\n  " : "\n  ", stdout);
        json_dumpf(event, stdout, JSON_COMPACT);
        json_decref(event);
    }
    puts(lines->count ? "\n]" : "]");
}

int command_trace(const struct options *options)
{
    struct trace_lines lines;
    struct error err;
    const char *needle = options->words[0];
    if (!needle[0])
        return EXIT_USAGE;
    struct config *config = command_config(options);
    if (!config)
        return EXIT_CONFIG;
    if (!trace_lines_open(&lines, config->trace_folder, bytes_of(needle), &err)) {
        config_free(config);
        fprintf(stderr, "postrider: %s\n", err.text);
        if (err.os == ENOENT)
            fprintf(stderr, "postrider: there are no journals: the server has never run\n");
        return err.os == EACCES ? EXIT_DENIED : EXIT_LATER;
    }
    if (options->is_json)
        print_json(&lines);
    else
        print_stories(config, &lines);
    if (lines.was_cut)
        fprintf(stderr, "postrider: only the first %d events are shown; name a message's id\n",
                TRACE_LINE_LIMIT);
    bool was_found = lines.count > 0;
    config_free(config);
    if (!was_found)
        fprintf(stderr, "postrider: nothing is known of %s\n", needle);
    trace_lines_close(&lines);
    return was_found ? EXIT_GOOD : EXIT_BAD;
}
