#include <stdio.h>

#include "cli/talk.h"

struct reload {
    bool is_json, has_problems;
};

static void take_reloaded(void *context, const json_t *line)
{
    struct reload *reload = context;
    const json_t *problems = json_object_get(line, "problems");
    size_t i;
    json_t *problem;
    reload->has_problems = json_array_size(problems) > 0;
    if (reload->is_json) {
        json_t *result = json_pack("{s:b,s:O}", "good", !reload->has_problems, "problems",
                                   json_object_get(line, "problems"));
        json_dumpf(result, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(result);
        return;
    }
    json_array_foreach(problems, i, problem) printf("%s\n", json_string_value(problem));
    if (!reload->has_problems)
        puts("Reloaded.");
}

int command_reload(const struct options *options)
{
    struct reload reload = {.is_json = options->is_json};
    int status = talk_with(options, json_pack("{s:s}", "do", "reload"), take_reloaded, &reload);
    /* A file that cannot be read here cannot be read there either. */
    if (status == EXIT_CONFIG || (status == EXIT_GOOD && reload.has_problems)) {
        fprintf(stderr, "postrider: the old configuration stays in force\n");
        return EXIT_BAD;
    }
    return status;
}
