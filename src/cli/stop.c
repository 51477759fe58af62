#include <stdio.h>
#include <unistd.h>

#include "base/instant.h"
#include "cli/talk.h"
#include "daemon/supervisor_ground.h"

/* Beyond limits.drain, in which workers end, the supervisor gives the rest this long; and some. */
enum { GRACE_MS = 30 * 1000, PAUSE_US = 20 * 1000 };

static void take_stopping(void *context, const json_t *line)
{
    *(bool *)context = json_is_true(json_object_get(line, "done"));
}

int command_stop(const struct options *options)
{
    bool is_stopping = false;
    struct config *config = command_config(options);
    if (!config)
        return EXIT_CONFIG;
    int status = talk(config, json_pack("{s:s}", "do", "stop"), take_stopping, &is_stopping);
    int64_t late_ms = instant_steady_ms() + config->limits.drain_ms + GRACE_MS;
    while (is_stopping && ground_is_held(config->spool.path) && instant_steady_ms() < late_ms)
        usleep(PAUSE_US);
    if (is_stopping && ground_is_held(config->spool.path)) {
        fprintf(stderr, "postrider: the server was told to stop, and still runs\n");
        status = EXIT_LATER;
    } else if (is_stopping) {
        puts(options->is_json ? "{\"stopped\": true}" : "Stopped.");
    }
    config_free(config);
    return status;
}
