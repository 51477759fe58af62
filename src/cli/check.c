#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"

static void print_json(struct bytes problems)
{
    json_t *list = json_array();
    struct bytes line;
    while (problems.len) {
        bytes_cut(problems, '\n', &line, &problems);
        json_t *text = json_stringn((const char *)line.at, line.len);
        json_array_append_new(list, text ? text : json_string("a problem that is not UTF-8"));
    }
    json_t *result = json_pack("{s:b,s:o}", "good", json_array_size(list) == 0, "problems", list);
    json_dumpf(result, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(result);
}

int command_check(const struct options *options)
{
    struct buf problems;
    buf_init(&problems, 65536);
    struct config *config = config_load(options->config, &problems);
    bool is_good = config && config_read_anchor(config, &problems);
    if (options->is_json)
        print_json(buf_view(&problems));
    else if (is_good)
        printf("%s is good\n", options->config);
    else
        printf("%.*s", BYTES_ARGS(buf_view(&problems)));
    int status = is_good ? EXIT_GOOD : EXIT_BAD;
    buf_done(&problems);
    config_free(config);
    return status;
}
