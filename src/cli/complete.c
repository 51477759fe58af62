#include "cli/complete.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/talk.h"

enum {
    MESSAGES_MOST = 200, /* nobody picks one of more */
    WAIT_SECONDS = 3,
    NAME_LIMIT = 64,
    VALUE_LIMIT = 64,
};

/* A command line as far as it is understood. */
struct line {
    const struct complete_tables *tables;
    char **words;
    size_t count;        /* without the last one */
    const char *current; /* the last one */
    const char *names[2];
    size_t name_count; /* words of the command that are there; the command itself may not be */
    const struct command *command;
    char *options;      /* as print_options prints them */
    size_t place_count; /* words behind the command that are no options */
    const char *config;
};

/* --- Options ---------------------------------------------------------------------------------- */

struct option {
    char name[NAME_LIMIT], value[VALUE_LIMIT]; /* value "": it takes none */
};

/* A value's word in the help begins with a capital, or is a choice (a|b); its text does neither. */
static bool is_value(struct bytes word)
{
    return word.len && word.len < VALUE_LIMIT &&
           ((word.at[0] >= 'A' && word.at[0] <= 'Z') || memchr(word.at, '|', word.len));
}

/* Takes the next option off the text of a help. */
static bool next_option(struct bytes *help, struct option *out)
{
    struct bytes line, word, rest;
    while (help->len) {
        bytes_cut(*help, '\n', &line, help);
        if (!bytes_starts(line, BYTES("  --")))
            continue;
        bytes_cut(bytes_from(line, 2), ' ', &word, &rest);
        if (word.len && word.at[word.len - 1] == ',') {
            word.len--;
            bytes_cut(rest, ' ', &line, &rest); /* the letter */
        }
        if (word.len >= NAME_LIMIT)
            continue;
        snprintf(out->name, sizeof out->name, "%.*s", BYTES_ARGS(word));
        bytes_cut(bytes_trim(rest), ' ', &word, &rest);
        if (!is_value(word))
            word.len = 0;
        snprintf(out->value, sizeof out->value, "%.*s", BYTES_ARGS(word));
        return true;
    }
    return false;
}

/* The kind of value that the option takes; false: none, or there is no such option. */
static bool find_value(const struct line *line, const char *name, size_t len, struct option *out)
{
    struct bytes help = bytes_of(line->options ? line->options : "  --config FILE\n");
    if (len == 2 && strncmp(name, "-c", 2) == 0) {
        snprintf(out->value, sizeof out->value, "FILE");
        return true;
    }
    while (next_option(&help, out))
        if (strlen(out->name) == len && strncmp(out->name, name, len) == 0)
            return out->value[0] != 0;
    return false;
}

static char *print_to_text(const struct complete_tables *tables, const struct command *command)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    tables->print_options(command, out);
    fclose(out);
    return text;
}

/* --- Reading the line ------------------------------------------------------------------------- */

static bool is_named(const struct command *command, const struct line *line)
{
    const char *space = strchr(command->name, ' ');
    size_t first_len = space ? (size_t)(space - command->name) : strlen(command->name);
    if (line->name_count < (space ? 2 : 1) || strlen(line->names[0]) != first_len ||
        strncmp(line->names[0], command->name, first_len) != 0)
        return false;
    return !space || strcmp(line->names[1], space + 1) == 0;
}

static void find_command(struct line *line)
{
    for (size_t i = 0; !line->command && i < line->tables->command_count; i++)
        if (is_named(&line->tables->commands[i], line))
            line->command = &line->tables->commands[i];
    if (!line->command)
        return;
    line->options = print_to_text(line->tables, line->command);
}

static void read_word(struct line *line, const char *word)
{
    if (line->command) {
        line->place_count++;
    } else if (line->name_count < COUNT(line->names)) {
        line->names[line->name_count++] = word;
        find_command(line);
    }
}

/* Reads all words but the last one. The name of the option whose value that one is, or NULL. */
static const char *read_words(struct line *line)
{
    struct option option;
    for (size_t i = 0; i < line->count; i++) {
        const char *word = line->words[i];
        size_t len = strcspn(word, "=");
        if (word[0] != '-' || !word[1]) {
            if (line->name_count || strcmp(word, "help") != 0)
                read_word(line, word);
            continue;
        }
        if (word[len]) {
            if (strncmp(word, "--config", len) == 0)
                line->config = word + len + 1;
            continue;
        }
        if (!find_value(line, word, len, &option))
            continue;
        if (++i == line->count)
            return word;
        if (strcmp(word, "--config") == 0 || strcmp(word, "-c") == 0)
            line->config = line->words[i];
    }
    return NULL;
}

/* --- Offering --------------------------------------------------------------------------------- */

static void offer(const struct line *line, const char *prefix, struct bytes word, const char *does)
{
    size_t prefix_len = strlen(prefix), len = strlen(line->current);
    if (len < prefix_len || strncmp(line->current, prefix, prefix_len) != 0)
        return;
    if (!bytes_starts(word, bytes_of(line->current + prefix_len)))
        return;
    printf("%s%.*s\t%s\n", prefix, BYTES_ARGS(word), does);
}

/* A word that several commands begin with: "list, show, hold". */
static void offer_group(const struct line *line, struct bytes group)
{
    struct buf members;
    struct bytes first, second;
    buf_init(&members, 1024);
    for (size_t i = 0; i < line->tables->command_count; i++)
        if (bytes_cut(bytes_of(line->tables->commands[i].name), ' ', &first, &second) &&
            bytes_equal(first, group))
            buf_addf(&members, "%s%.*s", members.len ? ", " : "", BYTES_ARGS(second));
    buf_add_byte(&members, 0);
    offer(line, "", group, members.overflowed ? "" : (const char *)members.at);
    buf_done(&members);
}

static void offer_commands(const struct line *line)
{
    struct bytes last = {NULL, 0};
    for (size_t i = 0; i < line->tables->command_count; i++) {
        const struct command *command = &line->tables->commands[i];
        struct bytes first, second;
        bool has_two = bytes_cut(bytes_of(command->name), ' ', &first, &second);
        if (line->name_count == 1 && has_two && bytes_equal(first, bytes_of(line->names[0])))
            offer(line, "", second, command->does);
        /* Those that begin alike stand together. */
        if (line->name_count == 0 && has_two && !bytes_equal(first, last))
            offer_group(line, first);
        else if (line->name_count == 0 && !has_two)
            offer(line, "", first, command->does);
        last = first;
    }
    if (line->name_count == 0) {
        offer(line, "", BYTES("help"), "explain a command");
        offer(line, "", BYTES("version"), "print the version");
    }
}

static void offer_options(const struct line *line)
{
    struct bytes help = bytes_of(line->options ? line->options : "");
    struct option option;
    while (next_option(&help, &option))
        offer(line, "", bytes_of(option.name), option.value);
    offer(line, "", BYTES("--help"), "explain the command");
}

struct messages {
    const struct line *line;
    size_t count;
};

static void take_message(void *context, const json_t *reply)
{
    struct messages *messages = context;
    const json_t *message = json_object_get(reply, "message");
    const char *id = json_string_value(json_object_get(message, "id"));
    const char *from = json_string_value(json_object_get(message, "from"));
    if (!id || messages->count++ == MESSAGES_MOST)
        return;
    offer(messages->line, "", bytes_of(id), from && from[0] ? from : "<>");
}

/* NULL: there is none, or it is not this user's to read; then nothing is offered. */
static struct config *open_config(const struct line *line)
{
    struct buf problems;
    buf_init(&problems, 65536);
    struct config *config =
        config_load(line->config ? line->config : COMMAND_CONFIG_DEFAULT, &problems);
    buf_done(&problems);
    return config;
}

static void offer_domains(const struct line *line, const char *prefix)
{
    struct bytes domain;
    size_t place = 0;
    struct config *config = open_config(line);
    while (config && recipients_next_domain(config->recipients, &place, &domain))
        offer(line, prefix, domain, "");
    config_free(config);
}

static void offer_messages(const struct line *line)
{
    struct messages messages = {.line = line};
    struct config *config = open_config(line);
    if (!config)
        return;
    /* A long queue, or a server that is busy: what is not here by then is not worth the wait. */
    fflush(stdout);
    alarm(WAIT_SECONDS);
    (void)talk_quietly(config, json_pack("{s:s,s:{}}", "do", "list", "select"), take_message,
                       &messages);
    alarm(0);
    config_free(config);
}

/* The ways that a value, or a word behind the command, may be given: "ID|all|OPTION...". */
static void offer_kind(const struct line *line, const char *prefix, struct bytes kind)
{
    static const char *const statuses[] = {"queued", "active", "deferred", "held"};
    struct bytes one;
    while (kind.len) {
        bytes_cut(kind, '|', &one, &kind);
        if (bytes_equal(one, BYTES("FILE")) || bytes_equal(one, BYTES("DIR")))
            puts(":files");
        else if (bytes_equal(one, BYTES("ID")))
            offer_messages(line);
        else if (bytes_equal(one, BYTES("DOMAIN")))
            offer_domains(line, prefix);
        else if (bytes_equal(one, BYTES("STATUS")))
            for (size_t i = 0; i < COUNT(statuses); i++)
                offer(line, prefix, bytes_of(statuses[i]), "");
        else if (one.len && one.at[0] >= 'a' && one.at[0] <= 'z')
            offer(line, prefix, one, "");
    }
}

/* The word at this place of the command's usage, without brackets. */
static struct bytes place_kind(const struct command *command, size_t place)
{
    struct bytes rest = bytes_of(command->usage), word = {NULL, 0};
    for (size_t i = 0; i <= place; i++) {
        bytes_cut(rest, ' ', &word, &rest);
        if (!word.len)
            return word;
    }
    if (word.at[0] == '[')
        word = bytes_from(word, 1);
    if (word.len && word.at[word.len - 1] == ']')
        word.len--;
    return word;
}

static void offer_all(struct line *line, const char *option_name)
{
    struct option option;
    const char *current = line->current;
    size_t len = strcspn(current, "=");
    char prefix[NAME_LIMIT + 1];
    if (option_name) {
        if (find_value(line, option_name, strlen(option_name), &option))
            offer_kind(line, "", bytes_of(option.value));
    } else if (current[0] == '-' && current[len] && len < NAME_LIMIT) {
        snprintf(prefix, sizeof prefix, "%.*s=", (int)len, current);
        if (find_value(line, current, len, &option))
            offer_kind(line, prefix, bytes_of(option.value));
    } else if (line->command && current[0] == '-') {
        offer_options(line);
    } else if (line->command) {
        offer_kind(line, "", place_kind(line->command, line->place_count));
    } else {
        offer_commands(line);
    }
}

int complete(const struct complete_tables *tables, char **words, size_t count)
{
    struct line line = {.tables = tables, .words = words};
    if (count == 0)
        return EXIT_GOOD;
    line.count = count - 1;
    line.current = words[count - 1];
    const char *option_name = read_words(&line);
    offer_all(&line, option_name);
    free(line.options);
    return EXIT_GOOD;
}
