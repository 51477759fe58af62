/* The keeper: the process that alone sees secrets. It holds private keys and the account directory,
 * and answers what workers ask over their channels (daemon/keeper_request.h). It has no network,
 * no file but its own, and leaves no core dump.
 *
 * Signatures are quick, password hashes slow: each kind has threads and a queue of its own, so that
 * a flood of logins never holds up a handshake. This header is shared by the keeper's parts. */
#pragma once

#include "base/list.h"
#include "daemon/child.h"
#include "daemon/keeper_pool.h"
#include "daemon/keeper_request.h"
#include "daemon/keeper_secrets.h"
#include "daemon/orders.h"
#include "daemon/usage.h"
#include "daemon/password.h"

struct keeper_login;
struct keeper_bans;
struct keeper_dovecot;

struct keeper {
    struct child *child;
    struct loop *loop;
    struct orders *orders;
    struct list channels; /* struct channel */
    struct list jobs;     /* struct keeper_job, whether or not their channel is still there */
    struct secrets *secrets;
    struct secrets *next_secrets; /* came, wait for the reload; NULL: none */
    struct keeper_pool *quick, *slow;
    struct accounts *accounts;
    struct keeper_bans *bans;
    struct keeper_dovecot *dovecot;
    uint8_t secret[32];              /* of the directory: made-up salts come from it */
    char decoy[PASSWORD_HASH_LIMIT]; /* what is checked for an account that is not there */
    size_t delayed;                  /* refusals that wait for their time */
    unsigned decoy_cost;             /* 0: not made yet */
    int directory_fd;                /* the list of mailboxes; -1: not made, or not wanted */
    int64_t directory_version;
    struct timer directory_timer;
    struct jwt_keys *token_keys; /* NULL: not read yet */
    struct usage *usage;
    bool is_stopping;
};

/* A request from its arrival until it is answered. */
struct keeper_job {
    struct list link, channel_link;
    struct keeper *keeper;
    struct channel *channel; /* NULL: gone, the answer reaches nobody */
    uint32_t serial;
    uint8_t *packet; /* wiped with the job */
    size_t len;
    struct keeper_request request; /* views of the packet */
    struct keeper_task task;
    struct keeper_pool *pool;   /* that the task is in; NULL: none */
    struct keeper_login *login; /* of a question about an account; NULL */
    EVP_PKEY *key;
    struct buf signature; /* and other bytes of the answer */
    struct error err;
    bool is_good;
};

/* There is a new list of mailboxes: sends it to all channels. */
void keeper_tell_directory(struct keeper *keeper);

/* Ends a job without an answer: nobody is left to hear it. */
void keeper_job_drop(struct keeper_job *job_owned);
/* Answers, and ends the job. */
void keeper_job_answer(struct keeper_job *job_owned, const struct keeper_answer *answer);
/* The same, for what has no more to say. */
void keeper_job_end(struct keeper_job *job_owned, enum keeper_status status, const char *reason);
