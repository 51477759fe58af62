/* What `postrider probe` says to one server, and what it makes of the answers: each step is told in
 * the log. Stops before DATA. */
#pragma once

#include "cli/dialogue.h"
#include "cli/dns_client.h"
#include "cli/probe_log.h"
#include "cli/probe_plan.h"
#include "daemon/config.h"

/* All that the parts of a probe share. */
struct probe {
    struct probe_plan plan;
    struct config *config; /* NULL: none */
    struct dns_client *dns;
    struct facts *facts;
    struct probe_log *log;
    struct dialogue *dialogue;
    const char *helo;
    char own_name[256];  /* this host's, for EHLO */
    struct buf ca;       /* of --ca; empty: the system's */
    struct buf password; /* of --user */
    struct buf heard;    /* the last line that a server said, as it was */
};

/* The server that is spoken to. */
struct probe_hop {
    struct bytes name; /* as its certificate has it, and for the texts: a name, or the address */
    struct ip ip;
    uint16_t port;
    const char *unix_path; /* in place of the address; NULL: none */
    bool is_lmtp;
    /* How mail would go there (policy/tls_level.h). */
    const struct tls_rule *rule;
    struct tls_terms terms;
};

enum probe_outcome {
    PROBE_TAKEN,   /* the recipient would be taken */
    PROBE_REFUSED, /* for good: 5xx */
    PROBE_DELAYED, /* for now: 4xx */
    PROBE_NO_WAY,  /* it came to no answer: mail goes to the next host, or waits */
};

enum { PROBE_TEXT_LIMIT = 1024 };

struct probe_result {
    enum probe_outcome outcome;
    bool is_unreached;              /* PROBE_NO_WAY because there is no connection */
    bool is_silent;                 /* and nothing at all was answered on that port */
    char summary[PROBE_TEXT_LIMIT]; /* what came out, in words */
    char next[PROBE_TEXT_LIMIT];    /* what to do; "": nothing */
};

PRINTF_LIKE(3, 4)
void probe_result_set(struct probe_result *result, enum probe_outcome outcome, const char *format,
                      ...);
PRINTF_LIKE(2, 3) void probe_result_next(struct probe_result *result, const char *format, ...);

/* Tells that there is no connection, and why; fills the result. */
void probe_talk_unreached(struct probe *probe, const struct probe_hop *hop, const struct error *err,
                          struct probe_result *result);

/* The steps, on a dialogue that is connected. False: it ends here, and the result says how. */
MUST_CHECK bool probe_talk_greet(struct probe *probe, const struct probe_hop *hop,
                                 struct probe_result *result);
MUST_CHECK bool probe_talk_hello(struct probe *probe, const struct probe_hop *hop,
                                 struct probe_result *result);
/* The handshake alone, and what it led to. */
MUST_CHECK bool probe_talk_handshake(struct probe *probe, const struct probe_hop *hop,
                                     struct probe_result *result);
/* STARTTLS where it is offered, the handshake, and EHLO anew. True as well without TLS, where it is
 * not forced. */
MUST_CHECK bool probe_talk_secure(struct probe *probe, const struct probe_hop *hop,
                                  struct probe_result *result);
/* Logs in as --user says, in verified TLS. */
MUST_CHECK bool probe_talk_login(struct probe *probe, const struct probe_hop *hop,
                                 struct probe_result *result);
/* MAIL and RCPT, then RSET; fills the result in any case. recipient: as RCPT has it. */
void probe_talk_recipient(struct probe *probe, const struct probe_hop *hop, struct bytes recipient,
                          struct probe_result *result);
/* QUIT, where there is a connection still. */
void probe_talk_quit(struct probe *probe);
