/* Log lines as JSON. */
#pragma once

#include "base/bytes.h"

/* Prints an object with the line's fields, as texts, on a line of its own. */
void trace_json_print(struct bytes line);
