/* A message on its way out: in a file without a name, so that a large one needs no memory, its size
 * is known before it is sent (RFC 1870), and it cannot change meanwhile. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct message_file {
    int fd; /* -1: none */
    uint64_t size_bytes;
    bool has_8bit_header, has_8bit_body;
};

/* An empty file in $TMPDIR, or /var/tmp. False and err. */
MUST_CHECK bool message_file_open(struct message_file *out, struct error *err);
void message_file_close(struct message_file *file);
/* Copies a message as it is from a descriptor; a LF alone becomes CRLF. False and err: it cannot be
 * read or written. */
MUST_CHECK bool message_file_fill(struct message_file *file, int from, struct error *err);
/* Reads it through once, and fills the struct. False and err: it is no message that SMTP carries (a
 * NUL, a CR alone, a line over 998 bytes), or cannot be read. */
MUST_CHECK bool message_file_examine(struct message_file *file, struct error *err);
/* Reads on from a place; 0 at the end, -1 and err. */
MUST_CHECK ssize_t message_file_read(const struct message_file *file, uint64_t from, void *room,
                                     size_t size, struct error *err);
