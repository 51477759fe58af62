#include "cli/verify_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool read_all(int fd, struct buf *out, struct error *err)
{
    enum { CHUNK = 1 << 16 };
    for (;;) {
        size_t room = out->limit - out->len;
        uint8_t chunk[CHUNK];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, errno, "read");
        if (got == 0)
            return true;
        if ((size_t)got > room)
            return error_set(err, 0, "larger than %zu MiB", out->limit >> 20);
        buf_add(out, (struct bytes){chunk, (size_t)got});
    }
}

bool verify_file_read(const char *path, struct buf *out, struct error *err)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "open");
    bool is_read = read_all(fd, out, err);
    close(fd);
    return is_read;
}

bool verify_file_is_lf(struct bytes text)
{
    return bytes_search(text, BYTES("\r\n")) == text.len;
}

void verify_file_add_cr(struct buf *out, struct bytes text)
{
    while (text.len) {
        size_t len = bytes_find(text, '\n');
        struct bytes line = bytes_sub(text, 0, len);
        buf_add(out, line);
        if (len == text.len)
            return;
        buf_add(out, line.len && line.at[line.len - 1] == '\r' ? BYTES("\n") : BYTES("\r\n"));
        text = bytes_from(text, len + 1);
    }
}
