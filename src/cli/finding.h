/* What a command has found out about a server, its configuration and its surroundings: each finding
 * with what it means, how it was found, and what is to be done. Collects, ranks, prints. */
#pragma once

#include <jansson.h>

#include "base/buf.h"

/* The worst first. */
enum severity {
    SEVERITY_PROBLEM, /* mail is lost, refused or abused by it, or the server does not start */
    SEVERITY_WARNING, /* it works, and is a danger, or will not work for long */
    SEVERITY_UNKNOWN, /* it could not be found out */
    SEVERITY_NOTE,    /* worth knowing; nothing is to be done */
    SEVERITY_GOOD,    /* it was looked at, and is as it should be */
};

/* Texts for people, one sentence or two each, of what came from outside only what paint_add() let
 * through; empty where there is nothing to say. */
struct finding {
    enum severity severity;
    const char *area;   /* constant: "configuration", "dns", "relay" … */
    const char *code;   /* constant, for programs: "relay-open" */
    struct buf what;    /* what is so: "port 25 takes mail for anybody" */
    struct buf meaning; /* what comes of it */
    struct buf how;     /* how it was found: what was done, and what was answered */
    struct buf remedy;  /* exactly what to do: a line of configuration, a record, a command */
};

enum { FINDING_TEXT_LIMIT = 8192, FINDINGS_LIMIT = 10000 };

struct findings;

struct findings *findings_new(void);
void findings_free(struct findings *findings);

/* One more, with empty texts for the caller to fill by buf_addf(); borrowed until the next call.
 * Beyond FINDINGS_LIMIT the last one is written over. */
struct finding *findings_add(struct findings *findings, enum severity severity, const char *area,
                             const char *code);
size_t findings_count(const struct findings *findings, enum severity severity);
/* By number, in the order of severity, then as they were added; borrowed. */
const struct finding *findings_view(struct findings *findings, size_t number);

enum findings_detail {
    FINDINGS_BAD, /* problems, warnings and what is unknown in full; of the rest a line that counts
                   */
    FINDINGS_ALL, /* all in full */
};
/* Prints to standard output, the worst first, in colour where it helps; the last line sums up. */
void findings_print(struct findings *findings, enum findings_detail detail);
/* The same for programs: an array of {"severity", "area", "code", "what", "meaning", "how",
 * "remedy"}; the caller owns it. */
json_t *findings_json(struct findings *findings);
/* EXIT_BAD with any problem, EXIT_LATER when nothing worse than unknown is there, else EXIT_GOOD.
 */
int findings_status(const struct findings *findings);
