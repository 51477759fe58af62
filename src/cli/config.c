#include <stdio.h>

#include "cli/command.h"

struct config *command_config(const struct options *options)
{
    struct buf problems;
    buf_init(&problems, 65536);
    struct config *config = config_load(options->config, &problems);
    if (!config)
        fprintf(stderr, "%.*s", BYTES_ARGS(buf_view(&problems)));
    buf_done(&problems);
    return config;
}
