/* What `postrider trace` is asked for. */
#pragma once

#include "base/error.h"
#include "base/ip.h"
#include "daemon/journal_words.h"

enum { TRACE_IP_TEXT = 64 };

struct trace_query {
    uint64_t id;                  /* of a message or a session; 0: it is no such number */
    struct journal_needle needle; /* no words: everything is wanted */
    int64_t since_ms, until_ms;   /* INT64_MIN, INT64_MAX: always */
    uint8_t address[TRACE_IP_TEXT];
};

/* text (kept; NULL: everything), since and until (NULL: not given; a duration before now, an
 * instant as RFC 3339 has it, or a local date, time or both). */
MUST_CHECK bool trace_query_init(struct trace_query *query, const char *text, const char *since,
                                 const char *until, struct error *err);
bool trace_query_has_time(const struct trace_query *query, int64_t instant_ms);
/* Is the line what was asked for, and of the time? */
bool trace_query_matches(const struct trace_query *query, struct bytes line);

/* Reads a moment as above. */
MUST_CHECK bool trace_moment_scan(const char *text, int64_t now_ms, int64_t *out_ms);
