/* A process's side of its channel to the keeper: asks, and hears the answer later.
 *
 * The keeper may be busy, slow, or just being started again: an answer always comes, in the worst
 * case KEEPER_UNAVAILABLE, and never before the question has returned. */
#pragma once

#include "daemon/keeper_request.h"
#include "net/loop.h"

struct keeper_client;
/* A question that waits for its answer. */
struct keeper_call;

/* The answer's views are borrowed for the call. The keeper_call is gone by then. */
typedef void keeper_done(void *context, const struct keeper_answer *answer);

/* Has no channel yet; questions wait for one, within KEEPER_JOIN_MS. */
struct keeper_client *keeper_client_new(struct loop *loop);
/* Calls that are open come to nothing: their done is not called. */
void keeper_client_free(struct keeper_client *client);
/* A channel in place of the one before; what that one has not answered is KEEPER_UNAVAILABLE. False
 * and err: it cannot be watched; the descriptor is closed. */
MUST_CHECK bool keeper_client_join(struct keeper_client *client, int fd_owned, struct error *err);

/* The keeper's list of all mailboxes comes, or a new one; the file is the listener's to close.
 * Without a listener it is dropped. */
typedef void keeper_directory(void *context, int fd_owned);
void keeper_client_listen(struct keeper_client *client, keeper_directory *directory, void *context);

/* Asks; the request is copied, and its secret wiped when it has been sent. The answer comes to
 * done within KEEPER_ANSWER_MS. client NULL (a program without a keeper, as the simulation) has
 * nobody to ask: NULL, and done is not called. */
struct keeper_call *keeper_ask(struct keeper_client *client, const struct keeper_request *request,
                               keeper_done *done, void *context);
/* The answer is not wanted any more; NULL is fine. */
void keeper_cancel(struct keeper_call *call_owned);

enum {
    KEEPER_JOIN_MS = 5000,    /* a keeper that died is there again in much less */
    KEEPER_ANSWER_MS = 30000, /* delays of failed logins included */
};
