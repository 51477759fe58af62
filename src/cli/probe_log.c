#include "cli/probe_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/instant.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/paint.h"

enum { TEXT_LIMIT = 4096, TIME_COLUMNS = 8, WHAT_COLUMNS = 8, MARK_COLUMNS = 5 };

static const struct {
    const char *word; /* for programs */
    const char *label;
    enum paint paint;
} marks[] = {
    [PROBE_PLAIN] = {"plain", "-", PAINT_NONE},
    [PROBE_GOOD] = {"good", "ok", PAINT_GREEN},
    [PROBE_NOTE] = {"note", "note", PAINT_YELLOW},
    [PROBE_BAD] = {"bad", "bad", PAINT_RED},
};

static const struct {
    const char *word;
    enum paint paint;
    int status;
} verdicts[] = {
    [PROBE_YES] = {"good", PAINT_GREEN, EXIT_GOOD},
    [PROBE_NO] = {"bad", PAINT_RED, EXIT_BAD},
    [PROBE_LATER] = {"later", PAINT_YELLOW, EXIT_LATER},
};

struct probe_log {
    int64_t begun_ms;
    bool is_json;
    json_t *all, *steps; /* with is_json */
};

struct probe_log *probe_log_new(struct bytes target, bool is_json)
{
    struct probe_log *log = NEW(struct probe_log);
    log->begun_ms = instant_steady_ms();
    log->is_json = is_json;
    if (!is_json)
        return log;
    log->all = json_object();
    log->steps = json_array();
    json_object_set_new(log->all, "target", json_stringn((const char *)target.at, target.len));
    json_object_set(log->all, "steps", log->steps);
    return log;
}

void probe_log_free(struct probe_log *log)
{
    if (!log)
        return;
    json_decref(log->steps);
    json_decref(log->all);
    free(log);
}

/* A line of text as it may be shown. */
static void print_clean(struct buf *out, const char *format, va_list values)
{
    char text[TEXT_LIMIT];
    vsnprintf(text, sizeof text, format, values);
    buf_init(out, TEXT_LIMIT);
    paint_add(out, bytes_of(text));
}

static json_t *text_json(const struct buf *text)
{
    return json_stringn(text->at ? (const char *)text->at : "", text->len);
}

static void add_json(struct probe_log *log, int64_t at_ms, enum probe_mark mark, const char *what,
                     const struct buf *text)
{
    json_array_append_new(
        log->steps, json_pack("{s:I,s:s,s:s,s:o,s:[]}", "at_ms", (json_int_t)at_ms, "what", what,
                              "mark", marks[mark].word, "text", text_json(text), "explained"));
}

void probe_log_add(struct probe_log *log, enum probe_mark mark, const char *what,
                   const char *format, ...)
{
    int64_t at_ms = instant_steady_ms() - log->begun_ms;
    struct buf text;
    va_list values;
    va_start(values, format);
    print_clean(&text, format, values);
    va_end(values);
    if (log->is_json) {
        add_json(log, at_ms, mark, what, &text);
    } else {
        printf("%*lld.%03d  %-*s", TIME_COLUMNS - 4, (long long)(at_ms / 1000), (int)(at_ms % 1000),
               WHAT_COLUMNS, what);
        paint_print(marks[mark].paint, marks[mark].label);
        printf("%*s%.*s\n", MARK_COLUMNS - (int)bytes_of(marks[mark].label).len, "",
               BYTES_ARGS(buf_view(&text)));
        fflush(stdout);
    }
    buf_done(&text);
}

void probe_log_explain(struct probe_log *log, const char *format, ...)
{
    struct buf text;
    va_list values;
    va_start(values, format);
    print_clean(&text, format, values);
    va_end(values);
    if (log->is_json) {
        json_t *last = json_array_get(log->steps, json_array_size(log->steps) - 1);
        json_array_append_new(json_object_get(last, "explained"), text_json(&text));
    } else {
        printf("%*s%.*s\n", TIME_COLUMNS + 2 + WHAT_COLUMNS + MARK_COLUMNS, "",
               BYTES_ARGS(buf_view(&text)));
        fflush(stdout);
    }
    buf_done(&text);
}

static void print_end(enum probe_verdict verdict, const struct buf *summary, const struct buf *next)
{
    putchar('\n');
    paint_print(verdicts[verdict].paint, verdicts[verdict].word);
    printf(": %.*s\n", BYTES_ARGS(buf_view(summary)));
    if (next->len)
        printf("next: %.*s\n", BYTES_ARGS(buf_view(next)));
}

int probe_log_end(struct probe_log *log, enum probe_verdict verdict, const char *summary,
                  const char *next)
{
    struct buf said, to_do;
    buf_init(&said, TEXT_LIMIT);
    buf_init(&to_do, TEXT_LIMIT);
    paint_add(&said, bytes_of(summary));
    paint_add(&to_do, bytes_of(next));
    if (log->is_json) {
        json_object_set_new(log->all, "verdict", json_string(verdicts[verdict].word));
        json_object_set_new(log->all, "summary", text_json(&said));
        json_object_set_new(log->all, "next", text_json(&to_do));
        json_dumpf(log->all, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_end(verdict, &said, &to_do);
    }
    buf_done(&said);
    buf_done(&to_do);
    return verdicts[verdict].status;
}
