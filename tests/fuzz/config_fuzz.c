/* A configuration is either good or has at least one problem, each a line that names the file; a
 * good one is the same when it is read again. */
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_problems(struct bytes problems)
{
    struct bytes line;
    ASSERT(problems.len > 0);
    ASSERT(problems.at[problems.len - 1] == '\n');
    while (problems.len) {
        bytes_cut(problems, '\n', &line, &problems);
        ASSERT(bytes_starts(line, BYTES("c.yaml:")));
        for (size_t i = 0; i < line.len; i++)
            ASSERT(line.at[i] >= ' ');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf problems;
    struct bytes text = {data, size};
    buf_init(&problems, 1 << 20);
    struct config *config = config_parse(text, "c.yaml", "/etc/postrider", &problems);
    if (!config) {
        check_problems(buf_view(&problems));
    } else {
        struct config *again = config_parse(text, "c.yaml", "/etc/postrider", &problems);
        ASSERT(again && problems.len == 0);
        ASSERT(strcmp(again->hostname, config->hostname) == 0);
        ASSERT(strcmp(again->spool.path, config->spool.path) == 0);
        ASSERT(again->listener_count == config->listener_count && config->listener_count > 0);
        ASSERT(config->workers >= 1 && config->workers <= 32);
        config_free(again);
    }
    config_free(config);
    buf_done(&problems);
    return 0;
}
