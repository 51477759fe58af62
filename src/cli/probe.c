#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/probe_target.h"
#include "cli/user_password.h"
#include "cli/verify_file.h"
#include "facts/facts.h"

enum { CA_LIMIT = 1 << 20, HEARD_LIMIT = 4096 };

static int complain(const char *text, int status)
{
    fprintf(stderr, "postrider probe: %s\n", text);
    if (status == EXIT_USAGE)
        fprintf(stderr, "see: postrider probe --help\n");
    return status;
}

/* The configuration that is named; or the default one, if there is one that may be read. With all
 * files that it names. */
static bool read_config(struct probe *probe)
{
    struct options options = {.config = probe->plan.config};
    struct buf problems;
    if (!options.config) {
        options.config = COMMAND_CONFIG_DEFAULT;
        if (access(options.config, R_OK) != 0)
            return true;
    }
    probe->config = command_config(&options);
    if (!probe->config)
        return false;
    buf_init(&problems, 65536);
    bool is_read = config_read_files(probe->config, &problems) &&
                   (probe->plan.zone || config_read_anchor(probe->config, &problems));
    if (!is_read)
        fprintf(stderr, "%.*s", BYTES_ARGS(buf_view(&problems)));
    buf_done(&problems);
    return is_read;
}

static bool open_dns(struct probe *probe, struct error *err)
{
    struct resolver_settings settings = {.is_validating = true};
    if (probe->config && !probe->plan.zone)
        settings = probe->config->resolver;
    if (probe->plan.resolvers.count) {
        settings.servers = probe->plan.resolvers.at;
        settings.server_count = probe->plan.resolvers.count;
    }
    probe->facts = facts_new();
    probe->dns = dns_client_open(probe->plan.zone, &settings, err);
    return probe->dns != NULL;
}

static void watch(void *context, enum dialogue_side side, struct bytes line)
{
    struct probe *probe = context;
    if (side == DIALOGUE_SAID)
        return;
    buf_clear(&probe->heard);
    buf_add(&probe->heard, bytes_sub(line, 0, HEARD_LIMIT));
}

static bool open_dialogue(struct probe *probe, struct error *err)
{
    struct dialogue_settings settings = {.connect_ms = probe->plan.timeout_ms,
                                         .reply_ms = probe->plan.timeout_ms,
                                         .watch = watch,
                                         .context = probe};
    probe->dialogue = dialogue_new(&settings, err);
    return probe->dialogue != NULL;
}

static int run(struct probe *probe)
{
    struct error err;
    if (!read_config(probe))
        return EXIT_CONFIG;
    if (gethostname(probe->own_name, sizeof probe->own_name - 1) != 0 || !probe->own_name[0])
        snprintf(probe->own_name, sizeof probe->own_name, "localhost");
    probe->helo = probe->plan.helo ? probe->plan.helo
                  : probe->config  ? probe->config->hostname
                                   : probe->own_name;
    if (probe->plan.ca && !verify_file_read(probe->plan.ca, &probe->ca, &err)) {
        (void)error_wrap(&err, "%s", probe->plan.ca);
        return complain(err.text, EXIT_BAD);
    }
    if (!open_dns(probe, &err) || !open_dialogue(probe, &err))
        return complain(err.text, EXIT_LATER);
    if (probe->plan.user &&
        !user_password_ask(probe->plan.user, probe->plan.is_password_stdin, &probe->password))
        return EXIT_BAD;
    probe->log = probe_log_new(probe->plan.text, probe->plan.is_json);
    return probe->plan.is_address ? probe_address(probe) : probe_host(probe);
}

int command_probe(char **arguments, size_t count)
{
    struct error err;
    struct probe probe = {.config = NULL};
    if (!probe_plan_read(arguments, count, &probe.plan, &err))
        return complain(err.text, EXIT_USAGE);
    buf_init(&probe.ca, CA_LIMIT);
    buf_init(&probe.heard, HEARD_LIMIT);
    int status = run(&probe);
    probe_log_free(probe.log);
    dialogue_free(probe.dialogue);
    facts_free(probe.facts);
    if (probe.dns)
        dns_client_close(probe.dns);
    config_free(probe.config);
    user_password_done(&probe.password);
    buf_done(&probe.ca);
    buf_done(&probe.heard);
    return status;
}

void command_probe_options(FILE *out)
{
    probe_plan_print_options(out);
}
