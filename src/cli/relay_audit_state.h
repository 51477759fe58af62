/* What the parts of an audit share: relay_audit.c (sessions and transactions), relay_special.c (all
 * that is no transaction). Private to them. */
#pragma once

#include "cli/dialogue.h"
#include "cli/relay_attack.h"
#include "cli/relay_audit.h"

enum {
    AUDIT_NAME_LIMIT = 256,
    AUDIT_WORDS_LIMIT = 3000, /* of a conversation that is shown */
};

#define AUDIT_GREETING "relay-audit.invalid"
#define AUDIT_AREA "relay"

struct audit {
    const struct relay_target *target;
    struct findings *findings;
    struct dialogue *dialogue;
    struct tls_context *tls;
    struct attack_terms terms;
    char host[AUDIT_NAME_LIMIT], near[AUDIT_NAME_LIMIT], greeted[AUDIT_NAME_LIMIT];
    struct buf words; /* the conversation since audit_forget_words() */
    int64_t until_ms; /* steady; nothing new is begun then */
    bool takes_anybody[ATTACK_FORMS];
};

enum audit_tls { AUDIT_CLEAR, AUDIT_AS_USUAL };

/* A new connection, up to its greeting; inside TLS where that comes first. first: bytes to say
 * before all that, if any. */
MUST_CHECK bool audit_connect(struct audit *audit, struct bytes first, struct error *err);
/* The same and EHLO; AUDIT_AS_USUAL: inside TLS where mail is submitted so. */
MUST_CHECK bool audit_greet(struct audit *audit, const char *name, enum audit_tls tls,
                            struct error *err);
/* Goes over to TLS after the 220. */
MUST_CHECK bool audit_start_tls(struct audit *audit, struct error *err);
/* Says a line of any bytes, without its end. The reply's code; 0: none came. */
int audit_say(struct audit *audit, struct bytes line);
/* RCPT for a stranger, of an ordinary sender, in this session: its code, or that of MAIL. */
int audit_try_stranger(struct audit *audit);
void audit_forget_words(struct audit *audit);
/* A finding about the target; how is the conversation. */
struct finding *audit_find(struct audit *audit, enum severity severity, const char *code);

/* relay_special.c */
void audit_special(struct audit *audit);
