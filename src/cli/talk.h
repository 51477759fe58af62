/* Asks the running server over its control socket (daemon/control.h has the protocol). */
#pragma once

#include "cli/command.h"

/* One line of the reply: a message, or the last line ({"done": …}). Borrowed. */
typedef void talk_take(void *context, const json_t *line);

/* Sends the request and hands over each line. What went wrong is said on standard error. The exit
 * status: 0, or EXIT_LATER when the server is not running or did not answer in full. */
int talk(const struct config *config, json_t *request_owned, talk_take *take, void *context);
/* The same; that nothing answers is said by false alone. */
bool talk_quietly(const struct config *config, json_t *request_owned, talk_take *take,
                  void *context);
/* The same as talk(), with the configuration read first. */
int talk_with(const struct options *options, json_t *request_owned, talk_take *take, void *context);
