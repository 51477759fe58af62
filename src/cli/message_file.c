#include "cli/message_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, LINE_LIMIT = 998 /* RFC 5321, 4.5.3.1.6, without CRLF */ };

bool message_file_open(struct message_file *out, struct error *err)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !folder[0])
        folder = "/var/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, errno, "make a file in %.150s (TMPDIR names another folder)", folder);
    *out = (struct message_file){.fd = fd};
    return true;
}

void message_file_close(struct message_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

static bool write_all(int fd, const uint8_t *at, size_t len, struct error *err)
{
    while (len) {
        ssize_t written = write(fd, at, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_set(err, errno, "write the message to a file");
        at += written;
        len -= (size_t)written;
    }
    return true;
}

bool message_file_fill(struct message_file *file, int from, struct error *err)
{
    uint8_t piece[PIECE], out[2 * PIECE], last = 0;
    for (;;) {
        ssize_t got = read(from, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, errno, "read the message");
        if (got == 0)
            return true;
        size_t len = 0;
        for (ssize_t i = 0; i < got; i++) {
            if (piece[i] == '\n' && last != '\r')
                out[len++] = '\r';
            out[len++] = last = piece[i];
        }
        if (!write_all(file->fd, out, len, err))
            return false;
    }
}

/* What was seen so far. */
struct examination {
    struct message_file *file;
    uint64_t line, column; /* bytes of this line so far */
    bool is_in_body, has_cr;
};

static bool examine_byte(struct examination *seen, uint8_t byte, struct error *err)
{
    if (seen->has_cr && byte != '\n')
        return error_set(err, 0, "line %llu of the message has a CR alone; SMTP carries CRLF only",
                         (unsigned long long)seen->line);
    if (byte == 0)
        return error_set(err, 0, "line %llu of the message has a NUL, which SMTP does not carry",
                         (unsigned long long)seen->line);
    if (byte == '\n') {
        seen->is_in_body |= seen->column == 0;
        seen->line++;
        seen->column = 0;
    } else if (byte != '\r' && ++seen->column > LINE_LIMIT) {
        return error_set(err, 0,
                         "line %llu of the message is longer than %d bytes, which SMTP does "
                         "not carry; encode it (quoted-printable, base64)",
                         (unsigned long long)seen->line, LINE_LIMIT);
    }
    seen->has_cr = byte == '\r';
    if (byte >= 0x80 && seen->is_in_body)
        seen->file->has_8bit_body = true;
    else if (byte >= 0x80)
        seen->file->has_8bit_header = true;
    return true;
}

bool message_file_examine(struct message_file *file, struct error *err)
{
    uint8_t piece[PIECE];
    struct examination seen = {.file = file, .line = 1};
    ssize_t got;
    file->size_bytes = 0;
    while ((got = message_file_read(file, file->size_bytes, piece, sizeof piece, err)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            if (!examine_byte(&seen, piece[i], err))
                return false;
        file->size_bytes += (uint64_t)got;
    }
    if (got == 0 && file->size_bytes == 0)
        return error_set(err, 0, "the message is empty");
    return got == 0;
}

ssize_t message_file_read(const struct message_file *file, uint64_t from, void *room, size_t size,
                          struct error *err)
{
    ssize_t got;
    do
        got = pread(file->fd, room, size, (off_t)from);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        error_set(err, errno, "read the message");
    return got;
}
