/* postrider queue hold, release, retry and delete. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/queue_select.h"
#include "cli/talk.h"

struct counts {
    unsigned long long count, matched;
};

/* "3 messages are held now." */
static const struct act {
    const char *name, *one, *more, *others;
} acts[] = {
    {"hold", "is held now", "are held now", "held already"},
    {"release", "goes on", "go on", "not held"},
    {"retry", "will be tried now", "will be tried now", "held, or under way now"},
    {"delete", "deleted", "deleted", "gone by now"},
};

static void take_counts(void *context, const json_t *line)
{
    struct counts *counts = context;
    counts->count = (unsigned long long)json_integer_value(json_object_get(line, "count"));
    counts->matched = (unsigned long long)json_integer_value(json_object_get(line, "matched"));
}

static int ask_server(const struct options *options, const char *name, struct counts *counts)
{
    json_t *request = queue_select_request(options, name);
    return request ? talk_with(options, request, take_counts, counts) : EXIT_USAGE;
}

static const char *messages(unsigned long long count)
{
    return count == 1 ? "message" : "messages";
}

/* True: the operator said yes, now or with --yes. */
static bool is_meant(const struct options *options, unsigned long long count)
{
    char answer[16];
    if (options->is_yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr,
                "postrider: this would delete %llu %s: say so with --yes\n"
                "to see which: postrider queue list with the same selection\n",
                count, messages(count));
        return false;
    }
    fprintf(stderr, "Delete %llu %s, without delivery and without a report? [y/N] ", count,
            messages(count));
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int print_dry_run(const struct options *options, const struct act *act)
{
    struct counts counts = {0};
    int status = ask_server(options, "count", &counts);
    if (status != EXIT_GOOD)
        return status;
    if (options->is_json)
        printf("{\"count\": 0, \"matched\": %llu}\n", counts.matched);
    else
        printf("%llu %s selected; nothing was done (%s --dry-run).\n", counts.matched,
               messages(counts.matched), act->name);
    return EXIT_GOOD;
}

static int print_counts(const struct options *options, const struct act *act,
                        const struct counts *counts)
{
    unsigned long long others = counts->matched - counts->count;
    if (options->is_json)
        printf("{\"count\": %llu, \"matched\": %llu}\n", counts->count, counts->matched);
    if (queue_select_is_id(options) && counts->matched == 0)
        return queue_id_unknown(options->words[0]);
    if (options->is_json)
        return EXIT_GOOD;
    printf("%llu %s %s.\n", counts->count, messages(counts->count),
           counts->count == 1 ? act->one : act->more);
    if (others)
        printf("%llu selected %s: %s.\n", others, others == 1 ? "was not" : "were not",
               act->others);
    return EXIT_GOOD;
}

static int act_on(const struct options *options, const struct act *act)
{
    struct counts counts = {0};
    bool is_delete = strcmp(act->name, "delete") == 0;
    int status;
    if (options->is_dry_run)
        return print_dry_run(options, act);
    if (is_delete && !options->is_yes && !queue_select_is_id(options)) {
        status = ask_server(options, "count", &counts);
        if (status != EXIT_GOOD)
            return status;
        if (counts.matched > 0 && !is_meant(options, counts.matched))
            return EXIT_USAGE;
    }
    status = ask_server(options, act->name, &counts);
    return status == EXIT_GOOD ? print_counts(options, act, &counts) : status;
}

int command_queue_hold(const struct options *options)
{
    return act_on(options, &acts[0]);
}

int command_queue_release(const struct options *options)
{
    return act_on(options, &acts[1]);
}

int command_queue_retry(const struct options *options)
{
    return act_on(options, &acts[2]);
}

int command_queue_delete(const struct options *options)
{
    return act_on(options, &acts[3]);
}
