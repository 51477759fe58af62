/* Somebody who submits a letter: says EHLO, MAIL, RCPT, DATA and the text, one command a reply or
 * all in a run, and writes into the ledger what the node answered. Ends by itself. */
#pragma once

#include "ledger.h"

struct client_plan {
    struct letter *letter;
    const char *mail_options; /* behind MAIL FROM:<…>, with a blank in front; may be empty */
    const char *rcpt_options[LETTER_RECIPIENTS];
    bool is_pipelined;
};

/* Copies the plan; the options' texts must live on. Connects to the place after the delay. Stands
 * in the list until it ends. */
void client_begin(struct loop *loop, struct list *clients, const struct client_plan *plan,
                  const char *place, int64_t delay_ms);
void clients_end(struct list *clients);
