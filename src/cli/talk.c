#include "cli/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/dialogue.h"

/* The control process gives a worker 30 seconds, and reloading takes up to 10. */
enum { REPLY_WAIT_SECONDS = 60 };

static int explain(const struct config *config, int os)
{
    if (os == ENOENT || os == ECONNREFUSED)
        fprintf(stderr,
                "postrider: the server is not running (nothing answers at %s)\n"
                "start it with: postrider serve --config %s\n",
                config->control_socket, config->path);
    else if (os == EACCES || os == EPERM)
        fprintf(stderr, "postrider: %s: %s; run this as the server's user or as root\n",
                config->control_socket, strerror(os));
    else
        fprintf(stderr, "postrider: %s: %s\n", config->control_socket, strerror(os));
    return os == EACCES || os == EPERM ? EXIT_DENIED : EXIT_LATER;
}

/* True: it was the last line. */
static bool take_line(json_t *line, talk_take *take, void *context, int *status)
{
    const char *error = json_string_value(json_object_get(line, "error"));
    const char *missing = json_string_value(json_object_get(line, "missing"));
    if (missing) {
        fprintf(stderr, "postrider: %s does not answer now; what it has is left out\n", missing);
        *status = EXIT_LATER;
        return false;
    }
    if (error) {
        fprintf(stderr, "postrider: %s\n", error);
        *status = EXIT_LATER;
        return true;
    }
    take(context, line);
    return json_is_true(json_object_get(line, "done"));
}

static int read_reply(FILE *stream, talk_take *take, void *context)
{
    char *text = NULL;
    size_t room = 0;
    int status = EXIT_GOOD;
    bool is_done = false;
    ssize_t len;
    while (!is_done && (len = getline(&text, &room, stream)) > 0) {
        json_t *line = json_loadb(text, (size_t)len, 0, NULL);
        is_done = line && take_line(line, take, context, &status);
        json_decref(line);
    }
    free(text);
    if (is_done)
        return status;
    fprintf(stderr, "postrider: the server broke off; it may be stopping, try again later\n");
    return EXIT_LATER;
}

static int converse(int fd_owned, json_t *request_owned, talk_take *take, void *context)
{
    struct timeval wait = {.tv_sec = REPLY_WAIT_SECONDS};
    setsockopt(fd_owned, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    char *text = json_dumps(request_owned, JSON_COMPACT);
    json_decref(request_owned);
    FILE *stream = fdopen(fd_owned, "r+");
    ASSERT(text && stream);
    fprintf(stream, "%s\n", text);
    fflush(stream);
    free(text);
    int status = read_reply(stream, take, context);
    fclose(stream);
    return status;
}

int talk(const struct config *config, json_t *request_owned, talk_take *take, void *context)
{
    struct error err;
    int fd = dialogue_open_unix(config->control_socket, &err);
    if (fd >= 0)
        return converse(fd, request_owned, take, context);
    json_decref(request_owned);
    return explain(config, err.os);
}

bool talk_quietly(const struct config *config, json_t *request_owned, talk_take *take,
                  void *context)
{
    struct error err;
    int fd = dialogue_open_unix(config->control_socket, &err);
    if (fd >= 0)
        return converse(fd, request_owned, take, context) == EXIT_GOOD;
    json_decref(request_owned);
    return false;
}

int talk_with(const struct options *options, json_t *request_owned, talk_take *take, void *context)
{
    struct config *config = command_config(options);
    if (!config) {
        json_decref(request_owned);
        return EXIT_CONFIG;
    }
    int status = talk(config, request_owned, take, context);
    config_free(config);
    return status;
}
