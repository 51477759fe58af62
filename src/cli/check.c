#include <stdio.h>
#include <stdlib.h>

#include "cli/check_setup.h"
#include "cli/command.h"

static json_t *list_of(struct bytes lines)
{
    json_t *list = json_array();
    struct bytes line;
    while (lines.len) {
        bytes_cut(lines, '\n', &line, &lines);
        json_t *text = json_stringn((const char *)line.at, line.len);
        json_array_append_new(list, text ? text : json_string("a problem that is not UTF-8"));
    }
    return list;
}

static void print_json(struct bytes problems, struct bytes warnings)
{
    json_t *result = json_pack("{s:b,s:o,s:o}", "good", problems.len == 0, "problems",
                               list_of(problems), "warnings", list_of(warnings));
    json_dumpf(result, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(result);
}

int command_check(const struct options *options)
{
    enum { ROOM = 65536 };
    struct buf problems, warnings;
    buf_init(&problems, ROOM);
    buf_init(&warnings, ROOM);
    struct config *config = config_load(options->config, &problems);
    bool is_good =
        config && config_read_anchor(config, &problems) && config_read_files(config, &problems);
    if (config && !config_read_certificates(config, &problems, &warnings))
        is_good = false;
    if (is_good)
        check_setup(config, &warnings);
    if (options->is_json)
        print_json(buf_view(&problems), buf_view(&warnings));
    else if (is_good)
        printf("%s is good\n%.*s", options->config, BYTES_ARGS(buf_view(&warnings)));
    else
        printf("%.*s", BYTES_ARGS(buf_view(&problems)));
    int status = is_good ? EXIT_GOOD : EXIT_BAD;
    buf_done(&problems);
    buf_done(&warnings);
    config_free(config);
    return status;
}
