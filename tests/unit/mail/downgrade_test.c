/* Whole messages, made fit; fed at once, byte by byte, and cut at every position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/downgrade.h"

#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
#define TEXT_8BIT                                                                                  \
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
#define TEXT_QP                                                                                    \
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "                       \
    "quoted-printable\r\n\r\n"
#define GRUESSE                                                                                    \
    "Viele Gr\xC3\xBC\xC3\x9F"                                                                     \
    "e"
#define GRUESSE_QP "Viele Gr=C3=BC=C3=9Fe"
#define FIELD_REASON "a header field cannot be written in ASCII: "
#define SIGNED_REASON "the message is signed, and encoding it would break the signature"
#define CODED_REASON "a part of the message is of a form that cannot be encoded for it"

static const struct downgrade_goal seven = {.body = BODY_7BIT};
static const struct downgrade_goal eight = {.body = BODY_8BITMIME, .has_8bit_fields = true};
static const struct downgrade_goal no_utf8 = {.body = BODY_8BITMIME};

static const struct {
    const char *name;
    const struct downgrade_goal *goal;
    struct bytes text, want; /* want without bytes: `reason` is why not */
    const char *reason;
} rows[] = {
    {"ASCII stays", &seven, BYTES_INIT("Subject: x\r\n\r\nhi =\r\n.\r\nFrom x \r\n"),
     BYTES_INIT("Subject: x\r\n\r\nhi =\r\n.\r\nFrom x \r\n"), NULL},
    {"no type: RFC 1428", &seven, BYTES_INIT("Subject: x\r\n\r\n" GRUESSE "\r\n"),
     BYTES_INIT(
         "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
         "charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" GRUESSE_QP
         "\r\n"),
     NULL},
    {"labelled", &seven, BYTES_INIT("MIME-Version: 1.0\r\n" TEXT_8BIT GRUESSE "\r\n"),
     BYTES_INIT("MIME-Version: 1.0\r\n" TEXT_QP GRUESSE_QP "\r\n"), NULL},
    {"mostly 8-bit", &seven, BYTES_INIT("MIME-Version: 1.0\r\n" TEXT_8BIT "\xC3\xA4\r\n"),
     BYTES_INIT("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: base64\r\n\r\nw6QNCg==\r\n"),
     NULL},
    {"two labels", &seven,
     BYTES_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n" TEXT_8BIT GRUESSE),
     BYTES_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n"
                "Content-Type: text/plain; charset=utf-8\r\n\r\n" GRUESSE_QP "=\r\n"),
     NULL},
    {"8-bit text may stay", &eight, BYTES_INIT("Subject: \xC3\xA4\r\n" TEXT_8BIT GRUESSE "\r\n"),
     BYTES_INIT("Subject: \xC3\xA4\r\n" TEXT_8BIT GRUESSE "\r\n"), NULL},
    {"but not in fields", &no_utf8, BYTES_INIT("Subject: \xC3\xA4\r\n" TEXT_8BIT GRUESSE "\r\n"),
     BYTES_INIT("Subject: =?utf-8?b?w6Q=?=\r\n" TEXT_8BIT GRUESSE "\r\n"), NULL},
    {"parts", &seven,
     BYTES_INIT(
         MIXED "Content-Transfer-Encoding: 8bit\r\n\r\np\xE9\r\n--b\r\n" TEXT_8BIT GRUESSE
               "\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\n\xFF\r\n--b\r\n\r\nplain\r\n--b--\r\n"
               "e\xE9"),
     BYTES_INIT(
         MIXED "Content-Transfer-Encoding: 7bit\r\n\r\np=E9\r\n--b\r\n" TEXT_QP GRUESSE_QP
               "\r\n\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
               "/w==\r\n--b\r\n\r\nplain\r\n--b--\r\ne=E9=\r\n"),
     NULL},
    {"a message in it", &seven,
     BYTES_INIT(MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n"
                      "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xE9\r\n\r\n" GRUESSE
                      "\r\n--b--\r\n"),
     BYTES_INIT(MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n"
                      "Content-Transfer-Encoding: 7bit\r\n\r\nSubject: =?unknown-8bit?q?=E9?=\r\n"
                      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
                      "Content-Transfer-Encoding: quoted-printable\r\n\r\n" GRUESSE_QP
                      "\r\n--b--\r\n"),
     NULL},
    {"binary for 8-bit", &eight,
     BYTES_INIT(MIXED
                "Content-Transfer-Encoding: binary\r\n\r\n--b\r\n" TEXT_8BIT GRUESSE
                "\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n"
                "one\ntwo and more\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\nx\r\n--b--"),
     BYTES_INIT(MIXED
                "Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n" TEXT_8BIT GRUESSE
                "\r\n--b\r\nContent-Type: text/plain\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                "one=0Atwo and more\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n--b--"),
     NULL},
    {"NUL", &eight, BYTES_INIT("Content-Type: a/b\r\n\r\n\0"),
     BYTES_INIT("Content-Type: a/b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: "
                "base64\r\n\r\nAA==\r\n"),
     NULL},
    {"encoded parts are left alone", &seven, BYTES_INIT(TEXT_QP GRUESSE_QP " \r\n"),
     BYTES_INIT(TEXT_QP GRUESSE_QP " \r\n"), NULL},
    {"unless they are broken", &seven, BYTES_INIT(TEXT_QP "a=20\xE9 \r\n"),
     BYTES_INIT(TEXT_QP "a=20=E9 \r\n"), NULL},
    {"no blank line", &seven, BYTES_INIT("Subject: x\r\n" GRUESSE "\r\n\r\nx"),
     BYTES_INIT(
         "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
         "charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" GRUESSE_QP
         "\r\n\r\nx=\r\n"),
     NULL},
    {"signed",
     &seven,
     BYTES_INIT("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" TEXT_8BIT GRUESSE
                "\r\n--b--\r\n"),
     {NULL, 0},
     SIGNED_REASON},
    {"signed, ASCII though labelled", &seven,
     BYTES_INIT(
         "Subject: \xC3\xA4\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" TEXT_8BIT
         "x\r\n--b--\r\n"),
     BYTES_INIT("Subject: =?utf-8?b?w6Q=?=\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
                "--b\r\n" TEXT_8BIT "x\r\n--b--\r\n"),
     NULL},
    {"signed field",
     &seven,
     BYTES_INIT("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Description: "
                "\xC3\xA4\r\n\r\nx\r\n--b--\r\n"),
     {NULL, 0},
     SIGNED_REASON ": Content-Description"},
    {"address",
     &seven,
     BYTES_INIT("From: <\xC3\xA4@x.example>\r\n\r\nx"),
     {NULL, 0},
     FIELD_REASON "From"},
    {"NUL in a field",
     &eight,
     BYTES_INIT("Subject: \0\r\n\r\nx"),
     {NULL, 0},
     FIELD_REASON "Subject"},
    {"LF alone in a field",
     &eight,
     BYTES_INIT("Subject: x\nTo: y\r\n\r\nx"),
     {NULL, 0},
     FIELD_REASON "Subject"},
    {"unknown encoding",
     &seven,
     BYTES_INIT("Content-Transfer-Encoding: x-uuencode\r\n\r\n\xE9"),
     {NULL, 0},
     CODED_REASON},
    {"8-bit base64",
     &seven,
     BYTES_INIT("Content-Transfer-Encoding: base64\r\n\r\n\xE9"),
     {NULL, 0},
     CODED_REASON},
    {"piece of a message",
     &seven,
     BYTES_INIT("Content-Type: message/partial\r\n\r\n\xE9"),
     {NULL, 0},
     CODED_REASON},
    {"multipart without parts", &seven, BYTES_INIT(MIXED "\r\n\xE9"), {NULL, 0}, CODED_REASON},
};

typedef void pass(struct downgrade *downgrade, struct bytes piece, struct buf *out);

static void scan(struct downgrade *downgrade, struct bytes piece, struct buf *out)
{
    downgrade_scan(downgrade, piece);
}

/* cut 0: byte by byte. */
static void feed(struct downgrade *downgrade, struct bytes text, size_t cut, struct buf *out,
                 pass *each)
{
    size_t next = cut ? cut : 1;
    while (text.len) {
        struct bytes piece = bytes_sub(text, 0, next);
        uint8_t *exact = malloc(piece.len);
        memcpy(exact, piece.at, piece.len);
        each(downgrade, (struct bytes){exact, piece.len}, out);
        free(exact);
        text = bytes_from(text, next);
        next = cut ? SIZE_MAX : 1;
    }
}

static bool run(const struct downgrade_goal *goal, struct bytes text, size_t cut, struct buf *out)
{
    struct downgrade *downgrade = downgrade_new(goal);
    feed(downgrade, text, cut, out, scan);
    bool is_good = downgrade_decide(downgrade) == DOWNGRADE_GOOD;
    if (!is_good)
        buf_add(out, downgrade_reason(downgrade));
    for (int i = 0; i < 2 && is_good; i++) {
        buf_clear(out);
        downgrade_begin(downgrade);
        feed(downgrade, text, cut, out, downgrade_write);
        downgrade_end(downgrade, out);
    }
    downgrade_free(downgrade);
    return is_good;
}

static void check(size_t row, struct bytes text, size_t cut)
{
    struct buf got;
    buf_init(&got, SIZE_MAX);
    struct bytes want = rows[row].reason ? bytes_of(rows[row].reason) : rows[row].want;
    bool is_good = run(rows[row].goal, text, cut, &got);
    if (is_good != !rows[row].reason || !bytes_equal(buf_view(&got), want))
        fail_msg("%s, cut %zu:\n%.*s", rows[row].name, cut, BYTES_ARGS(buf_view(&got)));
    buf_done(&got);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t cut = 0; cut <= rows[i].text.len; cut++)
            check(i, rows[i].text, cut);
        /* What is fit needs no change. */
        if (!rows[i].reason)
            check(i, rows[i].want, SIZE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
