/* The file that resolver.trust_anchor names. It is read with the configuration, not by the
 * processes that use it: they may be confined by the time it changes, and what is wrong with it is
 * to be known before they take it up. */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "facts/anchor.h"

enum { RECORDS_LIMIT = 32 * 1024 }; /* they go to the processes in one message */

static bool read_file(const char *path, struct buf *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && text->len <= ANCHOR_TEXT_LIMIT) {
        size_t room = ANCHOR_TEXT_LIMIT + 1 - text->len;
        got = read(fd, buf_reserve(text, room), room);
        if (got > 0)
            buf_grow(text, (size_t)got);
    }
    int os = errno;
    if (fd >= 0)
        close(fd);
    errno = os;
    return got >= 0;
}

static void explain(const struct config *config, const struct anchor_fault *fault,
                    struct buf *problems)
{
    buf_addf(problems, "%s: \"resolver.trust_anchor\": %s", config->path,
             config->resolver.trust_anchor);
    if (fault->line)
        buf_addf(problems, ":%zu", fault->line);
    buf_addf(problems,
             ": %s; write DS or DNSKEY records, or leave the key out for the system's file\n",
             fault->what);
}

bool config_read_anchor(struct config *config, struct buf *problems)
{
    struct buf text, records;
    struct anchor_fault fault = {0, NULL};
    if (!config->resolver.trust_anchor)
        return true;
    buf_init(&text, ANCHOR_TEXT_LIMIT + 1);
    buf_init(&records, RECORDS_LIMIT);
    if (!read_file(config->resolver.trust_anchor, &text))
        fault.what = strerror(errno);
    else if (anchor_scan(buf_view(&text), &records, &fault) && records.overflowed)
        fault.what = "too many records";
    if (fault.what)
        explain(config, &fault, problems);
    else
        config_set_anchor(config, buf_view(&records));
    buf_done(&text);
    buf_done(&records);
    return !fault.what;
}

void config_set_anchor(struct config *config, struct bytes records)
{
    uint8_t *copy = arena_alloc(config->arena, records.len + 1);
    ASSERT(copy);
    if (records.len)
        memcpy(copy, records.at, records.len);
    config->resolver.anchor_records = (struct bytes){copy, records.len};
}
