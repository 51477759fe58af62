#include <errno.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/option.h"
#include "cli/trace_attempts.h"
#include "cli/trace_follow.h"
#include "cli/trace_json.h"
#include "cli/trace_page.h"

enum {
    STORIES_MOST = 1000,
    STORIES_LIMIT = 100 * 1000,
    /* The server is asked of so many messages at most, and failed connections looked for. Text
     * only: for programs there is `queue show --json`. */
    STATES_MOST = 50
};

struct given {
    const char *config, *since, *until, *limit, *is_follow, *is_json;
};

static const struct option options[] = {
    {.name = "--config",
     .argument = "FILE",
     .offset = offsetof(struct given, config),
     .help = "the configuration (default " COMMAND_CONFIG_DEFAULT ")"},
    {.name = "--since",
     .argument = "WHEN",
     .offset = offsetof(struct given, since),
     .help = "what something happened to since then: 2h, 3d, 10:30, 2026-11-25,\n"
             "      \"2026-11-25 10:30\" (local time) or 2026-11-25T10:30:00Z"},
    {.name = "--until",
     .argument = "WHEN",
     .offset = offsetof(struct given, until),
     .help = "what something happened to until then"},
    {.name = "--limit",
     .argument = "N",
     .offset = offsetof(struct given, limit),
     .help = "so many messages and sessions at most, the newest (default 1000)"},
    {.name = "--follow",
     .letter = "-f",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct given, is_follow),
     .help = "go on printing as it happens: a message until it is finished, else until Ctrl-C"},
    {.name = "--json",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct given, is_json),
     .help = "print JSON for programs: an object a line, one for each event"},
};

struct trace {
    struct given given;
    const char *wanted; /* NULL: everything */
    struct trace_query query;
    uint64_t most;
    struct config *config;
    struct trace_files *files;
    struct trace_stories stories;
};

void command_trace_options(FILE *out)
{
    option_print(options, COUNT(options), out);
}

static bool read_line(struct trace *trace, char **words, size_t count, struct error *err)
{
    struct option_list operands = {.count = 0};
    struct given *given = &trace->given;
    if (!option_read(options, COUNT(options), words, count, given, &operands, err))
        return false;
    if (operands.count > 1)
        return error_set(err, 0, "one ID, ADDRESS or HOST at a time, not \"%.60s\" too",
                         operands.at[1]);
    trace->wanted = operands.count ? operands.at[0] : NULL;
    trace->most = STORIES_MOST;
    if (given->limit &&
        (!scan_u64(bytes_of(given->limit), STORIES_LIMIT, &trace->most) || trace->most == 0))
        return error_set(err, 0, "--limit takes a number from 1 to %d, not \"%.60s\"",
                         STORIES_LIMIT, given->limit);
    if (given->is_follow && given->until)
        return error_set(err, 0, "--follow goes on into the future; leave out --until");
    if (!trace->wanted && !given->is_follow && !given->since && !given->until)
        return error_set(err, 0,
                         "name a message's ID, an ADDRESS or a HOST, or a time (--since 1h), or "
                         "follow all that happens (--follow)");
    return trace_query_init(&trace->query, trace->wanted, given->since, given->until, err);
}

static void print_stories(const struct trace *trace)
{
    struct trace_page page;
    size_t states = STATES_MOST;
    trace_page_init(&page);
    for (size_t i = 0; i < trace->stories.count; i++) {
        struct trace_story *story = trace->stories.stories[i];
        struct trace_state state = {.recipients = NULL};
        bool is_asked = story->id && states > 0;
        bool is_answered = is_asked && trace_state_ask(trace->config, story->id, &state);
        if (is_asked)
            trace_attempts_add(story, trace->files, &state);
        if (i)
            putchar('\n');
        trace_page_story(&page, story, is_answered ? &state : NULL);
        if (is_asked && !is_answered)
            puts("  (the server does not answer; its journal ends here)");
        states = is_answered ? states - 1 : is_asked ? 0 : states;
        trace_state_done(&state);
    }
}

static void print_json(const struct trace_stories *stories)
{
    for (size_t i = 0; i < stories->count; i++)
        for (size_t j = 0; j < stories->stories[i]->count; j++)
            trace_json_print(stories->stories[i]->lines[j].text);
}

static void print(const struct trace *trace)
{
    if (trace->given.is_json)
        print_json(&trace->stories);
    else
        print_stories(trace);
    fflush(stdout);
    if (trace->stories.was_cut)
        fprintf(stderr,
                "postrider: only the newest are shown; name a shorter time by --since and --until, "
                "or raise --limit\n");
}

/* Only what happens from now on is wanted of everything. */
static bool is_from_now_on(const struct trace *trace)
{
    return trace->given.is_follow && !trace->wanted && !trace->given.since;
}

static int tell(struct trace *trace)
{
    if (!is_from_now_on(trace))
        trace_search(trace->files, &trace->query, (size_t)trace->most, &trace->stories);
    bool was_found = trace->stories.count > 0;
    if (was_found)
        print(trace);
    if (trace->given.is_follow && (was_found || !trace->query.id)) {
        struct trace_follow *follow =
            trace_follow_open(trace->config, &trace->query, trace->files, &trace->stories);
        trace_follow_run(follow, trace->given.is_json);
        trace_follow_close(follow);
        return EXIT_GOOD;
    }
    if (!was_found)
        fprintf(stderr,
                "postrider: nothing is known of %s%s; journals are kept for trace.keep, and look "
                "for a part of it: a domain, the client's address\n",
                trace->wanted ? trace->wanted : "anything",
                trace->given.since || trace->given.until ? " in that time" : "");
    return was_found ? EXIT_GOOD : EXIT_BAD;
}

static int open_all(struct trace *trace)
{
    struct error err;
    struct options where = {.config =
                                trace->given.config ? trace->given.config : COMMAND_CONFIG_DEFAULT};
    trace->config = command_config(&where);
    if (!trace->config)
        return EXIT_CONFIG;
    trace->files = trace_files_open(trace->config->trace_folder, &err);
    if (trace->files)
        return EXIT_GOOD;
    fprintf(stderr, "postrider: %s\n", err.text);
    if (err.os == ENOENT)
        fprintf(stderr,
                "postrider: there are no journals: the server has never run with this "
                "configuration (%s)\n",
                where.config);
    else if (err.os == EACCES)
        fprintf(stderr, "postrider: run this as the server's user or as root\n");
    return err.os == EACCES ? EXIT_DENIED : EXIT_LATER;
}

int command_trace(char **arguments, size_t count)
{
    struct trace trace = {.config = NULL};
    struct error err = {.text = ""};
    if (!read_line(&trace, arguments, count, &err)) {
        fprintf(stderr, "postrider: %s\nsee: postrider trace --help\n", err.text);
        return EXIT_USAGE;
    }
    int status = open_all(&trace);
    if (status == EXIT_GOOD)
        status = tell(&trace);
    trace_stories_done(&trace.stories);
    trace_files_close(trace.files);
    config_free(trace.config);
    return status;
}
