/* The server machine's insides, shared by its parts: server.c (the interface, steps and lines),
 * server_command.c (the table of commands and the simple ones), server_mail.c (MAIL and RCPT),
 * server_body.c (DATA, BDAT and the text), server_auth.c (AUTH). Private to them. */
#pragma once

#include "smtp/dot.h"
#include "smtp/server.h"

/* Where the session stands, as bits for the command table. */
enum phase {
    PHASE_START = 1,   /* no EHLO, HELO or LHLO yet */
    PHASE_GREETED = 2, /* no transaction */
    PHASE_MAIL = 4,    /* a transaction, no recipient accepted */
    PHASE_RCPT = 8,    /* a recipient accepted */
    PHASE_CHUNKS = 16, /* BDAT was said in this transaction, its LAST not yet */
};

enum reading { READING_LINES, READING_DATA, READING_CHUNK };

/* What reading some input led to. */
enum progress {
    PROGRESS,      /* something was done: look again */
    PROGRESS_NONE, /* all input is consumed */
    PROGRESS_TEXT, /* server->chunk is a run of text */
};

struct smtp_server {
    const struct smtp_server_settings *settings;
    int64_t now_ms, wall_ms;
    int64_t active_ms;     /* steady: since when the peer owes something */
    int64_t text_began_ms; /* steady: the first text of this message came; 0: none yet */
    uint64_t text_wire;    /* bytes that came for this message, before unstuffing */

    struct bytes input;
    struct buf line;   /* the front of a command line cut by the end of the input */
    struct buf output; /* from output_sent on still to be sent */
    size_t output_sent, greeting_left;

    struct arena *arena;          /* the transaction's */
    struct envelope *transaction; /* in the arena; NULL: none */
    size_t recipient_room;        /* of transaction->recipients */
    struct envelope_recipient candidate;
    uint64_t declared_size;

    struct dot dot;
    struct bytes chunk;
    uint64_t text_size;         /* bytes of text so far */
    uint64_t chunk_left;        /* BDAT: bytes of this chunk still to come */
    struct smtp_answer failure; /* why the text is only swallowed; code 0: it is not */

    struct bytes refused_verb, refused_text;
    struct bytes closed_rule, closed_text; /* an end by 421 that is not told yet */
    int refused_code;                      /* 0: nothing was refused since it was asked last */

    size_t errors, mails, rcpts_tried;
    size_t stores_left; /* answers still to come in SERVER_STORE */

    enum smtp_server_effect asked; /* what the driver has to answer; SERVER_WANT_INPUT: nothing */
    enum reading reading;
    unsigned peer_flags;
    bool has_greeted, is_extended, is_closing, is_shutting;
    bool is_secure;         /* inside TLS */
    bool must_drop;         /* SERVER_DROP_BODY is due */
    bool must_tell;         /* of a refusal, before the next command */
    bool has_begun;         /* the driver has a message begun that is not complete */
    bool in_chunks;         /* PHASE_CHUNKS */
    bool is_driver_failure; /* failure is an answer of the driver's, copied to the arena */
    bool chunk_is_last;
    bool line_after_cr;     /* the line so far ends in CR */
    bool line_is_swallowed; /* it was answered already; skip to CRLF */
    bool owes_silence;      /* a last-of-group command's reply is not out yet (RFC 2920, 3.1) */
    bool clock_stood;       /* the driver took its time: the peer's begins with the next look */

    unsigned logins;   /* mechanisms allowed now */
    struct sasl *sasl; /* an exchange is under way, or its end not told yet; NULL: neither */
    struct smtp_login login;
    bool has_login_ended, is_login_told;
    struct bytes user_owned;

    struct bytes helo_owned;
    bool has_xclient;
    size_t new_peer_len;
    uint8_t new_peer[SMTP_PEER_LIMIT]; /* of the XCLIENT that is asked about */
    size_t peer_len;
    uint8_t peer[]; /* SMTP_PEER_LIMIT bytes at least */
};

/* server.c */

/* Queues a reply. */
void server_reply(struct smtp_server *server, int code, const char *status, const char *text);
/* Queues a refusal of the machine's own, notes it for the log and counts the error; too many end
 * the session. The verb and the answer's texts are constant. */
void server_refuse(struct smtp_server *server, struct bytes verb, struct smtp_answer answer);
/* The same in `count` replies (LMTP: one a recipient), counted as one error. */
void server_refuse_all(struct smtp_server *server, struct bytes verb, struct smtp_answer answer,
                       size_t count);
/* Counts an error; too many end the session. */
void server_count_error(struct smtp_server *server);
/* Queues a 421 and ends the session. */
void server_close(struct smtp_server *server, const char *rule, const char *status,
                  const char *text);
/* Ends the session: the input is forgotten, a message begun is dropped. */
void server_end(struct smtp_server *server);
/* Ends the transaction, if any: a message begun is dropped. */
void server_reset(struct smtp_server *server);
/* Forgets all that the peer has said of itself (RFC 3207, 4.2). */
void server_forget(struct smtp_server *server);
/* The message begun will not be finished. */
void server_drop(struct smtp_server *server);
enum phase server_phase(const struct smtp_server *server);

/* server_command.c */

void server_greet(struct smtp_server *server);
void server_new_peer_answered(struct smtp_server *server, const struct smtp_answer *answer);
/* Runs one command line, given without its CRLF. */
void server_command(struct smtp_server *server, struct bytes line);

/* Bytes came in clear text behind STARTTLS: ends the session. */
void server_refuse_injection(struct smtp_server *server);

/* server_mail.c */

void server_mail(struct smtp_server *server, struct bytes argument);
void server_rcpt(struct smtp_server *server, struct bytes argument);
void server_mail_answered(struct smtp_server *server, const struct smtp_answer *answer);
void server_rcpt_answered(struct smtp_server *server, const struct smtp_answer *answer);

/* server_body.c */

void server_data(struct smtp_server *server, struct bytes argument);
void server_bdat(struct smtp_server *server, struct bytes argument);
void server_begin_answered(struct smtp_server *server, const struct smtp_answer *answer);
void server_store_answered(struct smtp_server *server, const struct smtp_answer *answer);
enum progress server_read_text(struct smtp_server *server);

/* server_auth.c */

void server_auth(struct smtp_server *server, struct bytes argument);
/* A line of the exchange under way, without its CRLF. */
void server_auth_line(struct smtp_server *server, struct bytes line);
/* What came is no line at all. */
void server_auth_break(struct smtp_server *server, struct bytes text);
/* Forgets the exchange, if any. */
void server_login_drop(struct smtp_server *server);
/* The same, and who is logged in. */
void server_login_forget(struct smtp_server *server);
