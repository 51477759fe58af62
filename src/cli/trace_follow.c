#include "cli/trace_follow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/table.h"
#include "cli/trace_attempts.h"
#include "cli/trace_field.h"
#include "cli/trace_json.h"
#include "daemon/journal_files.h"

enum {
    POLL_MS = 200,
    ASK_EVERY = 5, /* polls */
    READ_ROOM = 256 << 10,
    REST_MOST = 8 << 20,      /* of text that is not printed yet */
    NUMBERS_MOST = 100 * 1000 /* messages and sessions remembered */
};

/* A process's journal. */
struct tail {
    char *path;
    int fd; /* -1: it is not there yet */
    uint64_t offset;
    struct buf rest; /* read, and not printed yet */
    size_t taken;
};

struct trace_follow {
    const struct config *config;
    const struct trace_query *query;
    struct tail *tails;
    size_t count, room;
    struct table *numbers; /* of messages and sessions; values are not used */
    struct map *lanes;     /* of the message that is asked for; the same */
    struct trace_page page;
    bool is_json, is_message, has_news;
    uint8_t read[READ_ROOM];
};

static void know(struct trace_follow *follow, uint64_t number)
{
    static const char known = 0;
    if (number && table_count(follow->numbers) < NUMBERS_MOST)
        (void)table_add(follow->numbers, number, (void *)(uintptr_t)&known);
}

static void know_lane(struct trace_follow *follow, struct bytes lane)
{
    static const char known = 0;
    if (lane.len)
        (void)map_add(follow->lanes, lane, (void *)(uintptr_t)&known);
}

static void know_lanes(struct trace_follow *follow, const struct trace_story *story)
{
    struct trace_state state;
    struct trace_waiting waiting;
    for (size_t i = 0; i < story->count; i++)
        know_lane(follow, trace_field_raw(story->lines[i].text, BYTES("lane")));
    if (!trace_state_ask(follow->config, story->id, &state))
        return;
    for (size_t place = 0; trace_state_next(&state, &place, &waiting);)
        know_lane(follow, waiting.lane);
    trace_state_done(&state);
}

static struct tail *add_tail(struct trace_follow *follow, const char *path, int fd_owned,
                             uint64_t offset)
{
    if (follow->count == follow->room) {
        follow->room = follow->room ? follow->room * 2 : 8;
        follow->tails = memory_resize(follow->tails, follow->room, sizeof *follow->tails);
    }
    struct tail *tail = &follow->tails[follow->count++];
    *tail = (struct tail){.path = strdup(path), .fd = fd_owned, .offset = offset};
    ASSERT(tail->path);
    buf_init(&tail->rest, REST_MOST + READ_ROOM);
    return tail;
}

struct trace_follow *trace_follow_open(const struct config *config, const struct trace_query *query,
                                       const struct trace_files *files,
                                       const struct trace_stories *stories)
{
    struct trace_follow *follow = NEW(struct trace_follow);
    struct trace_tail at;
    follow->config = config;
    follow->query = query;
    follow->numbers = table_new(0);
    follow->lanes = map_new(0);
    trace_page_init(&follow->page);
    know(follow, query->id);
    for (size_t i = 0; i < stories->count; i++) {
        if (query->id && stories->stories[i]->id == query->id) {
            follow->is_message = true;
            know_lanes(follow, stories->stories[i]);
        }
        know(follow, stories->stories[i]->id);
        know(follow, stories->stories[i]->session);
    }
    for (size_t place = 0; trace_files_tail(files, &place, &at);)
        add_tail(follow, at.path, fcntl(at.fd, F_DUPFD_CLOEXEC, 0), at.offset);
    return follow;
}

void trace_follow_close(struct trace_follow *follow)
{
    if (!follow)
        return;
    for (size_t i = 0; i < follow->count; i++) {
        if (follow->tails[i].fd >= 0)
            close(follow->tails[i].fd);
        buf_done(&follow->tails[i].rest);
        free(follow->tails[i].path);
    }
    free(follow->tails);
    table_free(follow->numbers);
    map_free(follow->lanes);
    free(follow);
}

/* --- Lines ------------------------------------------------------------------------------------ */

static bool is_known(const struct trace_follow *follow, uint64_t number)
{
    return number && table_find(follow->numbers, number);
}

static void take_line(struct trace_follow *follow, struct bytes line)
{
    uint64_t id = trace_field_id(line, BYTES("id"));
    uint64_t session = trace_field_id(line, BYTES("session"));
    bool is_match = trace_query_matches(follow->query, line);
    /* Of a known session only what is of no message, or of one that is known. */
    bool is_attempt =
        trace_is_attempt(line) && map_find(follow->lanes, trace_field_raw(line, BYTES("lane")));
    if (!is_match && !is_attempt && !is_known(follow, id) && (id || !is_known(follow, session)))
        return;
    if (is_match && !follow->query->id)
        know(follow, id ? id : session);
    follow->has_news = true;
    if (follow->is_json)
        trace_json_print(line);
    else
        trace_page_event(&follow->page, line);
    fflush(stdout);
}

/* --- Files ------------------------------------------------------------------------------------ */

/* Not more at once than is worth sorting. */
static void read_on(struct trace_follow *follow, struct tail *tail)
{
    ssize_t got = 1;
    while (tail->fd >= 0 && got > 0 && tail->rest.len < REST_MOST) {
        got = pread(tail->fd, follow->read, READ_ROOM, (off_t)tail->offset);
        if (got <= 0)
            return;
        tail->offset += (uint64_t)got;
        buf_add(&tail->rest, (struct bytes){follow->read, (size_t)got});
    }
}

/* Once the path leads to another file, the old one has its last lines already: they were written
 * before it was renamed. */
static void look_again(struct trace_follow *follow, struct tail *tail)
{
    struct stat now, open_one;
    if (tail->rest.len >= REST_MOST || stat(tail->path, &now) != 0)
        return;
    bool is_same = tail->fd >= 0 && fstat(tail->fd, &open_one) == 0 &&
                   open_one.st_ino == now.st_ino && open_one.st_dev == now.st_dev;
    if (is_same)
        return;
    read_on(follow, tail);
    if (tail->rest.len >= REST_MOST)
        return;
    if (tail->fd >= 0)
        close(tail->fd);
    tail->fd = open(tail->path, O_RDONLY | O_CLOEXEC);
    tail->offset = 0;
    read_on(follow, tail);
}

/* The whole lines that were read, of all processes, in the order of their times. */
static void take_lines(struct trace_follow *follow)
{
    struct trace_story batch = {.id = 0};
    struct bytes line;
    for (size_t i = 0; i < follow->count; i++) {
        struct tail *tail = &follow->tails[i];
        struct bytes rest = buf_view(&tail->rest);
        for (; bytes_find(rest, '\n') < rest.len; bytes_cut(rest, '\n', &line, &rest))
            trace_story_add(&batch, bytes_sub(rest, 0, bytes_find(rest, '\n')));
        tail->taken = tail->rest.len - rest.len;
    }
    trace_story_sort(&batch);
    for (size_t i = 0; i < batch.count; i++)
        take_line(follow, batch.lines[i].text);
    free(batch.lines);
    for (size_t i = 0; i < follow->count; i++)
        buf_drop(&follow->tails[i].rest, follow->tails[i].taken);
}

static bool has_tail(const struct trace_follow *follow, const char *path)
{
    for (size_t i = 0; i < follow->count; i++)
        if (strcmp(follow->tails[i].path, path) == 0)
            return true;
    return false;
}

/* A process that has begun since. */
static void find_new(struct trace_follow *follow)
{
    struct journal_file *files;
    size_t count;
    struct error err;
    if (!journal_files_list(follow->config->trace_folder, &files, &count, &err))
        return;
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX + 300];
        snprintf(path, sizeof path, "%s/%s", follow->config->trace_folder, files[i].name);
        if (!files[i].closed_ms && !has_tail(follow, path))
            read_on(follow, add_tail(follow, path, open(path, O_RDONLY | O_CLOEXEC), 0));
    }
    journal_files_free(files, count);
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Nothing more can happen to a message that is in the queue no more. Where no server answers, it
 * may yet be started. */
static bool is_finished(const struct trace_follow *follow)
{
    struct trace_state state;
    struct trace_waiting waiting;
    size_t place = 0;
    if (!follow->is_message || !trace_state_ask(follow->config, follow->query->id, &state))
        return false;
    bool is_open = trace_state_next(&state, &place, &waiting);
    trace_state_done(&state);
    return !is_open;
}

void trace_follow_run(struct trace_follow *follow, bool is_json)
{
    follow->is_json = is_json;
    for (size_t turn = 0; !ferror(stdout); turn++) {
        follow->has_news = turn % ASK_EVERY == 0;
        for (size_t i = 0; i < follow->count; i++) {
            read_on(follow, &follow->tails[i]);
            look_again(follow, &follow->tails[i]);
        }
        find_new(follow);
        take_lines(follow);
        /* What is read after the answer was written before it. */
        if (follow->has_news && is_finished(follow)) {
            for (size_t i = 0; i < follow->count; i++)
                read_on(follow, &follow->tails[i]);
            take_lines(follow);
            return;
        }
        (void)poll(NULL, 0, POLL_MS);
    }
}
