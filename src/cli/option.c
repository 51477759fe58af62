#include "cli/option.h"

#include <string.h>

/* A command line under way. */
struct reading {
    char **words;
    size_t count, at;
    void *given;
    struct error *err;
};

static const struct option *find(const struct option *rows, size_t row_count, const char *word,
                                 size_t len)
{
    for (size_t i = 0; i < row_count; i++) {
        const char *letter = rows[i].letter;
        if ((strlen(rows[i].name) == len && strncmp(rows[i].name, word, len) == 0) ||
            (letter && strlen(letter) == len && strncmp(letter, word, len) == 0))
            return &rows[i];
    }
    return NULL;
}

static bool add(struct option_list *list, const char *word, const char *what, struct error *err)
{
    if (list->count == OPTION_LIST_LIMIT)
        return error_set(err, 0, "%s more than %d times", what, OPTION_LIST_LIMIT);
    list->at[list->count++] = word;
    return true;
}

/* Takes the value of the option at reading->at, which may stand behind a "=". */
static bool take(struct reading *reading, const struct option *row, const char *attached)
{
    void *place = (char *)reading->given + row->offset;
    if (row->kind == OPTION_FLAG) {
        if (attached)
            return error_set(reading->err, 0, "no value belongs to %s", row->name);
        *(const char **)place = row->name;
        return true;
    }
    if (!attached && ++reading->at == reading->count)
        return error_set(reading->err, 0, "%s needs a value: %s", row->name, row->argument);
    const char *value = attached ? attached : reading->words[reading->at];
    if (row->kind == OPTION_LIST)
        return add(place, value, row->name, reading->err);
    *(const char **)place = value;
    return true;
}

bool option_read(const struct option *rows, size_t row_count, char **words, size_t count,
                 void *given, struct option_list *operands, struct error *err)
{
    struct reading reading = {.words = words, .count = count, .given = given, .err = err};
    bool has_ended = false; /* by "--" */
    for (; reading.at < count; reading.at++) {
        const char *word = words[reading.at];
        bool is_option = !has_ended && word[0] == '-' && word[1];
        if (is_option && strcmp(word, "--") == 0) {
            has_ended = true;
            continue;
        }
        if (!is_option && !operands)
            return error_set(err, 0, "%.80s is no option", word);
        if (!is_option) {
            if (!add(operands, word, "words that are no options", err))
                return false;
            continue;
        }
        size_t len = strcspn(word, "=");
        const struct option *row = find(rows, row_count, word, len);
        if (!row)
            return error_set(err, 0, "there is no option %.80s", word);
        if (!take(&reading, row, word[len] ? word + len + 1 : NULL))
            return false;
    }
    return true;
}

void option_print(const struct option *rows, size_t row_count, FILE *out)
{
    for (size_t i = 0; i < row_count; i++)
        fprintf(out, "  %s%s%s%s%s\n      %s\n", rows[i].name, rows[i].letter ? ", " : "",
                rows[i].letter ? rows[i].letter : "", rows[i].argument ? " " : "",
                rows[i].argument ? rows[i].argument : "", rows[i].help);
}
