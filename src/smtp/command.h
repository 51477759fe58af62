/* The grammar of a command line (RFC 5321, 4.1.1 and 4.1.2): verb, argument, parameters.
 * Views point into the line. Knows no command's meaning. */
#pragma once

#include "base/bytes.h"

struct command_line {
    struct bytes verb;     /* to the first space; may be empty */
    struct bytes argument; /* what follows, without the white space around it */
};

/* Cuts a line, given without its CRLF. */
struct command_line command_cut(struct bytes line);

/* Reads "FROM:" or "TO:" (any case) from the front of *argument and moves it to the path. One or
 * more spaces behind the colon are let through: RFC 5321, 3.3 forbids them, but clients in the
 * field send them. */
MUST_CHECK bool command_path_keyword(struct bytes *argument, struct bytes keyword);

/* An esmtp-param (RFC 5321, 4.1.2). */
struct parameter {
    struct bytes keyword;
    struct bytes value; /* empty when has_value is false */
    bool has_value;
};

enum parameter_status { PARAMETER_OK, PARAMETER_NONE, PARAMETER_BAD };

/* Reads the next parameter from the front of *rest, which begins with a space or is empty. Values
 * may hold UTF-8 (RFC 6531, 3.3): whether they may here is the caller's to say. */
enum parameter_status parameter_next(struct bytes *rest, struct parameter *out);
