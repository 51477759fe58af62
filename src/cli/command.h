/* postrider's subcommands: one file each; main.c only dispatches. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "daemon/config.h"

/* Exit statuses (sysexits.h where they fit). */
enum {
    EXIT_GOOD = 0,
    EXIT_BAD = 1,
    EXIT_USAGE = 2,
    EXIT_LATER = 75,
    EXIT_DENIED = 77,
    EXIT_CONFIG = 78
};

#define COMMAND_CONFIG_DEFAULT "/etc/postrider/postrider.yaml"

/* What the command line says behind the command's words. */
struct options {
    const char *config; /* --config FILE */
    bool is_json;       /* --json */
    const char **words; /* what is no option */
    size_t word_count;
};

struct command {
    const char *name;  /* "queue list" */
    const char *usage; /* behind the name: "[--json] ID" */
    const char *does;  /* one line, for the list of commands */
    const char *help;  /* what there is to know, and examples; whole lines */
    bool takes_json;
    size_t least_words, most_words;
    int (*run)(const struct options *options);
};

int command_serve(const struct options *options);
int command_check(const struct options *options);
int command_queue_list(const struct options *options);
int command_queue_show(const struct options *options);
int command_queue_retry(const struct options *options);
int command_queue_delete(const struct options *options);
int command_queue_stats(const struct options *options);
int command_trace(const struct options *options);
int command_reload(const struct options *options);
int command_stop(const struct options *options);

/* For the commands (config.c): the configuration, or NULL after its problems went to standard
 * error. */
struct config *command_config(const struct options *options);
