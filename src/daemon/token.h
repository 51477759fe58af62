/* The disk's sync token: at most one fdatasync is under way on a disk, whichever worker asks, as
 * two at a time cost a fifth to a third of the rate. A robust mutex in shared memory: when its
 * holder dies, the next one to ask has it. */
#pragma once

#include "base/error.h"

struct token;

/* Makes the shared memory; the descriptor (close-on-exec) is the caller's, or -1. */
int token_make(struct error *err);
/* Maps it; the descriptor stays the caller's and is not needed any longer. NULL and err on
 * failure. */
struct token *token_map(int fd, struct error *err);
void token_unmap(struct token *token);
/* Any thread; waits until the token is free. */
void token_take(struct token *token);
/* The thread that took it. */
void token_give(struct token *token);
