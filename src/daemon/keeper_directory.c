#include "daemon/keeper_directory.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/accounts.h"
#include "daemon/directory_map.h"

enum {
    LOOK_MS = 500, /* a new account gets mail within a second */
    NAMES_LIMIT = 512 << 20,
};

/* False: reported; the list before stays in force. */
static bool make_list(struct keeper *keeper)
{
    struct buf names;
    struct error err;
    buf_init(&names, NAMES_LIMIT);
    int fd = -1;
    if (accounts_names(keeper->accounts, &names, &err)) {
        if (names.overflowed)
            error_set(&err, 0, "the account directory is too large");
        else
            fd = directory_seal(buf_view(&names), &err);
    }
    buf_done(&names);
    if (fd < 0) {
        log_error("accounts-failed", LOG_TEXT("reason", err.text));
        return false;
    }
    if (keeper->directory_fd >= 0)
        close(keeper->directory_fd);
    keeper->directory_fd = fd;
    return true;
}

static void look(void *context)
{
    struct keeper *keeper = context;
    int64_t version;
    struct error err;
    timer_set(&keeper->directory_timer, loop_now_ms(keeper->loop) + LOOK_MS);
    if (!accounts_version(keeper->accounts, &version, &err)) {
        log_error("accounts-failed", LOG_TEXT("reason", err.text));
        return;
    }
    if (keeper->directory_fd >= 0 && keeper->directory_version == version)
        return;
    if (!make_list(keeper))
        return;
    keeper->directory_version = version;
    keeper_tell_directory(keeper);
}

void keeper_directory_reload(struct keeper *keeper)
{
    if (recipients_need_directory(keeper->child->config->recipients))
        look(keeper);
    else
        timer_clear(&keeper->directory_timer);
}

void keeper_directory_open(struct keeper *keeper)
{
    keeper->directory_fd = -1;
    timer_init(&keeper->directory_timer, keeper->loop, look, keeper);
    keeper_directory_reload(keeper);
}

void keeper_directory_close(struct keeper *keeper)
{
    timer_clear(&keeper->directory_timer);
    if (keeper->directory_fd >= 0)
        close(keeper->directory_fd);
    keeper->directory_fd = -1;
}
