#include "daemon/directory_map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int directory_seal(struct bytes names, struct error *err)
{
    int fd = memfd_create("postrider-directory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool is_good = fd >= 0;
    while (is_good && names.len) {
        ssize_t written = write(fd, names.at, names.len);
        is_good = written > 0;
        names = bytes_from(names, is_good ? (size_t)written : 0);
    }
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (is_good && fcntl(fd, F_ADD_SEALS, seals) == 0)
        return fd;
    error_set(err, errno, "keep the directory in memory");
    if (fd >= 0)
        close(fd);
    return -1;
}

bool directory_map_take(struct directory_map *map, int fd_owned, struct error *err)
{
    struct stat status;
    void *at = NULL;
    bool is_good = fstat(fd_owned, &status) == 0;
    size_t len = is_good ? (size_t)status.st_size : 0;
    if (is_good && len) {
        at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd_owned, 0);
        is_good = at != MAP_FAILED;
    }
    if (!is_good)
        error_set(err, errno, "map the directory");
    close(fd_owned);
    if (!is_good)
        return false;
    directory_map_done(map);
    map->at = at;
    map->len = len;
    map->directory = (struct directory){.is_known = true, .names = {at, len}};
    return true;
}

void directory_map_done(struct directory_map *map)
{
    if (map->at)
        munmap(map->at, map->len);
    *map = (struct directory_map){.at = NULL};
}
