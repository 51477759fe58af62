#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client_drive.h"

static struct envelope_recipient two[] = {{BYTES_INIT("ann@a.example"), BYTES_INIT(""), 0},
                                          {BYTES_INIT("bob@a.example"), BYTES_INIT(""), 0}};
static struct envelope_recipient dsn_two[] = {
    {BYTES_INIT("ann@a.example"), BYTES_INIT("rfc822;an+2Bn@x.example"),
     NOTIFY_SUCCESS | NOTIFY_FAILURE},
    {BYTES_INIT("bob@a.example"), BYTES_INIT(""), NOTIFY_NEVER}};
static struct envelope_recipient by_three[] = {
    {BYTES_INIT("ann@a.example"), BYTES_INIT(""), 0},
    {BYTES_INIT("bob@a.example"), BYTES_INIT(""), NOTIFY_NEVER},
    {BYTES_INIT("cat@a.example"), BYTES_INIT(""), NOTIFY_SUCCESS}};
static struct envelope_recipient hostile[] = {
    {BYTES_INIT("x@a.example>\r\nDATA"), BYTES_INIT(""), 0},
    {BYTES_INIT("bob@a.example"), BYTES_INIT("rfc822;b\r\nQUIT"), 0}};
static struct envelope_recipient utf8_one[] = {
    {BYTES_INIT("\xC3\xA5sa@a.example"), BYTES_INIT(""), 0}};

static const struct envelope plain = {
    .reverse_path = BYTES_INIT("me@me.example"), .recipients = two, .recipient_count = 2};
static const struct envelope bounce = {.recipients = two, .recipient_count = 2};
static const struct envelope dsn = {.reverse_path = BYTES_INIT("me@me.example"),
                                    .envid = BYTES_INIT("QQ314159"),
                                    .ret = RET_HDRS,
                                    .recipients = dsn_two,
                                    .recipient_count = 2};
static const struct envelope declared_8bit = {.reverse_path = BYTES_INIT("me@me.example"),
                                              .body = BODY_8BITMIME,
                                              .recipients = two,
                                              .recipient_count = 2};
static const struct envelope binary = {.reverse_path = BYTES_INIT("me@me.example"),
                                       .body = BODY_BINARYMIME,
                                       .recipients = two,
                                       .recipient_count = 2};
static const struct envelope utf8 = {.reverse_path = BYTES_INIT("me@me.example"),
                                     .is_smtputf8 = true,
                                     .recipients = utf8_one,
                                     .recipient_count = 1};
static const struct envelope by_return = {.reverse_path = BYTES_INIT("me@me.example"),
                                          .by_mode = BY_RETURN,
                                          .recipients = two,
                                          .recipient_count = 2};
static const struct envelope by_notify = {.reverse_path = BYTES_INIT("me@me.example"),
                                          .by_mode = BY_NOTIFY,
                                          .by_trace = true,
                                          .recipients = by_three,
                                          .recipient_count = 3};
static const struct envelope utf8_text = {.reverse_path = BYTES_INIT("me@me.example"),
                                          .is_smtputf8 = true,
                                          .body = BODY_8BITMIME,
                                          .recipients = two,
                                          .recipient_count = 2};
static const struct envelope hostile_recipients = {
    .reverse_path = BYTES_INIT("me@me.example"), .recipients = hostile, .recipient_count = 2};
static const struct envelope hostile_sender = {
    .reverse_path = BYTES_INIT("me@me.example>\r\nX"), .recipients = two, .recipient_count = 2};

static const size_t places[] = {0, 1, 2};
static const size_t second_only[] = {1};

#define MESSAGE(e, n)                                                                              \
    {                                                                                              \
        .envelope = &(e), .recipients = places, .recipient_count = (n), .size = 5                  \
    }
#define TIMED(e, n, s)                                                                             \
    {                                                                                              \
        .envelope = &(e), .recipients = places, .recipient_count = (n), .size = 5, .by_s = (s)     \
    }
enum {
    PLAIN,
    ONE,
    SECOND,
    BOUNCE,
    DSN,
    EIGHT_BIT,
    DECLARED_8BIT,
    BINARY,
    UTF8,
    UTF8_TEXT,
    LONG_8BIT,
    LARGE,
    BY_98,
    BY_0,
    NOTIFY_98,
    NOTIFY_LATE,
    NOTIFY_AGES,
    HOSTILE_RECIPIENTS,
    HOSTILE_SENDER,
};
static const struct smtp_client_message messages[] = {
    [PLAIN] = MESSAGE(plain, 2),
    [ONE] = MESSAGE(plain, 1),
    [SECOND] = {.envelope = &plain, .recipients = second_only, .recipient_count = 1, .size = 5},
    [BOUNCE] = MESSAGE(bounce, 1),
    [DSN] = MESSAGE(dsn, 2),
    [EIGHT_BIT] = {.envelope = &plain,
                   .recipients = places,
                   .recipient_count = 1,
                   .size = 5,
                   .has_8bit = true},
    [DECLARED_8BIT] = MESSAGE(declared_8bit, 1),
    [BINARY] = MESSAGE(binary, 2),
    [UTF8] = MESSAGE(utf8, 1),
    [UTF8_TEXT] = {.envelope = &utf8_text,
                   .recipients = places,
                   .recipient_count = 1,
                   .size = 5,
                   .has_8bit = true},
    [LONG_8BIT] = {.envelope = &plain,
                   .recipients = places,
                   .recipient_count = 1,
                   .size = 99,
                   .has_8bit = true},
    [LARGE] = {.envelope = &plain,
               .recipients = places,
               .recipient_count = 2,
               .size = 2 * 1024 * 1024},
    [BY_98] = TIMED(by_return, 1, 98),
    [BY_0] = TIMED(by_return, 1, 0),
    [NOTIFY_98] = TIMED(by_notify, 3, 98),
    [NOTIFY_LATE] = TIMED(by_notify, 3, -7),
    [NOTIFY_AGES] = TIMED(by_notify, 1, -1000000007),
    [HOSTILE_RECIPIENTS] = MESSAGE(hostile_recipients, 2),
    [HOSTILE_SENDER] = MESSAGE(hostile_sender, 1),
};

#define GREET "S: 220 mx.example\nC: EHLO me.example\n"
#define OLD GREET "S: 250 mx.example\n"
#define PIPE GREET "S: 250-mx.example\nS: 250-PIPELINING\nS: 250 8BITMIME\n"
#define CHUNKING GREET "S: 250-mx.example\nS: 250-BINARYMIME\nS: 250 CHUNKING\n"
#define PIPE_CHUNKING                                                                              \
    GREET "S: 250-mx.example\nS: 250-PIPELINING\nS: 250-BINARYMIME\nS: 250 CHUNKING\n"
#define LMTP "S: 220 lmtp.example\nC: LHLO me.example\nS: 250-x\nS: 250 PIPELINING\n"
#define FROM "C: MAIL FROM:<me@me.example>\n"
#define ANN "C: RCPT TO:<ann@a.example>\n"
#define BOB "C: RCPT TO:<bob@a.example>\n"
#define TEXT_SAID "C: Hi.\nC: .\n"
#define BYE "C: QUIT\nS: 221 2.0.0 bye\n"

struct row {
    const char *name;
    enum smtp_dialect dialect;
    int message; /* how many, and which one */
    size_t count;
    const char *transcript, *results;
};

static const struct row session_rows[] = {
    {"nothing to send", DIALECT_SMTP, PLAIN, 0, PIPE BYE, "end\n"},
    {"LHLO", DIALECT_LMTP, PLAIN, 0, LMTP BYE, "end\n"},
    {"greeting of many lines", DIALECT_SMTP, PLAIN, 0,
     "S: 220-mx.example\nS: 220-no spam\nS: 220 \nC: EHLO me.example\nS: 250 x\n" BYE, "end\n"},
    {"greeting 554", DIALECT_SMTP, PLAIN, 1, "S: 554 no mail here\nC: QUIT\n",
     "end failed 554 5.3.2 connection: 554 no mail here\n"},
    {"greeting 421", DIALECT_SMTP, PLAIN, 1, "S: 421 4.3.2 busy\n",
     "end deferred 421 4.3.2 connection: 421 4.3.2 busy\n"},
    {"greeting 450", DIALECT_SMTP, PLAIN, 1, "S: 450 later\nC: QUIT\n",
     "end deferred 450 4.0.0 connection: 450 later\n"},
    {"greeting is no SMTP", DIALECT_SMTP, PLAIN, 1, "S: SSH-2.0-OpenSSH\n",
     "end deferred 0 4.5.0 connection: the server broke the protocol: is not an SMTP reply: "
     "SSH-2.0-OpenSSH\n"},
    {"greeting 354", DIALECT_SMTP, PLAIN, 1, "S: 354 go ahead\n",
     "end deferred 0 4.5.0 connection: the server broke the protocol: code 3xx where it has no "
     "meaning: 354 go ahead\n"},
    {"HELO when EHLO is not known", DIALECT_SMTP, PLAIN, 0,
     GREET "S: 502 what?\nC: HELO me.example\nS: 250 mx\n" BYE, "end\n"},
    {"HELO refused as well", DIALECT_SMTP, PLAIN, 0,
     GREET "S: 500 what?\nC: HELO me.example\nS: 550 5.7.1 go away\nC: QUIT\n",
     "end failed 550 5.7.1 connection: 550 5.7.1 go away\n"},
    {"EHLO refused by policy", DIALECT_SMTP, PLAIN, 0, GREET "S: 550 bad name\nC: QUIT\n",
     "end failed 550 5.7.1 connection: 550 bad name\n"},
    {"no HELO in LMTP", DIALECT_LMTP, PLAIN, 0,
     "S: 220 x\nC: LHLO me.example\nS: 500 what?\nC: QUIT\n",
     "end failed 500 5.5.2 connection: 500 what?\n"},
    {"LF ends lines as well", DIALECT_SMTP, PLAIN, 0,
     "S> 220 x\nC: EHLO me.example\nS> 250-x\nS> 250 SIZE\n" BYE, "end\n"},
    {"a bare code", DIALECT_SMTP, PLAIN, 0, "S: 220\nC: EHLO me.example\nS: 250\n" BYE, "end\n"},
    {"codes differ in one reply", DIALECT_SMTP, PLAIN, 0, GREET "S: 250-x\nS: 220 y\n",
     "end deferred 0 4.5.0 connection: the server broke the protocol: has another code than the "
     "lines before it: 220 y\n"},
    {"hangup before the greeting", DIALECT_SMTP, PLAIN, 0, "X: hangup\n",
     "end deferred 0 4.4.1 connection: the line is dead (waiting for the greeting)\n"},
    {"hangup after the greeting", DIALECT_SMTP, PLAIN, 0, GREET "X: hangup\n",
     "end deferred 0 4.4.2 connection: the line is dead (waiting for the reply to EHLO)\n"},
    {"no greeting in time", DIALECT_SMTP, PLAIN, 0, "X: expire\n",
     "end deferred 0 4.4.2 connection: timed out waiting for the greeting\n"},
    {"no reply to QUIT", DIALECT_SMTP, PLAIN, 0, PIPE "C: QUIT\nX: expire\n", "end\n"},
    {"hangup at QUIT", DIALECT_SMTP, PLAIN, 0, PIPE "C: QUIT\nX: hangup\n", "end\n"},
    {"nonsense at QUIT", DIALECT_SMTP, PLAIN, 0, PIPE "C: QUIT\nS: bye\n", "end\n"},
};

static const struct row mail_rows[] = {
    {"one command at a time", DIALECT_SMTP, PLAIN, 1,
     OLD FROM "S: 250 ok\n" ANN "S: 250 ok\n" BOB "S: 250 ok\nC: DATA\nS: 354 go\n" TEXT_SAID
              "S: 250 taken\n" BYE,
     "0 delivered 250 2.0.0: 250 taken\n1 delivered 250 2.0.0: 250 taken\nend\n"},
    {"pipelined", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 250 2.6.0 taken\n" BYE,
     "0 delivered 250 2.6.0: 250 2.6.0 taken\n1 delivered 250 2.6.0: 250 2.6.0 taken\nend\n"},
    {"a null reverse-path", DIALECT_SMTP, BOUNCE, 1,
     PIPE "C: MAIL FROM:<>\n" ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
          "S: 250 taken\n" BYE,
     "0 delivered 250 2.0.0: 250 taken\nend\n"},
    {"two messages", DIALECT_SMTP, SECOND, 2,
     PIPE FROM BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID "S: 250 one\n" FROM BOB
                   "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID "S: 250 two\n" BYE,
     "1 delivered 250 2.0.0: 250 one\n1 delivered 250 2.0.0: 250 two\nend\n"},
    {"a recipient is refused", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 550-no such\nS: 550 user\nS: 251 ok\nS: 354 go\n" //
     TEXT_SAID "S: 250 taken\n" BYE,
     "0 failed 550 5.1.1: 550 no such user\n1 delivered 250 2.0.0: 250 taken\nend\n"},
    {"status on each line is said once", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 450-4.7.1 come\nS: 450 4.7.1 later\nS: 503 no\n" BYE,
     "0 deferred 450 4.7.1: 450 4.7.1 come later\nend\n"},
    {"status of another class does not count", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 550 4.7.1 no\nS: 503 no\n" BYE,
     "0 failed 550 5.1.1: 550 4.7.1 no\nend\n"},
    {"all refused, DATA refused, RSET before the next", DIALECT_SMTP, ONE, 2,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 550 no\nS: 554 no valid recipients\nC: RSET\n" FROM ANN
                   "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                   "S: 250 taken\n" BYE,
     "0 failed 550 5.1.1: 550 no\n0 delivered 250 2.0.0: 250 taken\nend\n"},
    {"all refused, 354 all the same: a lone dot", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 550 no\nS: 450 no\nS: 354 go\nC: .\n"
                       "S: 554 nobody\n" BYE,
     "0 failed 550 5.1.1: 550 no\n1 deferred 450 4.2.0: 450 no\nend\n"},
    {"a lone dot needs no RSET", DIALECT_SMTP, ONE, 2,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 550 no\nS: 354 go\nC: .\nS: 250 ok\n" FROM ANN
                   "C: DATA\nS: 421 bye\n",
     "0 failed 550 5.1.1: 550 no\n0 deferred 421 4.3.2 connection: 421 bye\n"
     "end deferred 421 4.3.2 connection: 421 bye\n"},
    {"all refused, no pipelining: no DATA", DIALECT_SMTP, ONE, 2,
     OLD FROM "S: 250 ok\n" ANN "S: 550 no\nC: RSET\nS: 250 ok\n" FROM "S: 250 ok\n" ANN
              "S: 551 moved\n" BYE,
     "0 failed 550 5.1.1: 550 no\n0 failed 551 5.1.6: 551 moved\nend\n"},
    {"MAIL refused, pipelined", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 451 later\nS: 503 no\nS: 503 no\nS: 503 no\n" BYE,
     "0 deferred 451 4.3.0: 451 later\n1 deferred 451 4.3.0: 451 later\nend\n"},
    {"MAIL refused, all else accepted: a lone dot", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 550 no\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: .\nS: 250 ok\n" BYE,
     "0 failed 550 5.1.0: 550 no\n1 failed 550 5.1.0: 550 no\nend\n"},
    {"MAIL refused, no pipelining, no RSET", DIALECT_SMTP, ONE, 2,
     OLD FROM "S: 550 5.7.1 no\n" FROM "S: 553 no\n" BYE,
     "0 failed 550 5.7.1: 550 5.7.1 no\n0 failed 553 5.1.7: 553 no\nend\n"},
    {"DATA refused", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 451 4.3.1 full\n" BYE,
     "0 deferred 451 4.3.1: 451 4.3.1 full\n1 deferred 451 4.3.1: 451 4.3.1 full\nend\n"},
    {"DATA answered 250", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\n",
     "0 deferred 0 4.5.0 connection: the server broke the protocol: a code that has no meaning "
     "there: 250 ok\n"
     "end deferred 0 4.5.0 connection: the server broke the protocol: a code that has no meaning "
     "there: 250 ok\n"},
    {"RCPT answered 354", DIALECT_SMTP, ONE, 1, PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 354 ok\n",
     "0 deferred 0 4.5.0 connection: the server broke the protocol: a code that has no meaning "
     "there: 354 ok\n"
     "end deferred 0 4.5.0 connection: the server broke the protocol: a code that has no meaning "
     "there: 354 ok\n"},
    {"the text is refused", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 554 5.7.1 spam\n" BYE,
     "0 failed 554 5.7.1: 554 5.7.1 spam\n1 failed 554 5.7.1: 554 5.7.1 spam\nend\n"},
    {"552 at RCPT counts as 452", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 552 too many\nS: 354 go\n" TEXT_SAID
                       "S: 250 taken\n" BYE,
     "1 deferred 552 4.5.3: 552 too many\n0 delivered 250 2.0.0: 250 taken\nend\n"},
    {"552 at the end is final", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID "S: 552 full\n" BYE,
     "0 failed 552 5.2.2: 552 full\nend\n"},
    {"421 between recipients", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 550 no\nS: 421 4.7.0 too many errors\n",
     "0 failed 550 5.1.1: 550 no\n1 deferred 421 4.7.0 connection: 421 4.7.0 too many errors\n"
     "end deferred 421 4.7.0 connection: 421 4.7.0 too many errors\n"},
    {"421 after the text", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID "S: 421 bye\n",
     "0 deferred 421 4.3.2 connection: 421 bye\nend deferred 421 4.3.2 connection: 421 bye\n"},
    {"a reply amid the text", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nH:\nS: 552 too large\n",
     "0 failed 552 5.2.2: 552 too large\nend failed 552 5.2.2 connection: 552 too large\n"},
    {"hangup after RCPT", DIALECT_SMTP, PLAIN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 550 no\nX: hangup\n",
     "0 failed 550 5.1.1: 550 no\n"
     "1 deferred 0 4.4.2 connection: the line is dead (waiting for the reply to DATA)\n"
     "end deferred 0 4.4.2 connection: the line is dead (waiting for the reply to DATA)\n"},
    {"hangup amid the text", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nX: hangup\n",
     "0 deferred 0 4.4.2 connection: the line is dead (sending the message)\n"
     "end deferred 0 4.4.2 connection: the line is dead (sending the message)\n"},
    {"hangup after the text: it may be there", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID "X: hangup\n",
     "0 deferred 0 4.4.2: the line is dead (waiting for the reply to the message)\n"
     "end deferred 0 4.4.2 connection: the line is dead (waiting for the reply to the message)\n"},
    {"no reply to MAIL", DIALECT_SMTP, ONE, 1, OLD FROM "X: expire\n",
     "0 deferred 0 4.4.2 connection: timed out waiting for the reply to MAIL\n"
     "end deferred 0 4.4.2 connection: timed out waiting for the reply to MAIL\n"},
    {"the text cannot be read", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nX: abort\n",
     "0 deferred 0 4.3.0: the disk is gone\nend deferred 0 4.3.0 connection: the disk is gone\n"},
    {"RSET refused", DIALECT_SMTP, ONE, 2,
     OLD FROM "S: 250 ok\n" ANN "S: 550 no\nC: RSET\nS: 500 what?\n",
     "0 failed 550 5.1.1: 550 no\n"
     "0 deferred 0 4.5.0 connection: the server broke the protocol: it refuses RSET: 500 what?\n"
     "end deferred 0 4.5.0 connection: the server broke the protocol: it refuses RSET: 500 "
     "what?\n"},
    {"control characters in a reply", DIALECT_SMTP, ONE, 1, OLD FROM "S: 550 a\x01\x7F\tb\n" BYE,
     "0 failed 550 5.1.0: 550 a???b\nend\n"},
};

static const struct row extension_rows[] = {
    {"SIZE", DIALECT_SMTP, ONE, 1,
     GREET "S: 250-x\nS: 250 size 5\nC: MAIL FROM:<me@me.example> SIZE=5\nS: 452 full\n" BYE,
     "0 deferred 452 4.3.1: 452 full\nend\n"},
    {"larger than SIZE", DIALECT_SMTP, PLAIN, 1, GREET "S: 250-x\nS: 250 SIZE 4\n" BYE,
     "0 failed 0 5.3.4: the message is larger than the server says it takes\n"
     "1 failed 0 5.3.4: the message is larger than the server says it takes\nend\n"},
    {"SIZE 0 is any", DIALECT_SMTP, ONE, 1,
     GREET "S: 250-x\nS: 250 SIZE 0\nC: MAIL FROM:<me@me.example> SIZE=5\nS: 552 no\n" BYE,
     "0 failed 552 5.3.4: 552 no\nend\n"},
    {"8-bit text", DIALECT_SMTP, EIGHT_BIT, 1,
     GREET "S: 250-x\nS: 250 8BITMIME\nC: MAIL FROM:<me@me.example> BODY=8BITMIME\nS: 550 5.0.0 "
           "no\n" BYE,
     "0 failed 550 5.0.0: 550 5.0.0 no\nend\n"},
    {"8-bit text without 8BITMIME", DIALECT_SMTP, EIGHT_BIT, 1, OLD FROM "S: 550 5.0.0 no\n" BYE,
     "downgrade to 7bit, ASCII fields\n0 failed 550 5.0.0: 550 5.0.0 no\nend\n"},
    {"declared 8-bit, but is not", DIALECT_SMTP, DECLARED_8BIT, 1, OLD FROM "S: 550 5.0.0 no\n" BYE,
     "0 failed 550 5.0.0: 550 5.0.0 no\nend\n"},
    {"SMTPUTF8", DIALECT_SMTP, UTF8, 1,
     GREET "S: 250-x\nS: 250 SMTPUTF8\nC: MAIL FROM:<me@me.example> SMTPUTF8\nS: 250 ok\n"
           "C: RCPT TO:<\xC3\xA5sa@a.example>\nS: 550 no\n" BYE,
     "0 failed 550 5.1.1: 550 no\nend\n"},
    {"SMTPUTF8 is missing", DIALECT_SMTP, UTF8, 1, OLD BYE,
     "0 failed 0 5.6.7: an address of the message needs SMTPUTF8, which the server does not "
     "offer\nend\n"},
    {"SMTPUTF8 for the text alone", DIALECT_SMTP, UTF8_TEXT, 1,
     GREET "S: 250-x\nS: 250-SMTPUTF8\nS: 250 8BITMIME\n"
           "C: MAIL FROM:<me@me.example> BODY=8BITMIME SMTPUTF8\nS: 550 5.0.0 no\n" BYE,
     "0 failed 550 5.0.0: 550 5.0.0 no\nend\n"},
    {"it is missing", DIALECT_SMTP, UTF8_TEXT, 1,
     GREET "S: 250-x\nS: 250 8BITMIME\nC: MAIL FROM:<me@me.example> BODY=8BITMIME\n"
           "S: 550 5.0.0 no\n" BYE,
     "downgrade to 8bit, ASCII fields\n0 failed 550 5.0.0: 550 5.0.0 no\nend\n"},
    {"the size is that of the downgraded text", DIALECT_SMTP, LONG_8BIT, 1,
     GREET "S: 250-x\nS: 250 SIZE 5\nC: MAIL FROM:<me@me.example> SIZE=5\nS: 452 full\n" BYE,
     "downgrade to 7bit, ASCII fields\n0 deferred 452 4.3.1: 452 full\nend\n"},
    {"it may be too large by that", DIALECT_SMTP, EIGHT_BIT, 1,
     GREET "S: 250-x\nS: 250 SIZE 4\n" BYE,
     "downgrade to 7bit, ASCII fields\n"
     "0 failed 0 5.3.4: the message is larger than the server says it takes\nend\n"},
    {"DSN", DIALECT_SMTP, DSN, 1,
     GREET "S: 250-x\nS: 250 DSN\nC: MAIL FROM:<me@me.example> RET=HDRS ENVID=QQ314159\nS: 250 ok\n"
           "C: RCPT TO:<ann@a.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;an+2Bn@x.example\n"
           "S: 250 ok\nC: RCPT TO:<bob@a.example> NOTIFY=NEVER\nS: 250 ok\nC: DATA\n"
           "S: 354 go\n" TEXT_SAID "S: 250 taken\n" BYE,
     "0 delivered 250 2.0.0 dsn: 250 taken\n1 delivered 250 2.0.0 dsn: 250 taken\nend\n"},
    {"DSN is not offered", DIALECT_SMTP, DSN, 1,
     PIPE FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 250 taken\n" BYE,
     "0 delivered 250 2.0.0: 250 taken\n1 delivered 250 2.0.0: 250 taken\nend\n"},
    {"RCPTMAX", DIALECT_SMTP, PLAIN, 1,
     GREET "S: 250-x\nS: 250 LIMITS MAILMAX=x RCPTMAX=1\n" FROM "S: 250 ok\n" ANN
           "S: 250 ok\nC: DATA\nS: 354 go\n" TEXT_SAID "S: 250 taken\n" BYE,
     "1 deferred 0 4.5.3: the server takes no more recipients a message: next time\n"
     "0 delivered 250 2.0.0: 250 taken\nend\n"},
    {"an address that would be a command", DIALECT_SMTP, HOSTILE_RECIPIENTS, 1,
     GREET "S: 250-x\nS: 250 DSN\n" FROM "S: 250 ok\n" BOB "S: 550 no\n" BYE,
     "0 failed 0 5.1.3: the address has control characters\n1 failed 550 5.1.1: 550 no\nend\n"},
    {"a sender that would be a command", DIALECT_SMTP, HOSTILE_SENDER, 1, OLD BYE,
     "0 failed 0 5.1.7: the sender's address has control characters\nend\n"},
    {"BINARYMIME", DIALECT_SMTP, BINARY, 1,
     PIPE_CHUNKING "C: MAIL FROM:<me@me.example> BODY=BINARYMIME\n" ANN BOB
                   "S: 250 ok\nS: 250 ok\nS: 250 ok\nC: BDAT 5 LAST\nC: Hi.\nS: 250 taken\n" BYE,
     "0 delivered 250 2.0.0: 250 taken\n1 delivered 250 2.0.0: 250 taken\nend\n"},
    {"BINARYMIME is missing", DIALECT_SMTP, BINARY, 1,
     PIPE "C: MAIL FROM:<me@me.example> BODY=8BITMIME\n" ANN BOB
          "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID "S: 250 taken\n" BYE,
     "downgrade to 8bit\n"
     "0 delivered 250 2.0.0: 250 taken\n1 delivered 250 2.0.0: 250 taken\nend\n"},
    {"and 8BITMIME", DIALECT_SMTP, BINARY, 1, OLD FROM "S: 421 no\n",
     "downgrade to 7bit, ASCII fields\n0 deferred 421 4.3.2 connection: 421 no\n"
     "1 deferred 421 4.3.2 connection: 421 no\nend deferred 421 4.3.2 connection: 421 no\n"},
    {"a large message goes in chunks", DIALECT_SMTP, LARGE, 1,
     CHUNKING FROM "S: 250 ok\n" ANN "S: 250 ok\n" BOB "S: 550 no\nC: BDAT 5 LAST\nC: Hi.\n"
                   "S: 250 taken\n" BYE,
     "1 failed 550 5.1.1: 550 no\n0 delivered 250 2.0.0: 250 taken\nend\n"},
    {"all refused: no chunk", DIALECT_SMTP, LARGE, 1,
     PIPE_CHUNKING FROM ANN BOB "S: 250 ok\nS: 550 no\nS: 550 no\n" BYE,
     "0 failed 550 5.1.1: 550 no\n1 failed 550 5.1.1: 550 no\nend\n"},
    {"a chunk is refused: RSET before the next", DIALECT_SMTP, LARGE, 2,
     PIPE_CHUNKING FROM ANN BOB "S: 250 ok\nS: 250 ok\nS: 250 ok\nC: BDAT 5 LAST\nC: Hi.\n"
                                "S: 451 full\nC: RSET\n" FROM ANN BOB "S: 421 bye\n",
     "0 deferred 451 4.3.0: 451 full\n1 deferred 451 4.3.0: 451 full\n"
     "0 deferred 421 4.3.2 connection: 421 bye\n1 deferred 421 4.3.2 connection: 421 bye\n"
     "end deferred 421 4.3.2 connection: 421 bye\n"},
};

#define BY(rest) GREET "S: 250-x\nS: 250 DELIVERBY" rest "\n"
#define TAKEN "C: DATA\nS: 354 go\n" TEXT_SAID "S: 250 taken\n" BYE

/* RFC 2852. */
static const struct row by_rows[] = {
    {"in time or not at all", DIALECT_SMTP, BY_98, 1,
     BY(" 30") "C: MAIL FROM:<me@me.example> BY=98;R\nS: 250 ok\n" ANN "S: 250 ok\n" TAKEN,
     "0 delivered 250 2.0.0 by: 250 taken\nend\n"},
    {"just the server's least", DIALECT_SMTP, BY_98, 1,
     BY(" 98") "C: MAIL FROM:<me@me.example> BY=98;R\nS: 555 5.5.4 no\n" BYE,
     "0 failed 555 5.5.4: 555 5.5.4 no\nend\n"},
    {"less than the server's least", DIALECT_SMTP, BY_98, 1, BY(" 99") BYE,
     "0 failed 0 5.4.7: the server may need more time than the sender left (DELIVERBY)\nend\n"},
    {"no second is left", DIALECT_SMTP, BY_0, 1, BY("") BYE,
     "0 failed 0 5.4.7: not delivered by the time the sender set\nend\n"},
    {"not offered", DIALECT_SMTP, BY_98, 1, OLD BYE,
     "0 failed 0 5.3.3: the message is to come in time or not at all (DELIVERBY), which the server "
     "does not offer\nend\n"},
    {"not offered where it ends", DIALECT_LMTP, BY_98, 1,
     LMTP FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID "S: 250 taken\n" BYE,
     "0 delivered 250 2.0.0: 250 taken\nend\n"},
    {"not in time where it ends", DIALECT_LMTP, BY_0, 1,
     "S: 220 x\nC: LHLO me.example\nS: 250-x\nS: 250 DELIVERBY 5\n" FROM "S: 250 ok\n" ANN
     "S: 250 ok\n" TAKEN,
     "0 delivered 250 2.0.0: 250 taken\nend\n"},
    {"tell me when it is late", DIALECT_SMTP, NOTIFY_98, 1,
     BY(" 240") "C: MAIL FROM:<me@me.example> BY=98;NT\nS: 250 ok\n" ANN "S: 250 ok\n" BOB
                "S: 550 no\nC: RCPT TO:<cat@a.example>\nS: 550 no\n" TAKEN,
     "1 failed 550 5.1.1: 550 no\n2 failed 550 5.1.1: 550 no\n"
     "0 delivered 250 2.0.0 by: 250 taken\nend\n"},
    {"it is late", DIALECT_SMTP, NOTIFY_LATE, 1,
     BY("") "C: MAIL FROM:<me@me.example> BY=-7;NT\nS: 421 no\n",
     "0 deferred 421 4.3.2 connection: 421 no\n1 deferred 421 4.3.2 connection: 421 no\n"
     "2 deferred 421 4.3.2 connection: 421 no\nend deferred 421 4.3.2 connection: 421 no\n"},
    {"by more than nine digits", DIALECT_SMTP, NOTIFY_AGES, 1,
     BY("") "C: MAIL FROM:<me@me.example> BY=-999999999;NT\nS: 421 no\n",
     "0 deferred 421 4.3.2 connection: 421 no\nend deferred 421 4.3.2 connection: 421 no\n"},
    {"not offered: tell me of any delay", DIALECT_SMTP, NOTIFY_98, 1,
     GREET "S: 250-x\nS: 250 DSN\n" FROM "S: 250 ok\n"
           "C: RCPT TO:<ann@a.example> NOTIFY=FAILURE,DELAY\nS: 250 ok\n"
           "C: RCPT TO:<bob@a.example> NOTIFY=NEVER\nS: 250 ok\n"
           "C: RCPT TO:<cat@a.example> NOTIFY=SUCCESS,DELAY\nS: 250 ok\n" TAKEN,
     "0 delivered 250 2.0.0 dsn: 250 taken\n1 delivered 250 2.0.0 dsn: 250 taken\n"
     "2 delivered 250 2.0.0 dsn: 250 taken\nend\n"},
    {"not offered, and late already", DIALECT_SMTP, NOTIFY_LATE, 1,
     GREET "S: 250-x\nS: 250 DSN\n" FROM "S: 250 ok\n" ANN "S: 421 no\n",
     "0 deferred 421 4.3.2 connection: 421 no\n1 deferred 421 4.3.2 connection: 421 no\n"
     "2 deferred 421 4.3.2 connection: 421 no\nend deferred 421 4.3.2 connection: 421 no\n"},
};

static const struct row lmtp_rows[] = {
    {"one reply a recipient", DIALECT_LMTP, PLAIN, 1,
     LMTP FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 250 for ann\nS: 452 4.2.2 full\n" BYE,
     "0 delivered 250 2.0.0: 250 for ann\n1 deferred 452 4.2.2: 452 4.2.2 full\nend\n"},
    {"none for those refused", DIALECT_LMTP, PLAIN, 2,
     LMTP FROM ANN BOB "C: DATA\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 250 for bob\n" FROM ANN BOB
                       "C: DATA\nS: 250 ok\nS: 550 no\nS: 550 no\nS: 503 none\n" BYE,
     "0 failed 550 5.1.1: 550 no\n1 delivered 250 2.0.0: 250 for bob\n"
     "0 failed 550 5.1.1: 550 no\n1 failed 550 5.1.1: 550 no\nend\n"},
    {"ready though all are refused", DIALECT_LMTP, ONE, 1,
     LMTP FROM ANN "C: DATA\nS: 250 ok\nS: 550 no\nS: 354 go\n",
     "0 failed 550 5.1.1: 550 no\n"
     "end deferred 0 4.5.0 connection: the server broke the protocol: ready for a message that it "
     "takes for nobody: 354 go\n"},
    {"hangup between the replies", DIALECT_LMTP, PLAIN, 1,
     LMTP FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 250 for ann\nX: hangup\n",
     "0 delivered 250 2.0.0: 250 for ann\n"
     "1 deferred 0 4.4.2: the line is dead (waiting for the reply to the message)\n"
     "end deferred 0 4.4.2 connection: the line is dead (waiting for the reply to the message)\n"},
    {"421 for one, then the other's", DIALECT_LMTP, PLAIN, 2,
     LMTP FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 421 4.3.2 not ann\nS: 250 for bob\n",
     "0 deferred 421 4.3.2: 421 4.3.2 not ann\n1 delivered 250 2.0.0: 250 for bob\n"
     "end deferred 421 4.3.2 connection: 421 4.3.2 not ann\n"},
    {"421 for one, then a hangup", DIALECT_LMTP, PLAIN, 1,
     LMTP FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 421 bye\nX: hangup\n",
     "0 deferred 421 4.3.2: 421 bye\n1 deferred 421 4.3.2: 421 bye\n"
     "end deferred 421 4.3.2 connection: 421 bye\n"},
    {"421 for one, then silence", DIALECT_LMTP, PLAIN, 1,
     LMTP FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 421 bye\nX: expire\n",
     "0 deferred 421 4.3.2: 421 bye\n1 deferred 421 4.3.2: 421 bye\n"
     "end deferred 421 4.3.2 connection: 421 bye\n"},
    {"421 for each", DIALECT_LMTP, PLAIN, 1,
     LMTP FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 421 not ann\nS: 421 not bob\n",
     "0 deferred 421 4.3.2: 421 not ann\n1 deferred 421 4.3.2 connection: 421 not bob\n"
     "end deferred 421 4.3.2 connection: 421 not bob\n"},
    {"421 for the last", DIALECT_LMTP, PLAIN, 1,
     LMTP FROM ANN BOB "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                       "S: 250 for ann\nS: 421 bye\n",
     "0 delivered 250 2.0.0: 250 for ann\n1 deferred 421 4.3.2 connection: 421 bye\n"
     "end deferred 421 4.3.2 connection: 421 bye\n"},
    {"one reply a recipient in chunks", DIALECT_LMTP, LARGE, 1,
     "S: 220 x\nC: LHLO me.example\nS: 250-x\nS: 250-CHUNKING\nS: 250 PIPELINING\n" FROM ANN BOB
     "S: 250 ok\nS: 250 ok\nS: 250 ok\nC: BDAT 5 LAST\nC: Hi.\nS: 550 ann\nS: 250 bob\n" BYE,
     "0 failed 550 5.7.1: 550 ann\n1 delivered 250 2.0.0: 250 bob\nend\n"},
};

static const struct row unfit_rows[] = {
    {"8-bit", DIALECT_SMTP, EIGHT_BIT, 1, OLD BYE,
     "downgrade to 7bit, ASCII fields\n"
     "0 failed 0 5.6.3: the server does not offer 8BITMIME, and it is signed\nend\n"},
    {"binary", DIALECT_SMTP, BINARY, 1, PIPE BYE,
     "downgrade to 8bit\n"
     "0 failed 0 5.6.3: the server does not offer BINARYMIME, and it is signed\n"
     "1 failed 0 5.6.3: the server does not offer BINARYMIME, and it is signed\nend\n"},
    {"UTF-8 in the header section", DIALECT_SMTP, UTF8_TEXT, 1, PIPE BYE,
     "downgrade to 8bit, ASCII fields\n"
     "0 failed 0 5.6.9: the server does not offer SMTPUTF8, and it is signed\nend\n"},
};

/* What is said at once means something else when it comes in pieces. */
static const struct row burst_rows[] = {
    {"reply to EHLO comes with the greeting", DIALECT_SMTP, PLAIN, 0, "S: 220 x\nS: 250 y\n",
     "end deferred 0 4.5.0 connection: the server broke the protocol: it speaks unasked: 250 y\n"},
    {"421 behind the greeting", DIALECT_SMTP, PLAIN, 0, "S: 220 x\nS: 421 no\n",
     "end deferred 421 4.3.2 connection: 421 no\n"},
    {"421 behind the last reply", DIALECT_SMTP, ONE, 2,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                   "S: 250 taken\nS: 421 enough\n",
     "0 delivered 250 2.0.0: 250 taken\nend deferred 421 4.3.2 connection: 421 enough\n"},
    {"a reply before the next message", DIALECT_SMTP, ONE, 2,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n" TEXT_SAID
                   "S: 250 taken\nS: 250 ok\nS: 250 ok\n",
     "0 delivered 250 2.0.0: 250 taken\n"
     "end deferred 0 4.5.0 connection: the server broke the protocol: it speaks unasked: 250 ok\n"},
    {"taken before it ends", DIALECT_SMTP, ONE, 1,
     PIPE FROM ANN "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nS: 250 taken\n",
     "0 deferred 0 4.5.0 connection: the server broke the protocol: a reply before the end of the "
     "message: 250 taken\n"
     "end deferred 0 4.5.0 connection: the server broke the protocol: a reply before the end of "
     "the message: 250 taken\n"},
};

static void check_row_unfit(const struct row *row, size_t server_cut, size_t text_piece,
                            const char *unfit)
{
    struct drive drive = {
        .dialect = row->dialect,
        .message = &messages[row->message],
        .message_count = row->count,
        .text = BYTES("Hi.\r\n"),
        .unfit = unfit,
        .server_cut = server_cut,
        .text_piece = text_piece,
    };
    struct buf results;
    buf_init(&results, SIZE_MAX);
    drive_transcript(&drive, row->transcript, &results);
    assert_string_equal((const char *)results.at, row->results);
    buf_done(&results);
}

/* Every row as it is, byte by byte, and cut in two at each position. */
static void check_row(const struct row *row, size_t server_cut, size_t text_piece)
{
    check_row_unfit(row, server_cut, text_piece, NULL);
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool has_chunks = strstr(rows[i].transcript, "BDAT") != NULL;
        print_message("  %s\n", rows[i].name);
        check_row(&rows[i], 0, 0);
        check_row(&rows[i], SIZE_MAX, has_chunks ? 0 : 1);
        for (size_t cut = 1; cut < strlen(rows[i].transcript); cut++)
            check_row(&rows[i], cut, 0);
    }
}

static void test_session(void **state)
{
    check_rows(session_rows, COUNT(session_rows));
}

static void test_bursts(void **state)
{
    for (size_t i = 0; i < COUNT(burst_rows); i++) {
        print_message("  %s\n", burst_rows[i].name);
        check_row(&burst_rows[i], 0, 0);
    }
}

static void test_mail(void **state)
{
    check_rows(mail_rows, COUNT(mail_rows));
}

static void test_extensions(void **state)
{
    check_rows(extension_rows, COUNT(extension_rows));
}

static void test_by(void **state)
{
    check_rows(by_rows, COUNT(by_rows));
}

static void test_unfit(void **state)
{
    for (size_t i = 0; i < COUNT(unfit_rows); i++) {
        print_message("  %s\n", unfit_rows[i].name);
        check_row_unfit(&unfit_rows[i], 0, 0, "it is signed");
    }
}

static void test_lmtp(void **state)
{
    check_rows(lmtp_rows, COUNT(lmtp_rows));
}

enum { MANY = 1000 };

static struct smtp_client *greeted(enum smtp_dialect dialect, const char *offers)
{
    const struct smtp_client_settings settings = {
        .dialect = dialect,
        .hostname = BYTES("me.example"),
        .greeting_timeout_ms = 100,
        .command_timeout_ms = 200,
        .data_begin_timeout_ms = 300,
        .data_block_timeout_ms = 400,
        .data_end_timeout_ms = 500,
    };
    struct smtp_client *client = smtp_client_new(&settings, 0);
    smtp_client_input(client, BYTES("220 x\r\n"), 0);
    assert_int_equal(smtp_client_step(client), CLIENT_WANT_INPUT);
    smtp_client_sent(client, smtp_client_output(client).len, 0);
    smtp_client_input(client, bytes_of(offers), 0);
    assert_int_equal(smtp_client_step(client), CLIENT_READY);
    assert_int_equal(smtp_client_output(client).len, 0);
    return client;
}

static size_t count_lines(struct bytes output)
{
    size_t lines = 0;
    for (size_t i = 0; i < output.len; i++)
        lines += output.at[i] == '\n';
    return lines;
}

/* However many recipients there are, neither side ever has much to read. */
static void test_pipeline_is_bounded(void **state)
{
    static struct envelope_recipient recipients[MANY];
    static size_t indexes[MANY];
    struct envelope envelope = {.recipients = recipients, .recipient_count = MANY};
    struct smtp_client_message message = {
        .envelope = &envelope, .recipients = indexes, .recipient_count = MANY, .size = 1};
    for (size_t i = 0; i < MANY; i++) {
        recipients[i].address = BYTES("ann@a.example");
        indexes[i] = i;
    }
    struct smtp_client *client = greeted(DIALECT_SMTP, "250-x\r\n250 PIPELINING\r\n");
    smtp_client_message(client, &message);
    size_t commands = 0;
    enum smtp_client_effect effect;
    while ((effect = smtp_client_step(client)) == CLIENT_WANT_INPUT) {
        size_t lines = count_lines(smtp_client_output(client));
        assert_in_range(lines, 1, 100);
        commands += lines;
        smtp_client_sent(client, smtp_client_output(client).len, 0);
        for (size_t i = 0; i < lines; i++)
            smtp_client_input(client,
                              commands == MANY + 2 && i + 1 == lines ? BYTES("354 go\r\n")
                                                                     : BYTES("250 ok\r\n"),
                              0);
    }
    assert_int_equal(effect, CLIENT_WANT_TEXT);
    assert_int_equal(commands, MANY + 2);
    smtp_client_text(client, BYTES("x"), true, 0);
    smtp_client_input(client, BYTES("250 ok\r\n"), 0);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(smtp_client_step(client), CLIENT_RESULT);
        assert_int_equal(smtp_client_result(client)->recipient, i);
    }
    assert_int_equal(smtp_client_step(client), CLIENT_READY);
    smtp_client_free(client);
}

/* A server that says more than it was ever asked. */
static void test_flood(void **state)
{
    struct smtp_client *client = greeted(DIALECT_SMTP, "250 x\r\n");
    for (int i = 0; i < 100000; i++)
        smtp_client_input(client, BYTES("250 ok\r\n"), 0);
    struct delivery_result failure;
    assert_int_equal(smtp_client_step(client), CLIENT_CLOSE);
    assert_true(smtp_client_failure(client, &failure));
    smtp_client_free(client);
}

static void say(struct smtp_client *client, const char *words, int64_t now_ms)
{
    smtp_client_input(client, bytes_of(words), now_ms);
}

/* Sends what is to be sent and checks when the machine's patience ends. */
static void check_deadline(struct smtp_client *client, int64_t now_ms, int64_t deadline_ms)
{
    smtp_client_step(client);
    smtp_client_sent(client, smtp_client_output(client).len, now_ms);
    assert_int_equal(smtp_client_deadline(client), deadline_ms);
}

static void test_deadlines(void **state)
{
    struct smtp_client *client = greeted(DIALECT_SMTP, "250-x\r\n250 CHUNKING\r\n");
    assert_int_equal(smtp_client_deadline(client), INT64_MAX);
    /* It was idle for long: the clock goes on when the command is on its way. */
    smtp_client_message(client, &messages[ONE]);
    smtp_client_expire(client, 1000000);
    check_deadline(client, 1000000, 1000200);
    say(client, "250 ok", 1000100);
    assert_int_equal(smtp_client_deadline(client), 1000200); /* half a line is nothing */
    say(client, "\r\n", 1000150);
    check_deadline(client, 1000160, 1000360);
    say(client, "250 ok\r\n", 1000170);
    check_deadline(client, 1000180, 1000480);
    say(client, "354 ok\r\n", 1000200);
    check_deadline(client, 1000200, 1000600);
    smtp_client_text(client, BYTES("a\r\n"), false, 1000300);
    assert_int_equal(smtp_client_deadline(client), 1000700);
    smtp_client_sent(client, 1, 1000400);
    assert_int_equal(smtp_client_deadline(client), 1000800);
    smtp_client_text(client, BYTES("b"), true, 1000500);
    assert_int_equal(smtp_client_deadline(client), 1000900);
    check_deadline(client, 1000600, 1001100);
    smtp_client_expire(client, 1001099);
    assert_int_equal(smtp_client_step(client), CLIENT_WANT_INPUT);
    smtp_client_expire(client, 1001100);
    assert_int_equal(smtp_client_step(client), CLIENT_RESULT);
    assert_string_equal(smtp_client_result(client)->status, "4.4.2");
    assert_int_equal(smtp_client_step(client), CLIENT_CLOSE);
    smtp_client_free(client);
}

/* Chunks go ahead of their replies as far as may be. */
static void test_chunk_window(void **state)
{
    static const struct {
        const char *name, *offers;
        enum smtp_dialect dialect;
        size_t window;
    } rows_of_windows[] = {
        {"no pipelining", "250-x\r\n250 CHUNKING\r\n", DIALECT_SMTP, 1},
        {"pipelining", "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n", DIALECT_SMTP, 4},
        {"LMTP", "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n", DIALECT_LMTP, 1},
    };
    for (size_t i = 0; i < COUNT(rows_of_windows); i++) {
        struct smtp_client *client = greeted(rows_of_windows[i].dialect, rows_of_windows[i].offers);
        print_message("  %s\n", rows_of_windows[i].name);
        smtp_client_message(client, &messages[LARGE]);
        while (smtp_client_step(client) == CLIENT_WANT_INPUT) {
            for (size_t lines = count_lines(smtp_client_output(client)); lines; lines--)
                say(client, "250 ok\r\n", 0);
            smtp_client_sent(client, smtp_client_output(client).len, 0);
        }
        size_t chunks = 0;
        for (; smtp_client_step(client) == CLIENT_WANT_TEXT; chunks++)
            smtp_client_text(client, BYTES(".\r\n"), false, 0);
        assert_int_equal(chunks, rows_of_windows[i].window);
        assert_true(bytes_starts(smtp_client_output(client), BYTES("BDAT 3\r\n.\r\n")));
        /* One is refused: nothing more is sent, and the others' replies are no one's. */
        say(client, "452 full\r\n", 0);
        assert_int_equal(smtp_client_step(client), CLIENT_RESULT);
        assert_int_equal(smtp_client_step(client), CLIENT_RESULT);
        for (; chunks > 1; chunks--) {
            assert_int_equal(smtp_client_step(client), CLIENT_WANT_INPUT);
            say(client, "503 no\r\n", 0);
        }
        assert_int_equal(smtp_client_step(client), CLIENT_READY);
        smtp_client_free(client);
    }
}

static void test_limits(void **state)
{
    struct smtp_client *client =
        greeted(DIALECT_SMTP, "250-x\r\n250 LIMITS MAILMAX=20 RCPTMAX=100\r\n");
    assert_int_equal(smtp_client_mail_max(client), 20);
    assert_int_equal(smtp_client_recipient_max(client), 100);
    assert_int_equal(smtp_client_messages(client), 0);
    smtp_client_free(client);
    client = greeted(DIALECT_SMTP, "250 x\r\n");
    assert_int_equal(smtp_client_mail_max(client), SIZE_MAX);
    assert_int_equal(smtp_client_recipient_max(client), SIZE_MAX);
    smtp_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),      cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_mail),         cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_unfit),        cmocka_unit_test(test_by),
        cmocka_unit_test(test_lmtp),         cmocka_unit_test(test_pipeline_is_bounded),
        cmocka_unit_test(test_flood),        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_chunk_window), cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
