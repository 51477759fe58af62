#include "cli/trace_attempts.h"

#include <stdlib.h>

#include "base/instant.h"
#include "base/map.h"
#include "base/memory.h"
#include "cli/trace_field.h"
#include "cli/trace_find.h"

struct attempts {
    struct map *places;    /* lanes and recipients' domains; values are not used */
    struct bytes from, to; /* times as text; an empty end is now */
    struct trace_line found[TRACE_ATTEMPTS_MOST]; /* a ring */
    size_t count;
};

static const char *const events[] = {"connect-failed", "host-failed", "resolve-failed",
                                     "tls-failed", "no-password"};

static void add_place(struct attempts *attempts, struct trace_files *files, struct bytes place)
{
    static const char known = 0;
    struct journal_needle needle;
    if (!place.len || map_find(attempts->places, place) || !journal_needle_init(&needle, place))
        return;
    (void)map_add(attempts->places, place, (void *)(uintptr_t)&known);
    /* The event's name is a word too, and stands in few blocks. */
    for (size_t i = 0; i < COUNT(events); i++) {
        struct bytes words[JOURNAL_NEEDLE_WORDS + 1] = {bytes_of(events[i])};
        for (size_t j = 0; j < needle.count; j++)
            words[j + 1] = needle.words[j];
        trace_files_select(files, words, needle.count + 1);
    }
}

static void find_places(struct attempts *attempts, struct trace_files *files,
                        const struct trace_story *story, const struct trace_state *state)
{
    struct trace_waiting waiting;
    for (size_t i = 0; i < story->count; i++) {
        struct bytes to = trace_field_raw(story->lines[i].text, BYTES("to"));
        add_place(attempts, files, trace_field_raw(story->lines[i].text, BYTES("lane")));
        add_place(attempts, files, bytes_from(to, bytes_find_last(to, '@') + 1));
    }
    for (size_t place = 0; state && trace_state_next(state, &place, &waiting);) {
        struct bytes domain =
            bytes_from(waiting.address, bytes_find_last(waiting.address, '@') + 1);
        add_place(attempts, files, waiting.lane);
        add_place(attempts, files, domain);
    }
}

bool trace_is_attempt(struct bytes line)
{
    struct bytes event = trace_field_raw(line, BYTES("event"));
    for (size_t i = 0; i < COUNT(events); i++)
        if (bytes_equal(event, bytes_of(events[i])))
            return true;
    return false;
}

static bool is_attempt(const struct attempts *attempts, struct bytes line)
{
    struct bytes time = trace_field_raw(line, BYTES("time"));
    if (!trace_is_attempt(line) || bytes_compare(time, attempts->from) < 0 ||
        (attempts->to.len && bytes_compare(time, attempts->to) > 0))
        return false;
    struct bytes lane = trace_field_raw(line, BYTES("lane"));
    return map_find(attempts->places, lane) ||
           map_find(attempts->places, trace_field_raw(line, BYTES("domain")));
}

/* Blocks come with the newest first, lines within them do not: the newest ones are kept. */
static void keep(struct attempts *attempts, struct bytes line)
{
    struct trace_line found = {line, trace_field_raw(line, BYTES("time"))};
    size_t place = attempts->count++;
    if (place >= TRACE_ATTEMPTS_MOST) {
        place = 0;
        for (size_t i = 1; i < TRACE_ATTEMPTS_MOST; i++)
            if (bytes_compare(attempts->found[i].time, attempts->found[place].time) < 0)
                place = i;
        if (bytes_compare(found.time, attempts->found[place].time) < 0)
            return;
    }
    attempts->found[place] = found;
}

static void read_attempts(struct attempts *attempts, const struct trace_files *files)
{
    const struct trace_block *block;
    int64_t from_ms, to_ms;
    if (!instant_scan(attempts->from, &from_ms))
        from_ms = INT64_MIN;
    if (!instant_scan(attempts->to, &to_ms))
        to_ms = INT64_MAX;
    for (size_t place = 0; (block = trace_files_next(files, &place));) {
        struct trace_finder finder;
        if (block->last_ms < from_ms || block->first_ms > to_ms)
            continue;
        struct bytes rest = block->text, line;
        trace_finder_init(&finder, BYTES(" reason="));
        while (trace_finder_next(&finder, &rest, &line))
            if (is_attempt(attempts, line))
                keep(attempts, line);
    }
}

void trace_attempts_add(struct trace_story *story, struct trace_files *files,
                        const struct trace_state *state)
{
    struct attempts attempts = {.places = map_new(0)};
    struct trace_waiting waiting;
    size_t first = 0;
    bool is_waiting = state && trace_state_next(state, &first, &waiting);
    if (story->count == 0 || !story->id) {
        map_free(attempts.places);
        return;
    }
    attempts.from = story->lines[0].time;
    if (!is_waiting)
        attempts.to = story->lines[story->count - 1].time;
    trace_files_select_none(files);
    find_places(&attempts, files, story, state);
    read_attempts(&attempts, files);
    size_t kept = attempts.count < TRACE_ATTEMPTS_MOST ? attempts.count : TRACE_ATTEMPTS_MOST;
    for (size_t i = 0; i < kept; i++)
        trace_story_add(story, attempts.found[i].text);
    story->left_out = attempts.count - kept;
    trace_story_sort(story);
    map_free(attempts.places);
}
