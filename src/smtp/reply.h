/* Replies of the server in the form of the wire (RFC 5321, 4.2; enhanced status codes by RFC
 * 2034). Any text is safe to give: what may not stand in a reply is replaced, and a line never
 * passes the 512 bytes of RFC 5321, 4.5.3.1.5. */
#pragma once

#include "base/buf.h"

/* Appends a line "code status text". The status may be empty where none belongs (220, 354); one
 * that is malformed or of another class than the code gives way to the class's "x.0.0". Code is 200
 * to 599. */
void reply_add(struct buf *out, int code, struct bytes status, struct bytes text);

/* Is it an enhanced status code (RFC 3463, 2): class "." subject "." detail? */
bool reply_status_is_valid(struct bytes status);
