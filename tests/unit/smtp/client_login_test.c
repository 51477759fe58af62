/* AUTH on the client's side (RFC 4954). */
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

#define GREET "S: 220 mx.example\nC: EHLO me.example\nS: 250-mx.example\n"
#define LETTER                                                                                     \
    "C: MAIL FROM:<me@me.example>\nS: 250 ok\nC: RCPT TO:<ann@a.example>\nS: 250 ok\nC: DATA\n"    \
    "S: 354 go\nC: Hi.\nC: .\nS: 250 taken\n"
#define BYE "C: QUIT\nS: 221 2.0.0 bye\n"
#define LOST "end deferred 0 "
#define NOT " connection: not logged in: "
#define BREACH " connection: the server broke the protocol: "
#define TAKEN "0 delivered 250 2.0.0: 250 taken\nin TLS, end\n"

/* n,,n=user,r=rOprNGfwEbeRWgbNEkqO and so on: the exchange of RFC 7677, 3, in base64. */
#define SCRAM "C: AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
#define SERVER_FIRST                                                                               \
    "S: 334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTT" \
    "lk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
#define CLIENT_FINAL                                                                               \
    "C: Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpi"  \
    "WmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\n"
#define SERVER_FINAL "S: 334 dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==\n"
#define PLAIN "S: 250 AUTH LOGIN PLAIN\nC: AUTH PLAIN AHVzZXIAcGVuY2ls\n"

enum { IN_CLEAR = 1, NO_FILE = 2 };

static const struct {
    const char *name;
    unsigned odd;
    enum smtp_client_login login;
    size_t count;
    const char *transcript, *results;
} rows[] = {
    {"none is asked for", 0, CLIENT_LOGIN_NONE, 1, GREET "S: 250 AUTH PLAIN\n" LETTER BYE, TAKEN},
    {"plain", 0, CLIENT_LOGIN_IN_TLS, 1, GREET PLAIN "S: 235 2.7.0 in\n" LETTER BYE, TAKEN},
    {"scram first", 0, CLIENT_LOGIN_IN_TLS, 1,
     GREET "S: 250 AUTH PLAIN SCRAM-SHA-256\n" SCRAM SERVER_FIRST CLIENT_FINAL SERVER_FINAL
           "C: \nS: 235 2.7.0 in\n" LETTER BYE,
     TAKEN},
    {"login", 0, CLIENT_LOGIN_IN_TLS, 1,
     GREET "S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dXNlcg==\n"
           "S: 334 UGFzc3dvcmQ6\nC: cGVuY2ls\nS: 235 in\n" LETTER BYE,
     TAKEN},
    {"not in clear", IN_CLEAR, CLIENT_LOGIN_IN_TLS, 1, GREET "S: 250 AUTH PLAIN\nC: QUIT\n",
     LOST "4.7.11" NOT "a password goes through TLS alone, and there is none\n"},
    {"in clear where that is wanted", IN_CLEAR, CLIENT_LOGIN_ANYWHERE, 0,
     GREET PLAIN "S: 235 in\n" BYE, "end\n"},
    {"not offered", 0, CLIENT_LOGIN_IN_TLS, 1, GREET "S: 250 SIZE 99\nC: QUIT\n",
     "in TLS, " LOST "4.7.0" NOT "the server offers none of SCRAM-SHA-256, PLAIN and LOGIN\n"},
    {"only others", 0, CLIENT_LOGIN_IN_TLS, 1, GREET "S: 250 AUTH CRAM-MD5 XOAUTH2\nC: QUIT\n",
     "in TLS, " LOST "4.7.0" NOT "the server offers none of SCRAM-SHA-256, PLAIN and LOGIN\n"},
    {"only with a binding", 0, CLIENT_LOGIN_IN_TLS, 1,
     GREET "S: 250 AUTH SCRAM-SHA-256-PLUS\nC: QUIT\n",
     "in TLS, " LOST "4.7.0" NOT "the server wants a channel binding, and there is none\n"},
    {"no password", NO_FILE, CLIENT_LOGIN_IN_TLS, 1, GREET "S: 250 AUTH PLAIN\nC: QUIT\n",
     "in TLS, " LOST "4.7.0" NOT "the password is not to be had: the file is gone\n"},
    {"wrong password", 0, CLIENT_LOGIN_IN_TLS, 1, GREET PLAIN "S: 535 5.7.8 no\nC: QUIT\n",
     "in TLS, " LOST "4.7.8" NOT "the server refuses: 535 5.7.8 no\n"},
    {"not now", 0, CLIENT_LOGIN_IN_TLS, 1, GREET PLAIN "S: 454 4.7.0 later\nC: QUIT\n",
     "in TLS, " LOST "4.7.0" NOT "the server refuses: 454 4.7.0 later\n"},
    {"goodbye", 0, CLIENT_LOGIN_IN_TLS, 1, GREET PLAIN "S: 421 4.3.2 bye\n",
     "in TLS, end deferred 421 4.3.2 connection: 421 4.3.2 bye\n"},
    {"no base64", 0, CLIENT_LOGIN_IN_TLS, 1,
     GREET "S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 Username:\nC: QUIT\n",
     "in TLS, " LOST "4.7.0" NOT "its challenge is not base64\n"},
    {"a challenge too many", 0, CLIENT_LOGIN_IN_TLS, 1, GREET PLAIN "S: 334 \nC: QUIT\n",
     "in TLS, " LOST "4.7.0" NOT "the server goes on after the end of PLAIN\n"},
    {"yes, but who says so?", 0, CLIENT_LOGIN_IN_TLS, 1,
     GREET "S: 250 AUTH SCRAM-SHA-256\n" SCRAM SERVER_FIRST CLIENT_FINAL "S: 235 in\nC: QUIT\n",
     "in TLS, " LOST "4.7.0" NOT "the server says yes before it has proved who it is\n"},
    {"another yes", 0, CLIENT_LOGIN_IN_TLS, 1, GREET PLAIN "S: 250 ok\n",
     "in TLS, " LOST "4.5.0" BREACH "a code that has no meaning there: 250 ok\n"},
    {"silence", 0, CLIENT_LOGIN_IN_TLS, 1, GREET PLAIN "X: expire\n",
     "in TLS, " LOST "4.4.2 connection: timed out logging in\n"},
};

static void check(size_t row, size_t cut)
{
    static const struct sasl_credential credential = {.user = BYTES_INIT("user"),
                                                      .password = BYTES_INIT("pencil"),
                                                      .nonce = BYTES_INIT("rOprNGfwEbeRWgbNEkqO")};
    const struct drive drive = {
        .is_secure = !(rows[row].odd & IN_CLEAR),
        .login = rows[row].login,
        .credential = rows[row].odd & NO_FILE ? NULL : &credential,
        .message = &message,
        .message_count = rows[row].count,
        .text = BYTES("Hi.\r\n"),
        .server_cut = cut,
    };
    struct buf out;
    buf_init(&out, SIZE_MAX);
    drive_transcript(&drive, rows[row].transcript, &out);
    assert_string_equal((const char *)out.at, rows[row].results);
    buf_done(&out);
}

static void test_logins(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("  %s\n", rows[i].name);
        check(i, 0);
        check(i, SIZE_MAX);
        for (size_t cut = 1; cut < strlen(rows[i].transcript); cut += 7)
            check(i, cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_logins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
