#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/memory.h"
#include "cli/paint.h"
#include "cli/queue_select.h"
#include "cli/talk.h"

enum { CELL_LIMIT = 1024 };

static struct bytes text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void add_sender(struct buf *out, const json_t *message)
{
    struct bytes from = text_of(message, "from");
    paint_add(out, from.len ? from : BYTES("<>"));
}

/* How long ago, or how far ahead; empty where there is no instant. */
static void add_distance(struct buf *out, struct bytes instant, bool is_ahead)
{
    int64_t at_ms, now_ms = instant_now_ms();
    if (!instant_scan(instant, &at_ms))
        return;
    int64_t distance_ms = is_ahead ? at_ms - now_ms : now_ms - at_ms;
    paint_duration(out, distance_ms > 0 ? distance_ms / 1000 * 1000 : 0);
}

static enum paint paint_of(struct bytes status)
{
    if (bytes_equal(status, BYTES("deferred")))
        return PAINT_YELLOW;
    if (bytes_equal(status, BYTES("failed")))
        return PAINT_RED;
    return bytes_equal(status, BYTES("delivered")) ? PAINT_GREEN : PAINT_NONE;
}

/* --- list ---------------------------------------------------------------------------------------
 */

enum column { COLUMN_ID, COLUMN_AGE, COLUMN_SIZE, COLUMN_FROM, COLUMN_TO, COLUMN_STATUS, COLUMNS };

static const char *const column_names[COLUMNS] = {"ID", "AGE", "SIZE", "FROM", "TO", "STATUS"};

struct row {
    char *cells[COLUMNS];
    enum paint paint; /* of the status */
};

/* Rows wait until so many are there; their widths then hold for the rest too, so that a long queue
 * neither waits for its end nor fills the memory. */
enum { ROWS_AHEAD = 500 };

struct table {
    struct row rows[ROWS_AHEAD];
    size_t count, messages;
    size_t widths[COLUMNS];
    bool is_begun, is_json;
};

static void flush_rows(struct table *table)
{
    for (size_t i = 0; !table->is_begun && i < table->count; i++)
        for (size_t j = 0; j < COLUMNS; j++) {
            size_t len = strlen(table->rows[i].cells[j]);
            if (len > table->widths[j])
                table->widths[j] = len;
        }
    for (size_t j = 0; !table->is_begun && table->count && j < COLUMNS; j++)
        printf("%-*s%s", j + 1 < COLUMNS ? (int)table->widths[j] : 0, column_names[j],
               j + 1 < COLUMNS ? "  " : "\n");
    table->is_begun |= table->count > 0;
    for (size_t i = 0; i < table->count; i++) {
        for (size_t j = 0; j < COLUMN_STATUS; j++)
            printf("%-*s  ", (int)table->widths[j], table->rows[i].cells[j]);
        paint_print(table->rows[i].paint, table->rows[i].cells[COLUMN_STATUS]);
        putchar('\n');
        for (size_t j = 0; j < COLUMNS; j++)
            free(table->rows[i].cells[j]);
    }
    table->count = 0;
}

static char *take_text(struct buf *text)
{
    char *copy = memory_new(text->len + 1, 1);
    if (text->len)
        memcpy(copy, text->at, text->len);
    buf_clear(text);
    return copy;
}

static void add_status(struct buf *out, const json_t *recipient)
{
    paint_add(out, text_of(recipient, "status"));
    uint64_t attempts = number_of(recipient, "attempts");
    if (attempts)
        buf_addf(out, " after %llu attempt%s", (unsigned long long)attempts,
                 attempts == 1 ? "" : "s");
    if (text_of(recipient, "next").len) {
        buf_add(out, BYTES(", next in "));
        add_distance(out, text_of(recipient, "next"), true);
    }
    if (text_of(recipient, "reply").len) {
        buf_add(out, BYTES(": "));
        paint_add(out, text_of(recipient, "reply"));
    }
}

static void add_rows(struct table *table, const json_t *message)
{
    size_t i;
    json_t *recipient;
    struct buf cell;
    buf_init(&cell, CELL_LIMIT);
    json_array_foreach(json_object_get(message, "recipients"), i, recipient)
    {
        if (table->count == ROWS_AHEAD)
            flush_rows(table);
        struct row *row = &table->rows[table->count++];
        row->paint = paint_of(text_of(recipient, "status"));
        if (i == 0)
            paint_add(&cell, text_of(message, "id"));
        row->cells[COLUMN_ID] = take_text(&cell);
        if (i == 0)
            add_distance(&cell, text_of(message, "received"), false);
        row->cells[COLUMN_AGE] = take_text(&cell);
        if (i == 0)
            paint_size(&cell, number_of(message, "size"));
        row->cells[COLUMN_SIZE] = take_text(&cell);
        if (i == 0)
            add_sender(&cell, message);
        row->cells[COLUMN_FROM] = take_text(&cell);
        paint_add(&cell, text_of(recipient, "address"));
        row->cells[COLUMN_TO] = take_text(&cell);
        add_status(&cell, recipient);
        row->cells[COLUMN_STATUS] = take_text(&cell);
    }
    buf_done(&cell);
}

static void take_listed(void *context, const json_t *line)
{
    struct table *table = context;
    const json_t *message = json_object_get(line, "message");
    if (!message)
        return;
    if (table->is_json) {
        fputs(table->messages ? ",\n  " : "\n  ", stdout);
        json_dumpf(message, stdout, JSON_COMPACT);
    } else {
        add_rows(table, message);
    }
    table->messages++;
}

static json_t *list_request(const struct options *options, bool *is_selecting)
{
    const struct options_select *select = &options->select;
    *is_selecting = options->word_count > 0 || select->from || select->to || select->domain ||
                    select->older || select->younger || select->reply || select->status ||
                    select->lane;
    if (!*is_selecting)
        return json_pack("{s:s,s:{}}", "do", "list", "select");
    json_t *request = queue_select_request(options, "list");
    /* One message is listed by what shows it. */
    if (request && queue_select_is_id(options))
        json_object_set_new(request, "do", json_string("show"));
    return request;
}

static int list(const struct config *config, json_t *request_owned, struct table *table,
                const char *none)
{
    if (table->is_json)
        putchar('[');
    int status = talk(config, request_owned, take_listed, table);
    flush_rows(table);
    if (table->is_json)
        puts(table->messages ? "\n]" : "]");
    else if (table->messages == 0 && status == EXIT_GOOD)
        puts(none);
    else if (table->messages)
        printf("%zu message%s\n", table->messages, table->messages == 1 ? "" : "s");
    return status;
}

int command_queue_list(const struct options *options)
{
    bool is_selecting;
    json_t *request = list_request(options, &is_selecting);
    if (!request)
        return EXIT_USAGE;
    struct table *table = NEW(struct table);
    table->is_json = options->is_json;
    for (size_t j = 0; j < COLUMNS; j++)
        table->widths[j] = strlen(column_names[j]);
    /* Without a server there is no queue to print, not an empty one. */
    struct config *config = command_config(options);
    int status = EXIT_CONFIG;
    if (config)
        status =
            list(config, request, table, is_selecting ? "No such message." : "The queue is empty.");
    else
        json_decref(request);
    if (status == EXIT_GOOD && table->messages == 0 && queue_select_is_id(options))
        status = queue_id_unknown(options->words[0]);
    config_free(config);
    free(table);
    return status;
}

/* --- One message --------------------------------------------------------------------------------
 */

struct answer {
    bool is_json, was_found;
};

static void print_line(const char *name, struct buf *value)
{
    printf("%-11s%.*s\n", name, BYTES_ARGS(buf_view(value)));
    buf_clear(value);
}

static void print_recipient(const json_t *recipient, struct buf *text)
{
    paint_add(text, text_of(recipient, "address"));
    printf("%-11s%.*s: ", "To", BYTES_ARGS(buf_view(text)));
    buf_clear(text);
    add_status(text, recipient);
    buf_add_byte(text, 0);
    paint_print(paint_of(text_of(recipient, "status")), (const char *)text->at);
    putchar('\n');
    buf_clear(text);
    if (text_of(recipient, "next").len) {
        paint_add(text, text_of(recipient, "next"));
        print_line("  Next", text);
    }
    if (text_of(recipient, "lane").len) {
        paint_add(text, text_of(recipient, "lane"));
        print_line("  Via", text);
    }
}

static void take_shown(void *context, const json_t *line)
{
    struct answer *answer = context;
    const json_t *message = json_object_get(line, "message");
    size_t i;
    json_t *recipient;
    if (!message)
        return;
    answer->was_found = true;
    if (answer->is_json) {
        json_dumpf(message, stdout, JSON_INDENT(2));
        putchar('\n');
        return;
    }
    struct buf text;
    buf_init(&text, CELL_LIMIT);
    paint_add(&text, text_of(message, "id"));
    print_line("Message", &text);
    add_sender(&text, message);
    print_line("From", &text);
    paint_number(&text, number_of(message, "size"));
    buf_add(&text, BYTES(" bytes"));
    print_line("Size", &text);
    paint_add(&text, text_of(message, "received"));
    buf_add(&text, BYTES(" ("));
    add_distance(&text, text_of(message, "received"), false);
    buf_add(&text, BYTES(" ago)"));
    print_line("Received", &text);
    json_array_foreach(json_object_get(message, "recipients"), i, recipient)
        print_recipient(recipient, &text);
    buf_done(&text);
}

int command_queue_show(const struct options *options)
{
    struct answer answer = {.is_json = options->is_json};
    if (!queue_id_is_valid(options->words[0]))
        return EXIT_USAGE;
    json_t *request = json_pack("{s:s,s:s}", "do", "show", "id", options->words[0]);
    int status = talk_with(options, request, take_shown, &answer);
    return status == EXIT_GOOD && !answer.was_found ? queue_id_unknown(options->words[0]) : status;
}

/* --- stats ------------------------------------------------------------------------------------ */

enum stat_kind { STAT_NUMBER, STAT_SIZE, STAT_INSTANT };

static const struct {
    const char *key, *name;
    enum stat_kind kind;
} stat_rows[] = {
    {"messages", "messages", STAT_NUMBER},
    {"held", "messages held", STAT_NUMBER},
    {"oldest_ms", "oldest message", STAT_INSTANT},
    {"recipients_waiting", "recipients waiting", STAT_NUMBER},
    {"deliveries_ready", "deliveries ready", STAT_NUMBER},
    {"deliveries_waiting", "deliveries deferred", STAT_NUMBER},
    {"deliveries_active", "deliveries under way", STAT_NUMBER},
    {"lanes", "destinations", STAT_NUMBER},
    {"lanes_suspended", "destinations suspended", STAT_NUMBER},
    {"connections", "connections", STAT_NUMBER},
    {"delivered", "delivered since start", STAT_NUMBER},
    {"deferred", "deferred since start", STAT_NUMBER},
    {"failed", "failed since start", STAT_NUMBER},
    {"spool_live_bytes", "spool in use", STAT_SIZE},
    {"spool_segments", "spool segments", STAT_NUMBER},
    {"spool_free_segments", "spool segments free", STAT_NUMBER},
    {"spool_batches", "commits since start", STAT_NUMBER},
    {"spool_appends", "messages kept since start", STAT_NUMBER},
};

static void take_stats(void *context, const json_t *line)
{
    const struct options *options = context;
    json_t *stats = json_object_get(line, "stats");
    if (!stats)
        return;
    if (options->is_json) {
        json_dumpf(stats, stdout, JSON_INDENT(2));
        putchar('\n');
        return;
    }
    struct buf text;
    buf_init(&text, CELL_LIMIT);
    for (size_t i = 0; i < COUNT(stat_rows); i++) {
        uint64_t value = number_of(stats, stat_rows[i].key);
        switch (stat_rows[i].kind) {
        case STAT_NUMBER: paint_number(&text, value); break;
        case STAT_SIZE: paint_size(&text, value); break;
        case STAT_INSTANT:
            if (value)
                paint_duration(&text, instant_now_ms() - (int64_t)value);
            else
                buf_add_byte(&text, '-');
            break;
        }
        printf("%-26s %.*s\n", stat_rows[i].name, BYTES_ARGS(buf_view(&text)));
        buf_clear(&text);
    }
    buf_done(&text);
}

int command_queue_stats(const struct options *options)
{
    struct options copy = *options;
    return talk_with(options, json_pack("{s:s}", "do", "stats"), take_stats, &copy);
}
