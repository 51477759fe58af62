/* The files that `postrider verify` reads: a zone, a message. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum { VERIFY_MESSAGE_LIMIT = 512 << 20 }; /* bytes */

/* Appends the file's bytes ("-": standard input), up to the buffer's limit. */
MUST_CHECK bool verify_file_read(const char *path, struct buf *out, struct error *err);

/* Does CRLF occur nowhere, though there are lines? */
bool verify_file_is_lf(struct bytes text);
/* Appends the text with a CR in front of each LF that has none. */
void verify_file_add_cr(struct buf *out, struct bytes text);
