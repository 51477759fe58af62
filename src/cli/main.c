#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "daemon/child.h"

static const struct command commands[] = {
    {"serve", "", "run the server in the foreground",
     "Logs to standard error, one event a line, and serves when event=ready appears. SIGTERM or\n"
     "SIGINT stop it (limits.drain), SIGHUP makes it read its configuration again.\n"
     "Example:\n"
     "  postrider serve --config postrider.yaml\n",
     false, 0, 0, command_serve},
    {"check", "", "read the configuration and say what is wrong with it",
     "Checks the configuration only: permissions, DNS and ports are not looked at in this "
     "version.\n"
     "Exit status 0: good, 1: there are problems, each printed with its line and remedy.\n"
     "Example:\n"
     "  postrider check --config postrider.yaml\n",
     true, 0, 0, command_check},
    {"queue list", "", "list the messages that are not finished",
     "Example:\n"
     "  postrider queue list --json | jq '.[] | select(.from == \"ann@example.org\") | .id'\n",
     true, 0, 0, command_queue_list},
    {"queue show", "ID", "show one message and each of its recipients",
     "Exit status 1: there is no such message.\n"
     "Example:\n"
     "  postrider queue show 06fz3k8m0a1b2\n",
     true, 1, 1, command_queue_show},
    {"queue retry", "ID|all", "try a message, or all of them, now",
     "Destinations that were suspended because they did not answer are tried again too.\n"
     "Exit status 1: there is no such message.\n"
     "Examples:\n"
     "  postrider queue retry 06fz3k8m0a1b2\n"
     "  postrider queue retry all\n",
     true, 1, 1, command_queue_retry},
    {"queue delete", "ID", "remove a message without delivery and without a report",
     "A delivery that is under way finishes first. Exit status 1: there is no such message.\n"
     "Example:\n"
     "  postrider queue delete 06fz3k8m0a1b2\n",
     true, 1, 1, command_queue_delete},
    {"queue stats", "", "count messages, deliveries and results",
     "Example:\n"
     "  postrider queue stats --json\n",
     true, 0, 0, command_queue_stats},
    {"trace", "ID|ADDRESS|HOST", "tell the story of messages",
     "Reads the processes' trace journals, which works while the server is stopped too.\n"
     "Exit status 1: nothing is known.\n"
     "Examples:\n"
     "  postrider trace 06fz3k8m0a1b2\n"
     "  postrider trace ann@example.org\n"
     "  postrider trace mx.example.org\n",
     true, 1, 1, command_trace},
    {"reload", "", "make the server read its configuration again",
     "With a problem in it the old configuration stays in force and the exit status is 1. Changes "
     "of\n"
     "listen, workers, spool.path, run, user and deliver.mailbox need a restart.\n"
     "Example:\n"
     "  postrider reload && postrider queue retry all\n",
     true, 0, 0, command_reload},
    {"stop", "", "end the server",
     "Waits until sessions and deliveries under way are finished (limits.drain) and the server "
     "has\n"
     "ended. Mail that is not delivered stays in the spool.\n"
     "Example:\n"
     "  postrider stop\n",
     true, 0, 0, command_stop},
};

static int print_version(void)
{
    printf("postrider %s\n", POSTRIDER_VERSION);
    return EXIT_GOOD;
}

static void print_commands(FILE *out)
{
    fprintf(out, "postrider: a mail server in one program\n\n"
                 "usage: postrider COMMAND [--config FILE] [--json] [ARGUMENT]\n\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        fprintf(out, "  %-13s %-16s %s\n", commands[i].name, commands[i].usage, commands[i].does);
    fprintf(out,
            "  %-13s %-16s %s\n"
            "  %-13s %-16s %s\n"
            "  %-13s %-16s %s\n\n"
            "postrider COMMAND --help explains each, with examples.\n",
            "help", "[COMMAND]", "explain a command", "help config", "",
            "list the configuration's keys and their defaults", "version", "", "print the version");
}

static int print_help(const struct command *command)
{
    printf("usage: postrider %s [--config FILE]%s%s%s\n\n%s\n\n%s\n"
           "  --config FILE  the configuration (default " COMMAND_CONFIG_DEFAULT ")\n",
           command->name, command->takes_json ? " [--json]" : "", command->usage[0] ? " " : "",
           command->usage, command->does, command->help);
    if (command->takes_json)
        printf("  --json         print JSON for programs\n");
    return EXIT_GOOD;
}

static int print_config_keys(void)
{
    struct buf out;
    buf_init(&out, 65536);
    config_print_keys(&out);
    printf("Keys of " COMMAND_CONFIG_DEFAULT ": kind, default and meaning.\n\n%.*s",
           BYTES_ARGS(buf_view(&out)));
    buf_done(&out);
    return EXIT_GOOD;
}

/* How many of the words name the command; 0: not this one. */
static size_t match(const struct command *command, const char *const *words, size_t count)
{
    const char *space = strchr(command->name, ' ');
    size_t first_len = space ? (size_t)(space - command->name) : strlen(command->name);
    if (count == 0 || strlen(words[0]) != first_len ||
        strncmp(words[0], command->name, first_len) != 0)
        return 0;
    if (!space)
        return 1;
    return count > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

static const struct command *find_command(const char *const *words, size_t count, size_t *named)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if ((*named = match(&commands[i], words, count)) > 0)
            return &commands[i];
    return NULL;
}

static int complain(const char *what, const char *word)
{
    fprintf(stderr, "postrider: %s%s%s; see: postrider help\n", what, word ? " " : "",
            word ? word : "");
    return EXIT_USAGE;
}

/* Sorts the arguments into options and words; false: it has complained. */
static bool sort_arguments(char **arguments, size_t count, struct options *options, bool *is_help)
{
    for (size_t i = 0; i < count; i++) {
        char *argument = arguments[i];
        if (strcmp(argument, "--json") == 0) {
            options->is_json = true;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            *is_help = true;
        } else if (strcmp(argument, "--config") == 0 || strcmp(argument, "-c") == 0) {
            if (++i == count)
                return complain("--config needs a FILE", NULL) == EXIT_GOOD;
            options->config = arguments[i];
        } else if (strncmp(argument, "--config=", 9) == 0) {
            options->config = argument + 9;
        } else if (argument[0] == '-' && argument[1]) {
            return complain("there is no option", argument) == EXIT_GOOD;
        } else {
            options->words[options->word_count++] = argument;
        }
    }
    return true;
}

static int dispatch(struct options *options, bool is_help)
{
    if (options->word_count && strcmp(options->words[0], "help") == 0) {
        is_help = true;
        options->words++;
        options->word_count--;
    }
    if (options->word_count == 0) {
        print_commands(is_help ? stdout : stderr);
        return is_help ? EXIT_GOOD : EXIT_USAGE;
    }
    if (strcmp(options->words[0], "version") == 0)
        return print_version();
    if (is_help && strcmp(options->words[0], "config") == 0)
        return print_config_keys();
    size_t named;
    const struct command *command = find_command(options->words, options->word_count, &named);
    if (!command)
        return complain(strcmp(options->words[0], "queue") == 0
                            ? "queue takes list, show, retry, delete or stats, not"
                            : "there is no command",
                        strcmp(options->words[0], "queue") != 0 ? options->words[0]
                        : options->word_count > 1               ? options->words[1]
                                                                : "nothing");
    if (is_help)
        return print_help(command);
    options->words += named;
    options->word_count -= named;
    if (options->is_json && !command->takes_json)
        return complain("no --json for", command->name);
    if (options->word_count < command->least_words || options->word_count > command->most_words) {
        fprintf(stderr, "usage: postrider %s %s\n", command->name, command->usage);
        return EXIT_USAGE;
    }
    return command->run(options);
}

int main(int count, char **arguments)
{
    /* How the supervisor starts its children; not for people. */
    if (count == 4 && strcmp(arguments[1], "child") == 0)
        return child_run(arguments[2], arguments[3]);
    if (count == 2 && strcmp(arguments[1], "--version") == 0)
        return print_version();
    const char **words = calloc((size_t)count, sizeof *words);
    struct options options = {.config = COMMAND_CONFIG_DEFAULT, .words = words};
    bool is_help = false;
    int status = EXIT_USAGE;
    if (words && sort_arguments(arguments + 1, (size_t)count - 1, &options, &is_help))
        status = dispatch(&options, is_help);
    free(words);
    return status;
}
