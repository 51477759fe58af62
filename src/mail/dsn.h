/* Delivery status notifications: a multipart/report message (RFC 3464, RFC 6522; RFC 6533 for
 * messages with UTF-8 addresses or header fields) that tells a sender in plain words and in fields
 * for programs what became of a message. Composes only. */
#pragma once

#include "mail/envelope.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
    struct bytes address; /* local@domain as it was delivered to, or not */
    struct bytes orcpt;   /* as given, valid by orcpt_is_valid(); empty: none */
    enum dsn_action action;
    struct bytes status;     /* enhanced status code: "5.1.1" */
    int code;                /* of the other server's reply; 0: `reply` is what we have to say */
    struct bytes reply;      /* the other server's words, code included, or what went wrong */
    struct bytes remote;     /* the other server: "mx.example[192.0.2.1]:25", or a name; empty: none
                                was asked */
    int64_t last_attempt_ms; /* 0: none was made */
    int64_t retry_until_ms;  /* DSN_DELAYED: the end of our patience; 0: not told */
};

struct dsn_report {
    uint64_t id;    /* of the notification */
    int64_t now_ms; /* wall clock, for Date */
    struct bytes hostname;
    /* Of the message reported on. Used: id, reverse_path (never the null one), envid, ret,
     * received_ms, by_mode, by_ms, is_smtputf8. */
    const struct envelope *envelope;
    const struct dsn_recipient *recipients; /* at least one */
    size_t recipient_count;
    struct bytes original; /* the message reported on, from its start */
    bool is_whole; /* `original` is all of it; else its header section at least, if possible */
};

/* What the notification's own envelope must say. */
struct dsn_needs {
    enum body_type body;
    bool is_smtputf8;
};

enum {
    DSN_RETURN_LIMIT = 65536
}; /* bytes of a message that is returned whole: those who were
      lied about by a forged reverse-path get no flood */

/* Appends the message, CRLF line ends. The original is returned whole when a recipient failed,
 * RET=HDRS was not asked for, and it is small and in lines; else its header section is (RFC 3461,
 * 5.2.9 and 6.2). */
struct dsn_needs dsn_print(struct buf *out, const struct dsn_report *report);
