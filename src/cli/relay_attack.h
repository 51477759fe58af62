/* Ways to have a mail server send to strangers what strangers bring: each the words of one
 * transaction, up to RCPT. Tables and judgments; who talks is cli/relay_audit.h. Pure.
 *
 * Some addresses are of the server's own domain by their form, and of another by the reading of
 * old software ("user%host@domain"). A domain whose every address is taken takes those as well, and
 * is no relay for that: what is taken has to be judged by more than the reply. */
#pragma once

#include "base/ip.h"

/* Of whom the recipient is, by its form. */
enum attack_form {
    ATTACK_PLAIN, /* a stranger, by any reading; the others are the server's own */
    ATTACK_AT_DOMAIN,
    ATTACK_AT_HOST,
    ATTACK_AT_LITERAL,
    ATTACK_BARE, /* without a domain */
};
enum { ATTACK_FORMS = ATTACK_BARE + 1 };

/* A recipient of that form who is not there; NULL for ATTACK_PLAIN. A server that takes it takes
 * anybody there. */
extern const char *const attack_nobodies[ATTACK_FORMS];

struct attack {
    const char *name; /* "percent-hack" */
    const char *does; /* for people: "a % in place of the @" */
    const char *helo; /* these are templates; NULL: a name of no meaning */
    const char *mail; /* behind MAIL FROM: */
    const char *rcpt; /* behind RCPT TO: */
    enum attack_form form;
};

extern const struct attack attacks[];
extern const size_t attack_count;

/* What the templates' words stand for. */
struct attack_terms {
    struct bytes user, far; /* {user}, {far}: the stranger's local part and domain */
    struct bytes near;      /* {near}: a domain of the server's own */
    struct bytes host;      /* {host}: the server's name */
    struct ip ip;           /* {ip}: its address, as a literal has it without brackets */
};

/* Appends the template with its words filled in; also {nul}, a NUL. */
void attack_print(struct buf *out, const char *template, const struct attack_terms *terms);

enum attack_outcome {
    ATTACK_REFUSED, /* 5xx to MAIL or RCPT */
    ATTACK_LATER,   /* 4xx */
    ATTACK_LOCAL,   /* taken, for a mailbox of the server's own */
    ATTACK_OPEN,    /* taken, for a stranger */
    ATTACK_UNCLEAR, /* taken; whether for a stranger, the reply does not tell */
    ATTACK_BROKEN,  /* the connection ended */
};

/* What is known of the server: which addresses are its own. */
enum attack_knowledge {
    ATTACK_KNOWS_LOCAL,    /* this address is a mailbox of its own */
    ATTACK_KNOWS_FOREIGN,  /* it is not */
    ATTACK_KNOWS_ANYTHING, /* the server takes anybody there */
    ATTACK_KNOWS_NOTHING,  /* it refuses who does not exist */
};
/* code: of the reply to RCPT, or to MAIL where that was refused; 0: none came. */
enum attack_outcome attack_judge(const struct attack *attack, int code,
                                 enum attack_knowledge knowledge);
