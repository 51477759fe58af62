#include "cli/command.h"
#include "daemon/supervisor.h"

int command_serve(const struct options *options)
{
    return supervisor_run(options->config);
}
