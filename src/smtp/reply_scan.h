/* Replies as a client hears them (RFC 5321, 4.2; enhanced status codes by RFC 2034): one of
 * several lines is put together to its code, its enhanced status code and one text for people.
 * Incremental and bounded: long texts are cut, endless replies are a fault. */
#pragma once

#include "base/bytes.h"

enum {
    REPLY_TEXT_LIMIT = 512,  /* bytes of text kept */
    REPLY_LINE_LIMIT = 2048, /* RFC 5321, 4.5.3.1.5 asks for 512 */
    REPLY_LINES_LIMIT = 64,  /* far more than any EHLO reply has */
    STATUS_LIMIT = 12,       /* "5.123.123" and a NUL */
};

/* Plain data: the storage is the caller's, all of it set by reply_scan_begin(). */
struct reply_scan {
    int code;                  /* 200-599; 0 before the first line */
    size_t line_count;         /* lines of this reply so far */
    const char *fault;         /* for SCAN_BAD: what is wrong, for people */
    char status[STATUS_LIMIT]; /* empty: none, or of another class than the code */
    bool is_complete;
    size_t text_len;
    uint8_t text[REPLY_TEXT_LIMIT]; /* code, status and the words of all lines, joined by spaces;
                                       bytes that control are "?" */
};

enum reply_scan_event {
    SCAN_MORE,  /* no whole line yet */
    SCAN_LINE,  /* a line of a reply that goes on */
    SCAN_REPLY, /* the last line: the reply is complete */
    SCAN_BAD,   /* no SMTP reply: scan->fault */
};

void reply_scan_begin(struct reply_scan *scan);

/* Reads one line from the front of *input and moves it behind it; *words is what the line says
 * behind its code, a view of the input (for SCAN_LINE and SCAN_REPLY only). After SCAN_REPLY the
 * next call begins a new reply. Unless SCAN_MORE came, the input of the next call goes on where
 * this one stopped; after SCAN_MORE it begins with the bytes that were left. */
enum reply_scan_event reply_scan_next(struct reply_scan *scan, struct bytes *input,
                                      struct bytes *words);

/* Puts other words in place of the reply's text; what does not fit is cut. */
void reply_scan_say(struct reply_scan *scan, struct bytes text);
struct bytes reply_scan_text(const struct reply_scan *scan);
