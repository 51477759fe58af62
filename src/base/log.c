#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/instant.h"

/* A value longer than VALUE_LIMIT is cut, so that one event never floods the log; a line holds
 * all the fields that an event can have. */
enum { VALUE_LIMIT = 1024, LINE_LIMIT = 65536, PENDING_LIMIT = 65536 };

static struct {
    const char *process;
    enum log_level least;
    enum log_format format;
    log_sink *sink;
    void *context;
    bool is_buffered;
    size_t pending_len;
    uint8_t pending[PENDING_LIMIT];
} state = {.process = "postrider", .least = LOG_INFO};

void log_init(const char *process, enum log_level least, enum log_format format)
{
    state.process = process;
    state.least = least;
    state.format = format;
}

void log_set_buffered(bool is_buffered)
{
    log_flush();
    state.is_buffered = is_buffered;
}

void log_set_sink(log_sink *sink, void *context)
{
    state.sink = sink;
    state.context = context;
}

static bool is_bare(struct bytes value)
{
    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];
        if (byte <= ' ' || byte >= 0x7F || byte == '"' || byte == '=' || byte == '\\')
            return false;
    }
    return true;
}

static void add_escaped(struct buf *out, struct bytes value, bool is_json)
{
    /* Bytes that are not UTF-8 could hide or forge text on a terminal; a value is either UTF-8
     * as a whole or shown byte by byte. */
    bool is_utf8 = bytes_is_utf8(value);
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];
        if (byte == '"' || byte == '\\') {
            buf_add_byte(out, '\\');
            buf_add_byte(out, byte);
        } else if (byte == '\n') {
            buf_add(out, BYTES("\\n"));
        } else if (byte == '\r') {
            buf_add(out, BYTES("\\r"));
        } else if (byte == '\t') {
            buf_add(out, BYTES("\\t"));
        } else if (byte < ' ' || byte == 0x7F || (byte >= 0x80 && !is_utf8)) {
            buf_addf(out, is_json ? "\\u%04x" : "\\x%02x", byte);
        } else {
            buf_add_byte(out, byte);
        }
    }
}

void log_escape(struct buf *out, struct bytes value)
{
    if (is_bare(value)) {
        buf_add(out, value);
        return;
    }
    buf_add_byte(out, '"');
    add_escaped(out, value, false);
    buf_add_byte(out, '"');
}

static void add_value(struct buf *out, const struct log_field *field, bool is_json)
{
    switch (field->kind) {
    case LOG_KIND_NUMBER:
        if (field->number < 0)
            buf_add_byte(out, '-');
        buf_add_u64(out, field->number < 0 ? 0 - (uint64_t)field->number : (uint64_t)field->number);
        return;
    case LOG_KIND_ID:
        if (is_json)
            buf_add_byte(out, '"');
        id_print(out, (uint64_t)field->number);
        if (is_json)
            buf_add_byte(out, '"');
        return;
    case LOG_KIND_TEXT:
    case LOG_KIND_OPTIONAL:
        if (is_json) {
            buf_add_byte(out, '"');
            add_escaped(out, bytes_sub(field->text, 0, VALUE_LIMIT), true);
            buf_add_byte(out, '"');
        } else {
            log_escape(out, bytes_sub(field->text, 0, VALUE_LIMIT));
        }
        return;
    }
}

static void add_field(struct buf *out, const struct log_field *field, bool is_json)
{
    bool is_first = out->len <= (is_json ? 1 : 0);
    if (!is_first)
        buf_add_byte(out, is_json ? ',' : ' ');
    if (is_json)
        buf_add_byte(out, '"');
    buf_add(out, bytes_of(field->name));
    buf_add(out, is_json ? BYTES("\":") : BYTES("="));
    add_value(out, field, is_json);
}

static void write_all(struct bytes text)
{
    while (text.len) {
        ssize_t written = write(STDERR_FILENO, text.at, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        /* With standard error gone there is nobody left to tell. */
        if (written <= 0)
            return;
        text = bytes_from(text, (size_t)written);
    }
}

void log_flush(void)
{
    write_all((struct bytes){state.pending, state.pending_len});
    state.pending_len = 0;
}

static void emit(enum log_level level, struct bytes line)
{
    if (line.len > PENDING_LIMIT - state.pending_len)
        log_flush();
    if (line.len > PENDING_LIMIT) {
        write_all(line);
        return;
    }
    memcpy(state.pending + state.pending_len, line.at, line.len);
    state.pending_len += line.len;
    if (!state.is_buffered || level >= LOG_WARNING)
        log_flush();
}

static bool is_left_out(const struct log_field *field)
{
    return (field->kind == LOG_KIND_ID && field->number == 0) ||
           (field->kind == LOG_KIND_OPTIONAL && field->text.len == 0);
}

struct event {
    int64_t instant_ms;
    enum log_level level;
    const char *name;
    const struct log_field *fields;
    size_t count;
};

/* Prints the event to the line, which has LINE_LIMIT of room, and leaves a byte for its end. */
static void print_line(struct buf *line, const struct event *event, bool is_json)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    uint8_t time_bytes[32];
    struct buf time = {.at = time_bytes, .cap = sizeof time_bytes, .limit = sizeof time_bytes};
    instant_print(&time, event->instant_ms);

    buf_clear(line);
    line->limit = LINE_LIMIT - 2;
    if (is_json)
        buf_add_byte(line, '{');
    add_field(line, &LOG_BYTES("time", buf_view(&time)), is_json);
    add_field(line, &LOG_TEXT("level", names[event->level]), is_json);
    add_field(line, &LOG_TEXT("process", state.process), is_json);
    add_field(line, &LOG_TEXT("event", event->name), is_json);
    for (size_t i = 0; i < event->count; i++)
        if (!is_left_out(&event->fields[i]))
            add_field(line, &event->fields[i], is_json);
    line->limit = LINE_LIMIT;
    line->overflowed = false;
    if (is_json)
        buf_add_byte(line, '}');
}

void log_write(enum log_level level, const char *name, const struct log_field *fields, size_t count)
{
    bool is_for_sink = state.sink && level >= LOG_INFO;
    if (level < state.least && !is_for_sink)
        return;
    struct event event = {instant_now_ms(), level, name, fields, count};
    bool is_json = state.format == LOG_JSON;
    uint8_t line_bytes[LINE_LIMIT];
    struct buf line = {.at = line_bytes, .cap = LINE_LIMIT, .limit = LINE_LIMIT};
    /* The sink always gets logfmt: whoever reads it later need not know what was configured. */
    if (!is_json || state.sink)
        print_line(&line, &event, false);
    if (state.sink)
        state.sink(state.context, event.instant_ms, buf_view(&line));
    if (level < state.least)
        return;
    if (is_json)
        print_line(&line, &event, true);
    buf_add_byte(&line, '\n');
    emit(level, buf_view(&line));
}
