#include "cli/trace_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"
#include "base/instant.h"
#include "cli/trace_advice.h"
#include "cli/trace_field.h"
#include "cli/trace_sentence.h"

enum {
    TEXT_LIMIT = 128 << 10,
    TIME_COLUMNS = 14,    /* "  10:28:50.232" */
    INDENT = 25,          /* of the sentences: behind "  10:28:50.232   +12.3s  " */
    TEXT_COLUMNS_MIN = 30 /* in a narrower window rows are not broken */
};

void trace_page_init(struct trace_page *page)
{
    struct winsize size;
    *page = (struct trace_page){.begun_ms = INT64_MIN};
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= INDENT + TEXT_COLUMNS_MIN)
        page->columns = size.ws_col;
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* Characters, not bytes. */
static size_t width_of(struct bytes text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++)
        width += (text.at[i] & 0xC0) != 0x80;
    return width;
}

static void print_piece(enum paint paint, struct bytes piece)
{
    char *text = strndup((const char *)piece.at, piece.len);
    ASSERT(text);
    paint_print(paint, text);
    putchar('\n');
    free(text);
}

/* Broken at spaces, so that each line begins below the first. */
static void print_text(const struct trace_page *page, enum paint paint, struct bytes text)
{
    size_t room = page->columns ? page->columns - INDENT : SIZE_MAX;
    while (width_of(text) > room) {
        size_t end = 0, width = 0, last = 0;
        for (; end < text.len && width <= room; end++) {
            if (text.at[end] == ' ')
                last = end;
            width += (text.at[end] & 0xC0) != 0x80;
        }
        if (last == 0)
            last = bytes_find(text, ' ');
        print_piece(paint, bytes_sub(text, 0, last));
        text = bytes_from(text, last + 1);
        if (text.len == 0)
            return;
        printf("%*s", INDENT, "");
    }
    print_piece(paint, text);
}

/* "Wed 2026-11-25 (UTC+01:00)", above the first row of each day. */
static void print_day(struct trace_page *page, int64_t instant_ms)
{
    struct tm parts;
    char text[64], zone[16];
    time_t instant = (time_t)(instant_ms / 1000);
    if (!localtime_r(&instant, &parts))
        return;
    int64_t day = ((int64_t)parts.tm_year << 9) + parts.tm_yday + 1;
    if (day == page->day)
        return;
    page->day = day;
    strftime(text, sizeof text, "%a %Y-%m-%d", &parts);
    strftime(zone, sizeof zone, "%z", &parts);
    printf("%s (UTC%.3s:%s)\n", text, zone, zone + 3);
}

static void print_time(struct trace_page *page, int64_t instant_ms)
{
    struct tm parts;
    char text[32];
    time_t instant = (time_t)(instant_ms / 1000);
    if (!localtime_r(&instant, &parts))
        return;
    strftime(text, sizeof text, "%H:%M:%S", &parts);
    printf("  %s.%03d", text, (int)(instant_ms % 1000));
}

/* "+250ms", "+12.3s", "+5m", right-aligned. */
static void print_delay(int64_t delay_ms)
{
    char room[32] = "";
    struct buf text = {.at = (uint8_t *)room, .cap = sizeof room - 1, .limit = sizeof room - 1};
    if (delay_ms > 0) {
        buf_add_byte(&text, '+');
        if (delay_ms >= 1000 && delay_ms < 60000)
            buf_addf(&text, "%lld.%llds", (long long)(delay_ms / 1000),
                     (long long)(delay_ms / 100 % 10));
        else
            paint_duration(&text, delay_ms);
    }
    printf("  %7s  ", room);
}

static void print_line_time(struct trace_page *page, struct bytes line)
{
    int64_t instant_ms;
    if (!trace_field_instant(line, &instant_ms)) {
        printf("%*s", INDENT, "");
        return;
    }
    print_day(page, instant_ms);
    if (page->begun_ms == INT64_MIN)
        page->begun_ms = instant_ms;
    print_time(page, instant_ms);
    print_delay(instant_ms - page->begun_ms);
}

static enum paint paint_of(struct bytes line)
{
    static const struct {
        const char *event;
        enum paint paint;
    } rows[] = {
        {"delivered", PAINT_GREEN},       {"deferred", PAINT_YELLOW},
        {"connect-failed", PAINT_YELLOW}, {"host-failed", PAINT_YELLOW},
        {"resolve-failed", PAINT_YELLOW}, {"failed", PAINT_RED},
        {"refused", PAINT_RED},           {"login-failed", PAINT_RED},
        {"login-banned", PAINT_RED},      {"banned", PAINT_RED},
        {"tls-failed", PAINT_RED},        {"mailbox-failed", PAINT_RED},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (trace_field_is_event(line, bytes_of(rows[i].event)))
            return rows[i].paint;
    bool is_error = bytes_equal(trace_field_raw(line, BYTES("level")), BYTES("error"));
    return is_error ? PAINT_RED : PAINT_NONE;
}

/* Once a story. */
static void print_advice(struct trace_page *page, struct bytes line)
{
    const char *advice = trace_advice(line);
    struct buf text;
    if (!advice)
        return;
    for (size_t i = 0; i < page->given_count; i++)
        if (strcmp(page->given[i], advice) == 0)
            return;
    if (page->given_count < COUNT(page->given))
        page->given[page->given_count++] = advice;
    buf_init(&text, TEXT_LIMIT);
    buf_add(&text, BYTES("What helps: "));
    buf_add(&text, bytes_of(advice));
    printf("%*s", INDENT, "");
    print_text(page, PAINT_BOLD, buf_view(&text));
    buf_done(&text);
}

static void print_row(struct trace_page *page, struct bytes line)
{
    struct buf text;
    buf_init(&text, TEXT_LIMIT);
    trace_sentence(&text, line);
    print_line_time(page, line);
    print_text(page, paint_of(line), buf_view(&text));
    print_advice(page, line);
    buf_done(&text);
}

/* --- Stories ---------------------------------------------------------------------------------- */

static size_t count_events(const struct trace_story *story, const char *event)
{
    size_t count = 0;
    for (size_t i = 0; i < story->count; i++)
        count += trace_field_is_event(story->lines[i].text, bytes_of(event));
    return count;
}

/* How it ended, in a word or two. */
static const char *outcome_of(const struct trace_story *story, const struct trace_state *state,
                              enum paint *paint)
{
    struct trace_waiting waiting;
    size_t place = 0;
    *paint = PAINT_RED;
    bool is_waiting = state && trace_state_next(state, &place, &waiting);
    size_t delivered = count_events(story, "delivered"), failed = count_events(story, "failed");
    if (is_waiting) {
        *paint = PAINT_YELLOW;
        return waiting.is_held ? "held" : waiting.is_active ? "being delivered" : "waiting";
    }
    if (count_events(story, "deleted"))
        return "deleted";
    if (failed)
        return delivered ? "delivered in part" : "not delivered";
    if (story->id && count_events(story, "accepted") == 0 && count_events(story, "refused"))
        return "refused";
    if (!story->id && (count_events(story, "refused") || count_events(story, "login-failed")))
        return "refused";
    if (!story->id && count_events(story, "tls-failed"))
        return "no TLS";
    *paint = delivered ? PAINT_GREEN : PAINT_NONE;
    return delivered ? "delivered" : NULL;
}

/* Of the lines about the message itself; of a session, of any. */
static void add_first(struct buf *out, const char *before, const struct trace_story *story,
                      const char *field)
{
    struct buf value;
    buf_init(&value, TEXT_LIMIT);
    for (size_t i = 0; i < story->count; i++)
        if ((!story->id || trace_field_id(story->lines[i].text, BYTES("id")) == story->id) &&
            trace_field_find(story->lines[i].text, bytes_of(field), &value)) {
            buf_add(out, bytes_of(before));
            paint_add(out, buf_view(&value));
            break;
        }
    buf_done(&value);
}

static void print_heading(const struct trace_story *story, const struct trace_state *state)
{
    enum paint paint;
    struct buf text;
    buf_init(&text, TEXT_LIMIT);
    if (story->id) {
        buf_add(&text, BYTES("Message "));
        id_print(&text, story->id);
        add_first(&text, " from ", story, "from");
        add_first(&text, " to ", story, "to");
    } else if (story->session) {
        buf_add(&text, BYTES("Session "));
        id_print(&text, story->session);
        add_first(&text, " of ", story, "client");
    } else {
        buf_add(&text, BYTES("About no message in particular"));
    }
    const char *outcome = story->id || story->session ? outcome_of(story, state, &paint) : NULL;
    buf_add(&text, outcome ? BYTES(": ") : BYTES_NONE);
    buf_add_byte(&text, 0);
    paint_print(PAINT_BOLD, (const char *)text.at);
    if (outcome)
        paint_print(paint, outcome);
    putchar('\n');
    buf_done(&text);
}

/* "; next try at 2026-11-25 10:30:50 (in 2m)" */
static void add_next(struct buf *out, int64_t next_ms)
{
    int64_t wait_ms = next_ms - instant_now_ms();
    if (next_ms <= 0)
        return;
    if (wait_ms < 1000) {
        buf_add(out, BYTES("; next try now"));
        return;
    }
    buf_add(out, BYTES("; next try at "));
    trace_add_local(out, next_ms);
    buf_add(out, BYTES(" (in "));
    paint_duration(out, wait_ms / 1000 * 1000);
    buf_add(out, BYTES(")"));
}

static void print_waiting(const struct trace_page *page, const struct trace_waiting *waiting)
{
    struct buf text;
    buf_init(&text, TEXT_LIMIT);
    buf_add(&text, waiting->is_active ? BYTES("being delivered to ")
                   : waiting->is_held ? BYTES("held back by the operator, for ")
                                      : BYTES("waiting for "));
    paint_add(&text, waiting->address);
    if (!waiting->is_active && waiting->reply.len) {
        buf_add(&text, BYTES(" because: "));
        paint_add(&text, waiting->reply);
    }
    if (!waiting->is_active && !waiting->is_held)
        add_next(&text, waiting->next_ms);
    if (waiting->is_held)
        buf_add(&text, BYTES("; let it go on by: postrider queue release"));
    printf("  %-*s", INDENT - 2, "now");
    print_text(page, waiting->is_deferred ? PAINT_YELLOW : PAINT_NONE, buf_view(&text));
    buf_done(&text);
}

void trace_page_story(struct trace_page *page, const struct trace_story *story,
                      const struct trace_state *state)
{
    struct trace_waiting waiting;
    page->day = 0;
    page->begun_ms = INT64_MIN;
    page->given_count = 0;
    print_heading(story, state);
    for (size_t i = 0; i < story->count; i++) {
        print_row(page, story->lines[i].text);
        if (i == 0 && story->left_out)
            printf("%*s(%zu failed connections before those that follow are left out)\n", INDENT,
                   "", story->left_out);
    }
    for (size_t place = 0; state && trace_state_next(state, &place, &waiting);)
        print_waiting(page, &waiting);
}

void trace_page_event(struct trace_page *page, struct bytes line)
{
    int64_t instant_ms;
    struct buf text;
    struct bytes id = trace_field_raw(line, BYTES("id"));
    if (id.len == 0)
        id = trace_field_raw(line, BYTES("session"));
    if (!trace_field_instant(line, &instant_ms))
        return;
    buf_init(&text, TEXT_LIMIT);
    trace_sentence(&text, line);
    print_day(page, instant_ms);
    print_time(page, instant_ms);
    printf("  %-*.*s  ", ID_TEXT, ID_TEXT, id.len == ID_TEXT ? (const char *)id.at : "");
    buf_add_byte(&text, 0);
    paint_print(paint_of(line), (const char *)text.at);
    putchar('\n');
    fflush(stdout);
    buf_done(&text);
}
