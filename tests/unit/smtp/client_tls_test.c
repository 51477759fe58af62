/* STARTTLS on the client's side (RFC 3207). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "client_drive.h"

static struct envelope_recipient ann[] = {{BYTES_INIT("ann@a.example"), BYTES_INIT(""), 0}};
static const struct envelope plain = {
    .reverse_path = BYTES_INIT("me@me.example"), .recipients = ann, .recipient_count = 1};
static const size_t places[] = {0};
static const struct smtp_client_message message = {
    .envelope = &plain, .recipients = places, .recipient_count = 1, .size = 5};

#define GREET "S: 220 mx.example\nC: EHLO me.example\n"
#define OFFER GREET "S: 250-mx.example\nS: 250-PIPELINING\nS: 250-SIZE 4\nS: 250 STARTTLS\n"
#define ASK OFFER "C: STARTTLS\n"
#define AGREE ASK "S: 220 2.0.0 go ahead\n"
#define AGAIN "X: secured\nC: EHLO me.example\nS: 250 mx.example\n"
#define FROM "C: MAIL FROM:<me@me.example>\n"
#define LETTER                                                                                     \
    FROM "S: 250 ok\nC: RCPT TO:<ann@a.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: Hi.\nC: .\n"    \
         "S: 250 taken\n"
#define BYE "C: QUIT\nS: 221 2.0.0 bye\n"
#define BREACH "connection: the server broke the protocol: "

enum { NONE = CLIENT_TLS_NONE, MAY = CLIENT_TLS_OPPORTUNISTIC, MUST = CLIENT_TLS_FORCED, IMPLICIT };

static const struct {
    const char *name;
    int tls;
    size_t count;
    const char *transcript, *results;
} rows[] = {
    {"none: not said though offered", NONE, 0, OFFER BYE, "end\n"},
    {"all said in clear is forgotten", MAY, 1, AGREE AGAIN LETTER BYE,
     "handshake\n0 delivered 250 2.0.0: 250 taken\nin TLS, end\n"},
    {"forced, and offered", MUST, 1, AGREE AGAIN LETTER BYE,
     "handshake\n0 delivered 250 2.0.0: 250 taken\nin TLS, end\n"},
    {"STARTTLS within TLS is nothing new", MUST, 0,
     AGREE "X: secured\nC: EHLO me.example\nS: 250-mx\nS: 250 STARTTLS\n" BYE,
     "handshake\nin TLS, end\n"},
    {"not offered", MAY, 0, GREET "S: 250 mx.example\n" BYE, "not offered, end\n"},
    {"not offered, and forced", MUST, 1, GREET "S: 250 mx.example\nC: QUIT\n",
     "end deferred 0 4.7.4 connection: TLS is required, and the server does not offer STARTTLS\n"},
    {"refused", MAY, 0, ASK "S: 454 4.7.0 not now\n" BYE, "refused, end\n"},
    {"refused for good", MAY, 0, ASK "S: 502 what?\n" BYE, "refused, end\n"},
    {"refused, and forced", MUST, 0, ASK "S: 554 5.7.0 never\nC: QUIT\n",
     "end deferred 0 4.7.4 connection: TLS is required, and the server refuses STARTTLS: "
     "554 5.7.0 never\n"},
    {"HELO alone", MAY, 0, GREET "S: 502 what?\nC: HELO me.example\nS: 250 mx\n" BYE,
     "not offered, end\n"},
    {"HELO alone, and forced", MUST, 0,
     GREET "S: 502 what?\nC: HELO me.example\nS: 250 mx\nC: QUIT\n",
     "end deferred 0 4.7.4 connection: TLS is required, and the server does not offer STARTTLS\n"},
    {"goodbye instead", MAY, 0, ASK "S: 421 busy\n",
     "end deferred 421 4.3.2 connection: 421 busy\n"},
    {"250 is no agreement", MAY, 0, ASK "S: 250 ok\n",
     "end deferred 0 4.5.0 " BREACH "a code that has no meaning there: 250 ok\n"},
    {"354 neither", MAY, 0, ASK "S: 354 ok\n",
     "end deferred 0 4.5.0 " BREACH "a code that has no meaning there: 354 ok\n"},
    {"the handshake fails", MUST, 1, AGREE "X: unsecured\n",
     "handshake\nend deferred 0 4.7.5 connection: the certificate has expired\n"},
    {"the line breaks in it", MUST, 0, AGREE "X: hangup\n",
     "handshake\nend deferred 0 4.4.2 connection: the line is dead (in the TLS handshake)\n"},
    {"it takes too long", MAY, 0, AGREE "X: expire\n",
     "handshake\nend deferred 0 4.4.2 connection: timed out in the TLS handshake\n"},
    {"no reply to STARTTLS", MAY, 0, ASK "X: expire\n",
     "end deferred 0 4.4.2 connection: timed out waiting for the reply to STARTTLS\n"},
    {"the greeting in TLS: EHLO once", IMPLICIT, 1, OFFER BYE,
     "0 failed 0 5.3.4: the message is larger than the server says it takes\nin TLS, end\n"},
};

/* Words behind the 220 came in clear: somebody on the way wants them to pass for the server's.
 * Within one packet or in the next one, they never do. */
static const struct {
    const char *name, *transcript, *results;
} injections[] = {
    {"the reply to EHLO", AGREE "S: 250-mx\nS: 250 SIZE\n", "250-mx"},
    {"a goodbye", AGREE "S: 421 4.3.2 go away\n", "421 4.3.2 go away"},
    {"half a line", AGREE "S_ 250 m\n", "250 m"},
    {"no reply at all", AGREE "S: xyzzy\n", "xyzzy"},
};

static void check(const char *transcript, int tls, size_t count, size_t cut, const char *results)
{
    const struct drive drive = {
        .tls = tls == IMPLICIT ? CLIENT_TLS_FORCED : (enum smtp_client_tls)tls,
        .is_secure = tls == IMPLICIT,
        .message = &message,
        .message_count = count,
        .text = BYTES("Hi.\r\n"),
        .server_cut = cut,
    };
    struct buf out;
    buf_init(&out, SIZE_MAX);
    drive_transcript(&drive, transcript, &out);
    assert_string_equal((const char *)out.at, results);
    buf_done(&out);
}

static void test_starttls(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("  %s\n", rows[i].name);
        check(rows[i].transcript, rows[i].tls, rows[i].count, 0, rows[i].results);
        check(rows[i].transcript, rows[i].tls, rows[i].count, SIZE_MAX, rows[i].results);
        for (size_t cut = 1; cut < strlen(rows[i].transcript); cut++)
            check(rows[i].transcript, rows[i].tls, rows[i].count, cut, rows[i].results);
    }
}

static void test_injection(void **state)
{
    for (size_t i = 0; i < COUNT(injections); i++) {
        struct buf wanted;
        buf_init(&wanted, SIZE_MAX);
        buf_addf(&wanted,
                 "end deferred 0 4.5.0 " BREACH "it speaks in clear behind its reply to "
                 "STARTTLS: %s\n",
                 injections[i].results);
        buf_add_byte(&wanted, 0);
        print_message("  %s\n", injections[i].name);
        for (int tls = MAY; tls <= MUST; tls++)
            check(injections[i].transcript, tls, 1, 0, (const char *)wanted.at);
        buf_done(&wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starttls),
        cmocka_unit_test(test_injection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
