/* The log: one line an event, logfmt or JSON, to standard error. The logger escapes the values;
 * event names are constants, each listed in docs/man/postrider-log.7. Never passwords, message
 * bodies or keys. Not for pure layers. */
#pragma once

#include "base/bytes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum log_kind { LOG_KIND_TEXT, LOG_KIND_OPTIONAL, LOG_KIND_NUMBER, LOG_KIND_ID };

struct log_field {
    const char *name;
    enum log_kind kind;
    struct bytes text;
    int64_t number;
};

#define LOG_BYTES(n, value) ((struct log_field){(n), LOG_KIND_TEXT, (value), 0})
#define LOG_TEXT(n, value) ((struct log_field){(n), LOG_KIND_TEXT, bytes_of(value), 0})
/* The same, but an empty one writes nothing. */
#define LOG_OPTIONAL(n, value) ((struct log_field){(n), LOG_KIND_OPTIONAL, bytes_of(value), 0})
#define LOG_OPTIONAL_BYTES(n, value) ((struct log_field){(n), LOG_KIND_OPTIONAL, (value), 0})
#define LOG_INT(n, value) ((struct log_field){(n), LOG_KIND_NUMBER, BYTES_NONE, (int64_t)(value)})
/* The message's id, as id=…; id 0 writes nothing. */
#define LOG_ID(value) ((struct log_field){"id", LOG_KIND_ID, BYTES_NONE, (int64_t)(value)})

/* The session that it happened in, as session=…; 0 writes nothing. */
#define LOG_SESSION(value)                                                                         \
    ((struct log_field){"session", LOG_KIND_ID, BYTES_NONE, (int64_t)(value)})

/* What receives each finished line beside standard error (the trace journal, a test), always as
 * logfmt, and whatever the least level is also those of level info; line has no end-of-line,
 * borrowed for the call. NULL for none. */
typedef void log_sink(void *context, int64_t instant_ms, struct bytes line);

/* Once, at the start of a process: its name ("worker-0"; kept, not copied), the least level
 * written and the format. */
void log_init(const char *process, enum log_level least, enum log_format format);
void log_set_sink(log_sink *sink, void *context);

/* Buffered: lines below warning wait for log_flush(), which a loop calls each time before it
 * sleeps, so that a thousand messages a turn cost one write. Not buffered at the start. */
void log_set_buffered(bool is_buffered);
void log_flush(void);

void log_write(enum log_level level, const char *name, const struct log_field *fields,
               size_t count);

#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__},                                                       \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)
#define log_debug(event, ...) log_write(LOG_DEBUG, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...) log_write(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_warning(event, ...) log_write(LOG_WARNING, event, LOG_FIELDS(__VA_ARGS__))
#define log_error(event, ...) log_write(LOG_ERROR, event, LOG_FIELDS(__VA_ARGS__))

/* Appends the value as logfmt writes it: bare where it can be, else quoted with \" \\ \n \r \t
 * and \xHH for bytes that are not printable UTF-8. */
struct buf;
void log_escape(struct buf *out, struct bytes value);
