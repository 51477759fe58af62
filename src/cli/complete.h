/* What a shell offers when Tab is pressed: `postrider complete WORD...`, which the scripts in
 * completions/ call, says how the last of the words may go on. So the commands and options are
 * known in one place, for all shells. */
#pragma once

#include "cli/command.h"

struct complete_tables {
    const struct command *commands;
    size_t command_count;
    /* Prints the options of a command, as its help has them: "  --name[, -n] [VALUE]  text". */
    void (*print_options)(const struct command *command, FILE *out);
};

/* The words are those behind "postrider", up to the cursor; the last one is begun, maybe empty.
 * Prints a line for each way to go on, "WORD TAB what it is", and ":files" where names of files
 * may go on. The exit status is 0, whatever the words are. Asks the running server for messages,
 * if the words are about one, and waits for it three seconds at most. */
int complete(const struct complete_tables *tables, char **words, size_t count);
