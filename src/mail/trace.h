/* Trace fields: what a server writes in front of a message (RFC 5321, 4.4), and the hop count. */
#pragma once

#include "mail/envelope.h"

struct trace {
    /* As received, before aliases are expanded: the recipient is named when there is exactly
     * one, so that nobody learns of others (RFC 5321, 7.2). Used: id, received_ms, helo,
     * client, recipients, is_smtputf8. */
    const struct envelope *envelope;
    struct bytes reverse_name; /* the client's name by DNS, when it is known to be right; may be
                                  empty */
    struct bytes hostname;     /* ours */
    struct bytes protocol;     /* "ESMTP" … (RFC 3848; RFC 6531, 4.3) */
    struct bytes tls;          /* "TLSv1.3 TLS_AES_256_GCM_SHA384 256": version, cipher, bits of its
                                  key; empty: in clear text */
};

/* Appends the Received field, CRLF at the end of each line, lines within 78 bytes where the words
 * allow it. Whatever the client said in HELO, the field is one field and its syntax is good:
 * bytes that no domain has become "?". UTF-8 only where the envelope is SMTPUTF8. */
void trace_received(struct buf *out, const struct trace *trace);

/* Appends the Received field of a message that is made here. */
void trace_received_local(struct buf *out, struct bytes hostname, uint64_t id, int64_t at_ms);

/* Appends the Return-Path field of final delivery; an empty reverse-path is the null one. */
void trace_return_path(struct buf *out, struct bytes reverse_path);

/* The field behind Received that says that a message is junk to whoever delivers it:
 * "X-Postrider-Junk: yes (dmarc)". rule: a word. */
void trace_junk(struct buf *out, const char *rule);
/* Is it this field's name? */
bool trace_is_junk_name(struct bytes name);
/* Is it there, behind one field at the text's beginning? Line ends as in trace_id(). */
bool trace_is_junk(struct bytes text);

/* The id in the Received field that one of these made, when the text begins with one; it may
 * end anywhere, and have LF as line ends. Another server's form is not read. */
MUST_CHECK bool trace_id(struct bytes text, uint64_t *out);

/* How often the message was received, by its header section (RFC 5321, 6.3). */
size_t trace_hops(struct bytes section);
