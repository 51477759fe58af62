#include "cli/server_user.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/supervisor_ground.h"

/* Nobody but root becomes somebody else. */
static bool is_anothers(const char *path)
{
    struct stat status;
    uid_t own = geteuid();
    if (own == 0)
        return false;
    return stat(path, &status) == 0 ? status.st_uid != own : errno == EACCES;
}

int server_user_become(const struct config *config)
{
    struct ground ground = {.lock_fd = -1};
    struct error err;
    if (is_anothers(config->spool.path) || is_anothers(config->accounts_folder)) {
        fprintf(stderr,
                "postrider: %s belongs to another user; run this as the server's user or as root\n",
                config->accounts_folder);
        return EXIT_DENIED;
    }
    if (ground_open_accounts(&ground, config, &err) && ground_become(&ground, config->user, &err))
        return EXIT_GOOD;
    fprintf(stderr, "postrider: %s\n", err.text);
    return EXIT_BAD;
}
