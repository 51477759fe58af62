#include "cli/trace_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "base/map.h"
#include "base/memory.h"
#include "cli/paint.h"
#include "cli/talk.h"
#include "cli/trace_story.h"

enum { TIME_COLUMNS = 24, SENTENCE_LIMIT = 64 << 10 };

/* A lane that the message waits for. */
struct goal {
    struct bytes time, line; /* of its newest failed connection; empty: none */
    struct goal *next;
};

struct state {
    const struct trace_lines *lines;
    struct map *goals; /* struct goal by the lane's name */
    struct goal *first;
    struct buf text;
};

static struct bytes text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static void print_text(struct state *state, enum paint paint)
{
    buf_add_byte(&state->text, 0);
    paint_print(paint, (const char *)state->text.at);
    putchar('\n');
    buf_clear(&state->text);
}

/* --- Failed connections --------------------------------------------------------------------------
 */

static void add_goal(struct state *state, struct bytes lane)
{
    if (!lane.len || map_find(state->goals, lane))
        return;
    struct goal *goal = NEW(struct goal);
    goal->next = state->first;
    state->first = goal;
    (void)map_add(state->goals, lane, goal);
}

static void note_failure(void *context, struct bytes line)
{
    struct state *state = context;
    if (!bytes_equal(trace_lines_value(line, BYTES("event")), BYTES("connect-failed")))
        return;
    struct goal *goal = map_find(state->goals, trace_lines_value(line, BYTES("lane")));
    struct bytes time = trace_lines_value(line, BYTES("time"));
    if (goal && bytes_compare(goal->time, time) <= 0)
        *goal = (struct goal){.time = time, .line = line, .next = goal->next};
}

static void print_failures(struct state *state)
{
    if (!state->first)
        return;
    trace_lines_each(state->lines, note_failure, state);
    for (const struct goal *goal = state->first; goal; goal = goal->next) {
        if (!goal->line.len)
            continue;
        paint_add(&state->text, goal->time);
        buf_add(&state->text, BYTES("  "));
        trace_story(&state->text, goal->line);
        print_text(state, PAINT_YELLOW);
    }
}

/* --- Recipients ---------------------------------------------------------------------------------
 */

static void add_next(struct buf *out, struct bytes instant)
{
    int64_t at_ms;
    if (!instant_scan(instant, &at_ms))
        return;
    int64_t wait_ms = at_ms - instant_now_ms();
    buf_add(out, BYTES("; next try at "));
    paint_add(out, instant);
    if (wait_ms < 1000)
        return;
    buf_add(out, BYTES(" (in "));
    paint_duration(out, wait_ms / 1000 * 1000);
    buf_add(out, BYTES(")"));
}

/* What became of the others, the journal tells. */
static bool is_open(struct bytes status)
{
    return !bytes_equal(status, BYTES("delivered")) && !bytes_equal(status, BYTES("failed"));
}

static void print_recipient(struct state *state, const json_t *recipient)
{
    struct bytes status = text_of(recipient, "status"), reply = text_of(recipient, "reply");
    bool is_active = bytes_equal(status, BYTES("active"));
    if (!is_open(status))
        return;
    printf("%-*s  ", TIME_COLUMNS, "now");
    buf_add(&state->text, is_active ? BYTES("being delivered to ") : BYTES("waiting for "));
    paint_add(&state->text, text_of(recipient, "address"));
    if (!is_active && reply.len) {
        buf_add(&state->text, BYTES(" because: "));
        paint_add(&state->text, reply);
    }
    add_next(&state->text, text_of(recipient, "next"));
    print_text(state, bytes_equal(status, BYTES("deferred")) ? PAINT_YELLOW : PAINT_NONE);
}

static void take_shown(void *context, const json_t *line)
{
    struct state *state = context;
    const json_t *recipients = json_object_get(json_object_get(line, "message"), "recipients");
    size_t i;
    json_t *recipient;
    if (!recipients)
        return;
    json_array_foreach(recipients, i, recipient)
    {
        if (is_open(text_of(recipient, "status")))
            add_goal(state, text_of(recipient, "lane"));
    }
    print_failures(state);
    json_array_foreach(recipients, i, recipient) print_recipient(state, recipient);
}

bool trace_state_print(const struct config *config, const struct trace_lines *lines, const char *id)
{
    struct state state = {.lines = lines, .goals = map_new(0)};
    buf_init(&state.text, SENTENCE_LIMIT);
    bool is_there =
        talk_quietly(config, json_pack("{s:s,s:s}", "do", "show", "id", id), take_shown, &state);
    if (!is_there)
        puts("(the server does not answer; its journal ends here)");
    for (struct goal *goal = state.first, *next; goal; goal = next) {
        next = goal->next;
        free(goal);
    }
    map_free(state.goals);
    buf_done(&state.text);
    return is_there;
}
