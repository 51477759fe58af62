/* What the parts of the client machine share: client.c (the driver's side: bytes, time, steps),
 * client_session.c (greeting, EHLO, the end), client_login.c (AUTH), client_mail.c (the envelope),
 * client_text.c (the message text and its replies), client_result.c (what a reply means for a
 * recipient). */
#pragma once

#include "base/buf.h"
#include "smtp/client.h"
#include "smtp/extensions.h"
#include "smtp/reply_scan.h"
#include "smtp/stuff.h"

enum stage {
    STAGE_GREETING,
    STAGE_EHLO, /* or LHLO */
    STAGE_HELO,
    STAGE_STARTTLS,
    STAGE_HANDSHAKE,  /* the server has agreed to TLS */
    STAGE_CREDENTIAL, /* a login is due, and with what is not known yet */
    STAGE_AUTH,
    STAGE_READY,
    STAGE_DOWNGRADE, /* whether and how the text can be made fit is being found out */
    STAGE_ENVELOPE,  /* RSET, MAIL, RCPT and DATA with their replies */
    STAGE_TEXT,      /* after 354 */
    STAGE_CHUNKS,    /* BDAT */
    STAGE_END,       /* the text is handed in, its last reply is not here */
    STAGE_EMPTY,     /* the same for an empty text that nobody is to receive */
    STAGE_QUIT,
    STAGE_CLOSED
};

enum { RCPT_ASKED = 1, RCPT_ACCEPTED = 2, RCPT_DONE = 4 };

/* One message under way. Commands are asked in the order of the fields, and answered so. */
struct transfer {
    struct smtp_client_message message;
    bool is_reset_due, is_reset_asked;
    bool is_mail_asked, is_mail_answered;
    size_t next_ask, next_answer; /* places in message.recipients */
    bool is_data_asked;

    bool has_utf8_address; /* one that the envelope needs for these recipients */
    bool uses_chunks, needs_utf8, passes_by;
    enum body_type body;
    bool is_downgraded;
    struct downgrade_goal goal;
    bool is_kept;     /* the server has the transaction open: MAIL was accepted */
    bool is_in_doubt; /* a BDAT was refused */
    size_t asked;     /* RCPT commands */
    size_t open;      /* recipients without a result */
    size_t accepted;  /* recipients accepted and without a result */
    struct stuff stuff;
    uint8_t marks[]; /* RCPT_…, one a recipient */
};

struct smtp_client {
    struct smtp_client_settings settings;
    enum stage stage;
    struct extensions extensions;
    size_t awaited;            /* replies to come for what was asked */
    size_t messages;           /* MAIL commands */
    bool is_reset_due;         /* the server has a transaction open that will not be finished */
    struct transfer *transfer; /* NULL: none is under way */

    struct buf input, output;
    size_t input_at, output_at; /* consumed, sent */
    struct reply_scan scan;     /* its text is also where words about failures are kept */

    struct delivery_result result; /* for CLIENT_RESULT; while is_sweeping, for all still open */
    bool has_result, is_sweeping;
    size_t sweep_at;

    struct delivery_result failure;
    bool has_failed;
    enum client_security security;
    bool is_leaving; /* in LMTP, 421 was the reply for one recipient: the farewell, for those that
                        get none of their own */
    struct delivery_result farewell;
    struct buf farewell_text;
    struct sasl_client *sasl; /* in STAGE_AUTH */
    struct buf challenge;     /* in STAGE_AUTH: the newest, as base64 */
    bool is_lost, was_heard;
    struct buf lost_reason;

    int64_t progress_ms; /* the last sign of life, or our own last deed */
    bool clock_stands;   /* it is idle no more, but from when on is not known */
    uint8_t hostname[];
};

/* client_session.c */

/* Says EHLO, LHLO, HELO or STARTTLS, as the stage is. */
void client_session_ask(struct smtp_client *client);
/* A reply before STAGE_READY, or to QUIT. */
void client_session_reply(struct smtp_client *client);
/* Ends the session: what is open gets this result, and the failure is the same. */
void client_end(struct smtp_client *client, const struct delivery_result *verdict);
/* Ends the session because of what the server did, or did not do, against the protocol or the
 * clock; nothing more is sent. text is copied. */
void client_break(struct smtp_client *client, const char *status, struct bytes text);
/* Ends it for a breach of the protocol: what it is, and the line that was heard first. */
void client_breach(struct smtp_client *client, const char *what, struct bytes heard);
/* What the session is at, for people: "waiting for the greeting". */
const char *client_deed(const struct smtp_client *client);

/* client_login.c */

/* The hello is over: what is due before the first message. */
void client_login_begin(struct smtp_client *client);
/* A reply in STAGE_AUTH. */
void client_login_reply(struct smtp_client *client);
/* Forgets what the exchange needed. */
void client_login_end(struct smtp_client *client);

/* client_mail.c */

/* Asks what can be asked now; may leave a result. */
void client_mail_ask(struct smtp_client *client);
/* A reply in STAGE_ENVELOPE. */
void client_mail_reply(struct smtp_client *client);
/* client_text.c */

/* A reply in STAGE_TEXT, STAGE_CHUNKS, STAGE_END or STAGE_EMPTY. */
void client_text_reply(struct smtp_client *client);
/* Is a reply that comes now one recipient's, and may those of others be behind it? */
bool client_text_has_others(const struct smtp_client *client);
bool client_text_is_wanted(const struct smtp_client *client);

/* client_result.c */

enum moment { AT_SESSION, AT_MAIL, AT_RCPT, AT_DATA, AT_END };

/* What the reply just read means: outcome, code, status. */
struct delivery_result client_judge(const struct smtp_client *client, enum moment moment);
/* A result of our own: the server said nothing. text is constant. */
struct delivery_result client_verdict(enum delivery_outcome outcome, const char *status,
                                      const char *text);
/* The recipient at this place has its result. */
void client_settle(struct smtp_client *client, size_t place, const struct delivery_result *result);
/* All recipients still open have theirs. */
void client_settle_all(struct smtp_client *client, const struct delivery_result *result);
/* Brings up the next result, if there is one. */
bool client_next_result(struct smtp_client *client);
