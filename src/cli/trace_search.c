#include "cli/trace_search.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/memory.h"
#include "base/table.h"
#include "cli/trace_field.h"
#include "cli/trace_find.h"

/* So many messages are looked for one by one; more of them stand in most blocks anyway. */
enum { SELECT_MOST = 4000 };

struct search {
    struct trace_files *files;
    const struct trace_query *query;
    struct trace_stories *out;
    struct table *messages, *sessions; /* struct trace_story by id, by session */
    struct trace_story *rest;          /* lines of neither */
};

/* --- Stories ---------------------------------------------------------------------------------- */

void trace_story_add(struct trace_story *story, struct bytes line)
{
    if (story->count == story->room) {
        story->room = story->room ? story->room * 2 : 8;
        story->lines = memory_resize(story->lines, story->room, sizeof *story->lines);
    }
    story->lines[story->count++] = (struct trace_line){line, trace_field_raw(line, BYTES("time"))};
}

/* What several processes tell of one millisecond, in the order in which it can have happened. */
static int rank(const struct trace_line *line)
{
    struct bytes event = trace_field_raw(line->text, BYTES("event"));
    if (bytes_equal(event, BYTES("tls")) || bytes_equal(event, BYTES("login")) ||
        bytes_equal(event, BYTES("login-failed")))
        return 0;
    if (bytes_equal(event, BYTES("mailbox-stored")))
        return 2;
    bool is_attempt = bytes_equal(event, BYTES("delivered")) ||
                      bytes_equal(event, BYTES("deferred")) || bytes_equal(event, BYTES("failed"));
    bool is_after = bytes_equal(event, BYTES("report")) || bytes_equal(event, BYTES("retry"));
    return is_attempt || is_after ? 3 : 1;
}

static int compare_lines(const void *a, const void *b)
{
    const struct trace_line *one = a, *two = b;
    int order = bytes_compare(one->time, two->time);
    if (order)
        return order;
    order = rank(one) - rank(two);
    if (order)
        return order;
    /* Within a millisecond a file's order is the order of events. */
    return one->text.at < two->text.at ? -1 : one->text.at > two->text.at;
}

void trace_story_sort(struct trace_story *story)
{
    if (story->count)
        qsort(story->lines, story->count, sizeof *story->lines, compare_lines);
}

static struct trace_story *add_story(struct search *search, uint64_t id, uint64_t session)
{
    struct trace_stories *out = search->out;
    struct trace_story *story = NEW(struct trace_story);
    story->id = id;
    story->session = session;
    if (out->count == out->room) {
        out->room = out->room ? out->room * 2 : 16;
        out->stories = memory_resize(out->stories, out->room, sizeof *out->stories);
    }
    out->stories[out->count++] = story;
    return story;
}

static struct trace_story *story_of(struct search *search, struct table *table, uint64_t number)
{
    struct trace_story *story = table_find(table, number);
    if (story)
        return story;
    bool is_message = table == search->messages;
    story = add_story(search, is_message ? number : 0, is_message ? 0 : number);
    (void)table_add(table, number, story);
    return story;
}

/* --- First: which are they? ------------------------------------------------------------------- */

static void take_match(struct search *search, struct bytes line)
{
    uint64_t wanted = search->query->id;
    uint64_t id = trace_field_id(line, BYTES("id"));
    uint64_t session = trace_field_id(line, BYTES("session"));
    if (wanted && id != wanted && session != wanted)
        /* Another message's line that names it: the report about that one. */
        trace_story_add(story_of(search, search->messages, wanted), line);
    else if (id)
        (void)story_of(search, search->messages, id);
    else if (session)
        (void)story_of(search, search->sessions, session);
    else
        trace_story_add(search->rest, line);
}

static void match_block(struct search *search, const struct trace_block *block)
{
    const struct trace_query *query = search->query;
    struct trace_finder finder;
    struct bytes rest = block->text, line;
    trace_finder_init(&finder, query->needle.count ? query->needle.words[0] : BYTES_NONE);
    while (trace_finder_next(&finder, &rest, &line))
        if (trace_query_matches(query, line))
            take_match(search, line);
}

static void find_stories(struct search *search, size_t most)
{
    const struct trace_query *query = search->query;
    const struct trace_block *block;
    trace_files_select_none(search->files);
    trace_files_select(search->files, query->needle.words, query->needle.count);
    for (size_t place = 0; (block = trace_files_next(search->files, &place));) {
        if (block->last_ms < query->since_ms || block->first_ms > query->until_ms)
            continue;
        if (search->out->count + search->rest->count > most) {
            search->out->was_cut = true;
            return;
        }
        match_block(search, block);
    }
}

/* --- Then: all their lines -------------------------------------------------------------------- */

static void select_number(struct search *search, uint64_t number)
{
    uint8_t room[ID_TEXT];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    id_print(&text, number);
    trace_files_select(search->files, &(struct bytes){room, sizeof room}, 1);
}

static void select_messages(struct search *search)
{
    void *value;
    trace_files_select_none(search->files);
    if (table_count(search->messages) > SELECT_MOST)
        trace_files_select_all(search->files);
    else
        for (size_t place = 0; table_next(search->messages, &place, &value);)
            select_number(search, ((struct trace_story *)value)->id);
}

/* The story of the number in the field; NULL: it has none, or another. */
static struct trace_story *find_story(const struct table *table, struct bytes line,
                                      struct bytes field)
{
    uint64_t number = trace_field_id(line, field);
    return number ? table_find(table, number) : NULL;
}

static void read_messages(struct search *search)
{
    const struct trace_block *block;
    select_messages(search);
    for (size_t place = 0; (block = trace_files_next(search->files, &place));) {
        struct trace_finder finder;
        struct bytes rest = block->text, line;
        trace_finder_init(&finder, BYTES(" id="));
        while (trace_finder_next(&finder, &rest, &line)) {
            struct trace_story *story = find_story(search->messages, line, BYTES("id"));
            if (story)
                trace_story_add(story, line);
        }
    }
}

/* When the message was handed in: the line that says in which session. NULL: none does. */
static const struct trace_line *handed_in(const struct trace_story *story)
{
    for (size_t i = 0; i < story->count; i++)
        if (trace_field_id(story->lines[i].text, BYTES("id")) == story->id &&
            trace_field_id(story->lines[i].text, BYTES("session")))
            return &story->lines[i];
    return NULL;
}

/* The messages of each session, in the order in which they came. */
static struct table *sort_by_session(struct search *search)
{
    struct table *first = table_new(0); /* struct trace_story, the others behind it */
    for (size_t i = 0; i < search->out->count; i++) {
        struct trace_story *story = search->out->stories[i];
        const struct trace_line *line = story->id ? handed_in(story) : NULL;
        if (!line)
            continue;
        story->session = trace_field_id(line->text, BYTES("session"));
        struct trace_story *before = NULL, *behind = table_find(first, story->session);
        for (; behind && bytes_compare(handed_in(behind)->time, line->time) <= 0;
             behind = behind->in_session)
            before = behind;
        story->in_session = behind;
        if (before)
            before->in_session = story;
        else
            (void)table_add(first, story->session, story);
    }
    return first;
}

/* What is said of the session as a whole holds for all that it brings afterwards; what was refused
 * belongs to the next message. */
static bool is_of_session(struct bytes line)
{
    return trace_field_is_event(line, BYTES("login")) || trace_field_is_event(line, BYTES("tls"));
}

/* A session whose lines are wanted. */
struct seen {
    struct trace_story *messages; /* that are wanted, in order */
    struct trace_story *story;    /* of what brought no message; NULL: it is not wanted */
    struct trace_story handed; /* its lines about any message: what came in between is told there */
};

/* The message that was handed in next; 0: none was. */
static uint64_t next_message(const struct seen *seen, struct bytes line)
{
    const struct trace_line at = {line, trace_field_raw(line, BYTES("time"))};
    for (size_t i = 0; i < seen->handed.count; i++)
        if (compare_lines(&seen->handed.lines[i], &at) > 0)
            return trace_field_id(seen->handed.lines[i].text, BYTES("id"));
    return 0;
}

static void take_session_line(struct search *search, struct seen *seen, struct bytes line)
{
    bool is_general = is_of_session(line), is_taken = false;
    struct bytes time = trace_field_raw(line, BYTES("time"));
    uint64_t next = is_general ? 0 : next_message(seen, line);
    for (struct trace_story *message = seen->messages; message; message = message->in_session)
        if (is_general ? bytes_compare(handed_in(message)->time, time) >= 0 : message->id == next) {
            trace_story_add(message, line);
            is_taken = true;
        }
    if (seen->story && (is_general || !is_taken))
        trace_story_add(seen->story, line);
}

static struct seen *seen_of(struct table *table, uint64_t session)
{
    struct seen *seen = table_find(table, session);
    if (!seen) {
        seen = NEW(struct seen);
        seen->handed.session = session;
        (void)table_add(table, session, seen);
    }
    return seen;
}

static struct table *find_sessions(struct search *search)
{
    struct table *table = table_new(0);
    struct table *messages = sort_by_session(search);
    void *value;
    for (size_t place = 0; table_next(messages, &place, &value);)
        seen_of(table, ((struct trace_story *)value)->session)->messages = value;
    for (size_t place = 0; table_next(search->sessions, &place, &value);)
        seen_of(table, ((struct trace_story *)value)->session)->story = value;
    table_free(messages);
    return table;
}

static void select_sessions(struct search *search, const struct table *table)
{
    void *value;
    trace_files_select_none(search->files);
    if (table_count(table) > SELECT_MOST)
        trace_files_select_all(search->files);
    else
        for (size_t place = 0; table_next(table, &place, &value);)
            select_number(search, ((struct seen *)value)->handed.session);
}

/* All lines of these sessions: first those with a message, then the others. */
static void visit_sessions(struct search *search, const struct table *table, bool is_handed)
{
    const struct trace_block *block;
    for (size_t place = 0; (block = trace_files_next(search->files, &place));) {
        struct trace_finder finder;
        struct bytes rest = block->text, line;
        trace_finder_init(&finder, BYTES(" session="));
        while (trace_finder_next(&finder, &rest, &line)) {
            uint64_t session = trace_field_id(line, BYTES("session"));
            struct seen *seen = session ? table_find(table, session) : NULL;
            if (!seen || is_handed != (trace_field_id(line, BYTES("id")) != 0))
                continue;
            if (is_handed)
                trace_story_add(&seen->handed, line);
            else
                take_session_line(search, seen, line);
        }
    }
}

static void read_sessions(struct search *search)
{
    struct table *table = find_sessions(search);
    void *value;
    select_sessions(search, table);
    visit_sessions(search, table, true);
    for (size_t place = 0; table_next(table, &place, &value);)
        trace_story_sort(&((struct seen *)value)->handed);
    visit_sessions(search, table, false);
    for (size_t place = 0; table_next(table, &place, &value);) {
        free(((struct seen *)value)->handed.lines);
        free(value);
    }
    table_free(table);
}

/* --- At last: in order ------------------------------------------------------------------------ */

static int compare_stories(const void *a, const void *b)
{
    const struct trace_story *one = *(struct trace_story *const *)a;
    const struct trace_story *two = *(struct trace_story *const *)b;
    bool is_rest_one = !one->id && !one->session, is_rest_two = !two->id && !two->session;
    if (is_rest_one != is_rest_two)
        return is_rest_one - is_rest_two;
    int order = bytes_compare(one->lines[0].time, two->lines[0].time);
    return order ? order : one->id - 1 < two->id - 1 ? -1 : one->id != two->id;
}

/* Nothing happened in it that its messages do not tell. */
static bool is_told(const struct search *search, const struct trace_story *story)
{
    if (story->count == 0)
        return true;
    if (story->id || !story->session)
        return false;
    for (size_t i = 0; i < story->count; i++)
        if (!is_of_session(story->lines[i].text))
            return false;
    for (size_t i = 0; i < search->out->count; i++)
        if (search->out->stories[i]->id && search->out->stories[i]->session == story->session)
            return true;
    return false;
}

static void free_story(struct trace_story *story)
{
    free(story->lines);
    free(story);
}

static void put_in_order(struct search *search)
{
    struct trace_stories *out = search->out;
    size_t kept = 0;
    bool *is_left_out = memory_new(out->count, sizeof *is_left_out);
    for (size_t i = 0; i < out->count; i++) {
        trace_story_sort(out->stories[i]);
        is_left_out[i] = is_told(search, out->stories[i]);
    }
    for (size_t i = 0; i < out->count; i++)
        if (is_left_out[i])
            free_story(out->stories[i]);
        else
            out->stories[kept++] = out->stories[i];
    free(is_left_out);
    out->count = kept;
    if (kept)
        qsort(out->stories, kept, sizeof(struct trace_story *), compare_stories);
}

void trace_search(struct trace_files *files, const struct trace_query *query, size_t most,
                  struct trace_stories *out)
{
    *out = (struct trace_stories){.count = 0};
    struct search search = {.files = files,
                            .query = query,
                            .out = out,
                            .messages = table_new(0),
                            .sessions = table_new(0)};
    search.rest = add_story(&search, 0, 0);
    find_stories(&search, most);
    if (table_count(search.messages))
        read_messages(&search);
    read_sessions(&search);
    put_in_order(&search);
    table_free(search.messages);
    table_free(search.sessions);
}

void trace_stories_done(struct trace_stories *stories)
{
    for (size_t i = 0; i < stories->count; i++)
        free_story(stories->stories[i]);
    free(stories->stories);
}
