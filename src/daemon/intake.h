/* One message on its way in: its text goes to the spool as it arrives; at its end the header
 * section is looked at, the recipients are expanded, trace fields put in front, and the record
 * committed. */
#pragma once

#include "daemon/login.h"

struct intake;
struct verify; /* daemon/verify.h */

/* What is answered when the disk has no room. */
extern const struct smtp_answer intake_disk_full;

/* Answers whether a message can begin: 250 and *out, or the refusal. login is borrowed for the life
 * of the intake; NULL: nobody is logged in. */
struct smtp_answer intake_begin(struct worker *worker, struct session *session,
                                const struct config_listener *listener,
                                struct generation *generation, const struct login *login,
                                struct intake **out);
/* What is to be checked of the message, NULL for nothing; taken over. Before any text. */
void intake_give_verify(struct intake *intake, struct verify *verify_owned);
/* False: wait, session_go_on() will be called. */
bool intake_text(struct intake *intake, struct bytes text);
/* The text is complete; ends in session_answer(). The intake is then gone. */
void intake_store(struct intake *intake);
/* Forgets the message. */
void intake_drop(struct intake *intake);
