/* An envelope in as few bytes as it needs, as the queue keeps it for each message: without id and
 * instant, which the message has, NOTIFY, which its recipients' slots have, and without client,
 * HELO and user, which delivery does not need (the spool has them). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "mail/envelope.h"

void kept_print(struct buf *out, const struct envelope *envelope);
/* Reads what kept_print wrote, and nothing else: it never comes from outside. Views into `kept`;
 * the recipients are in the arena, which must have room for them. */
void kept_scan(struct bytes kept, struct arena *arena, struct envelope *out);
