/* postrider init: sets up a server, for development or for a real host. */
#include "cli/command.h"
#include "cli/init_dev.h"
#include "cli/init_host.h"

int command_init(char **arguments, size_t count)
{
    struct init_plan plan;
    struct error err;
    if (!init_plan_read(arguments, count, &plan, &err)) {
        fprintf(stderr, "postrider init: %s\nsee: postrider init --help\n", err.text);
        return EXIT_USAGE;
    }
    return plan.is_dev ? init_dev(&plan) : init_host(&plan);
}

void command_init_options(FILE *out)
{
    init_plan_print_options(out);
}
