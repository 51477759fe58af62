/* Makes a message of what `postrider send` is given: text, HTML, pictures, files, with GMime. All
 * that is not ASCII is encoded in seven bits, files byte for byte in base64; only addresses beyond
 * ASCII stay as they are (RFC 6532). */
#pragma once

#include "base/error.h"
#include "cli/send_plan.h"

enum {
    COMPOSE_TEXT_LIMIT = 16 << 20, /* bytes of a text, and of an HTML text, which are held whole */
};

/* What the plan's files hold; views. has_… is false: there is none. */
struct compose_texts {
    bool has_text, has_html;
    struct bytes text, html; /* UTF-8; LF ends lines */
};

/* Writes the message to a file, in pieces, as SMTP has it: files are read as they are written. The
 * fields Date and Message-ID are this moment's. False and err: a file cannot be read, or the
 * message not written. */
MUST_CHECK bool compose(const struct send_plan *plan, const struct compose_texts *texts, int fd,
                        struct error *err);
