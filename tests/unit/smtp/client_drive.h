/* Drives the client machine through a transcript for its tests. */
#pragma once

#include "smtp/client.h"

/* Lines of a transcript, each ended by LF:
 *   S: what the server says          C: what the client is to say
 *   X: hangup | expire | abort       what befalls the connection there
 *   X: secured | unsecured           how the TLS handshake ends
 * A line of the server's ends in CRLF; "S> " has it end in LF, "S_ " in nothing. Messages are
 * handed in as soon as the machine is ready; when none is left, it is told to quit. */
struct drive {
    enum smtp_dialect dialect;
    enum smtp_client_tls tls;
    bool is_secure; /* from the greeting on */
    enum smtp_client_login login;
    const struct sasl_credential *credential; /* NULL: there is none */
    const struct smtp_client_message *message;
    size_t message_count; /* the same message so often */
    struct bytes text;    /* its text */
    const char *unfit;    /* why it cannot be downgraded; NULL: it can */
    size_t server_cut;    /* the server's words come in two at this position; 0: as they are;
                             SIZE_MAX: byte by byte */
    size_t text_piece;    /* message text is handed in so many bytes at a time; 0: at once */
};

/* Checks that the client says what the transcript has, and appends the results (and "handshake"),
 * one a line, and how the session ended to *out, which is NUL-terminated. Fails the test on any
 * difference. */
void drive_transcript(const struct drive *drive, const char *transcript, struct buf *out);
