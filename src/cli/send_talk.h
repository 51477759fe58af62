/* Hands a message to a server, as a client of it (RFC 5321, 6409), and keeps what was answered. */
#pragma once

#include "cli/dialogue.h"
#include "cli/message_file.h"
#include "cli/send_plan.h"

enum { SEND_REPLY_LIMIT = REPLY_TEXT_LIMIT + 1 };

struct send_answer {
    int code; /* 0: not asked */
    char text[SEND_REPLY_LIMIT];
};

/* What became of it. Texts of replies may hold bytes from outside (paint_add). */
struct send_result {
    bool is_taken; /* the message, for those recipients that were */
    int code;      /* of the last reply that decided; 0: none */
    char reply[SEND_REPLY_LIMIT];
    char problem[512];              /* what went wrong, for people; "": nothing */
    char next[256];                 /* what to do about it; "": nothing to say */
    bool is_temporary;              /* of the problem: it may work later */
    char place[320];                /* "mail.example.org [192.0.2.1]:587", a socket's path */
    char tls[256];                  /* "TLSv1.3, verified"; "": in clear text */
    struct send_answer *recipients; /* as many as the plan has; the caller's storage */
    int64_t took_ms;
};

struct send_way {
    const struct send_plan *plan;
    const struct message_file *file;
    struct bytes ca;       /* of --ca */
    struct bytes password; /* of --user */
    const char *helo;
};

/* Connects, secures, logs in and sends; says QUIT. Everything is in the result. */
void send_talk(const struct send_way *way, struct dialogue *dialogue, struct send_result *result);
