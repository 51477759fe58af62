/* Which media type (RFC 2046) a file has by its name's ending. A table of what people send; a file
 * is not looked into. */
#pragma once

#include "base/bytes.h"

/* "image/png"; "application/octet-stream" for what is not known, and for messages (".eml"), whose
 * own type allows no encoding that keeps each byte (RFC 2046, 5.2.1). Constant. */
const char *media_type_of(struct bytes file_name);
/* Is it TYPE/SUBTYPE of RFC 2045, 5.1, without parameters, and one that base64 may encode: not
 * message/… or multipart/…? */
bool media_type_is_valid(struct bytes type);
