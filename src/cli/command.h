/* postrider's subcommands: one file each; main.c only dispatches. */
#pragma once

#include <stdio.h>

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

/* Which messages a command is about (cli/queue_select.h); NULL: not given. */
struct options_select {
    const char *from, *to, *domain, *older, *younger, *reply, *status, *lane;
};

/* What the command line says behind the command's words. */
struct options {
    const char *config;  /* --config FILE */
    const char *is_json; /* --json; NULL: not given, as with all of them */
    const char *is_yes, *is_dry_run;
    const char *wait; /* --wait DURATION */
    const char *is_password_stdin, *is_generated, *is_without_password, *is_removed;
    const char *is_table;
    struct options_select select;
    const char **words; /* what is no option */
    size_t word_count;
};

/* The options that a command takes beside --config and --help. */
enum {
    TAKES_JSON = 1,
    TAKES_SELECTION = 2,
    TAKES_DRY_RUN = 4,
    TAKES_YES = 8,
    TAKES_WAIT = 16,
    TAKES_PASSWORD = 32,
    TAKES_NO_PASSWORD = 64,
    TAKES_REMOVE = 128,
    TAKES_TABLE = 256
};

struct command {
    const char *name;  /* "queue list" */
    const char *usage; /* behind the name: "[--json] ID" */
    const char *does;  /* one line, for the list of commands */
    const char *help;  /* what there is to know, and examples; whole lines */
    unsigned takes;    /* TAKES_… */
    size_t least_words, most_words;
    int (*run)(const struct options *options);
    /* A command with many options of its own reads all of them itself (run is NULL), and prints
     * them for the help. */
    int (*run_own)(char **arguments, size_t count);
    void (*print_options)(FILE *out);
};

int command_init(char **arguments, size_t count);
void command_init_options(FILE *out);
int command_serve(const struct options *options);
int command_check(char **arguments, size_t count);
void command_check_options(FILE *out);
int command_queue_list(const struct options *options);
int command_queue_show(const struct options *options);
int command_queue_hold(const struct options *options);
int command_queue_release(const struct options *options);
int command_queue_retry(const struct options *options);
int command_queue_delete(const struct options *options);
int command_queue_stats(const struct options *options);
int command_trace(char **arguments, size_t count);
void command_trace_options(FILE *out);
int command_bench_send(char **arguments, size_t count);
int command_bench_sink(char **arguments, size_t count);
int command_bench_relay(char **arguments, size_t count);
void command_bench_send_options(FILE *out);
void command_bench_sink_options(FILE *out);
void command_bench_relay_options(FILE *out);
int command_probe(char **arguments, size_t count);
void command_probe_options(FILE *out);
int command_send(char **arguments, size_t count);
void command_send_options(FILE *out);
int command_verify(char **arguments, size_t count);
void command_verify_options(FILE *out);
int command_import_postfix(char **arguments, size_t count);
void command_import_postfix_options(FILE *out);
int command_dkim_new(const struct options *options);
int command_dkim_import(const struct options *options);
int command_dkim_list(const struct options *options);
int command_dkim_rotate(const struct options *options);
int command_dkim_retire(const struct options *options);
int command_dns_show(const struct options *options);
int command_dns_check(const struct options *options);
int command_ban_list(const struct options *options);
int command_ban_lift(const struct options *options);
int command_user_add(const struct options *options);
int command_user_list(const struct options *options);
int command_user_passwd(const struct options *options);
int command_user_disable(const struct options *options);
int command_user_enable(const struct options *options);
int command_user_remove(const struct options *options);
int command_user_app_password(const struct options *options);
int command_user_grant(const struct options *options);
int command_user_limit(const struct options *options);
int command_sendmail(char **arguments, size_t count);
void command_sendmail_options(FILE *out);
/* The same, called by another name ("sendmail", "mailq", "newaliases"). */
int sendmail_main(const char *name, char **arguments, size_t count);
int command_reload(const struct options *options);
int command_stop(const struct options *options);

/* For the commands (config.c): the configuration, or NULL after its problems went to standard
 * error. */
struct config *command_config(const struct options *options);
