/* The keyring: which keys sign mail, as `postrider dkim` keeps it in the folder of keys. Read with
 * the configuration, by the process that starts the others: the folder is closed to these. */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy/keyring.h"

bool config_keyring_read_text(const char *path, struct buf *text, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && text->len <= KEYRING_TEXT_LIMIT) {
        size_t room = KEYRING_TEXT_LIMIT + 1 - text->len;
        got = read(fd, buf_reserve(text, room), room);
        if (got > 0)
            buf_grow(text, (size_t)got);
    }
    int os = errno;
    if (fd >= 0)
        close(fd);
    if (got < 0 && os != ENOENT)
        return error_set(err, os, "%s", path);
    if (text->len > KEYRING_TEXT_LIMIT)
        return error_set(err, 0, "%s: longer than %d bytes", path, KEYRING_TEXT_LIMIT);
    return true;
}

bool config_read_keyring(struct config *config, struct buf *problems)
{
    struct error err;
    struct buf text;
    buf_init(&text, KEYRING_TEXT_LIMIT + 1);
    bool is_good = config_keyring_read_text(config->keyring_path, &text, &err);
    if (is_good && text.len)
        is_good = config_set_keyring(config, buf_view(&text), &err);
    if (!is_good)
        buf_addf(problems, "%s; %s\n", err.text,
                 err.os ? "look at its rights, and at spool.path and keys"
                        : "mend it, or restore it from a backup");
    buf_done(&text);
    return is_good;
}

bool config_set_keyring(struct config *config, struct bytes text, struct error *err)
{
    struct keyring *keyring = keyring_parse(text, err);
    if (!keyring)
        return error_wrap(err, "%s", config->keyring_path);
    keyring_free(config->keyring);
    config->keyring = keyring;
    return true;
}
