/* Header fields with 8-bit text, and what they become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/ascii_field.h"

#define AE10                                                                                       \
    "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"                                                     \
    "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10
#define A500 A100 A100 A100 A100 A100

static const struct {
    const char *name, *field, *want; /* want NULL: it has no form in ASCII */
} rows[] = {
    {"text", "Subject: K\xC3\xA4se\r\n", "Subject: =?utf-8?b?S8Okc2U=?=\r\n"},
    {"only the words that need it", "Subject: a  \xC3\xA4 b\r\n",
     "Subject: a  =?utf-8?b?w6Q=?= b\r\n"},
    {"words together", "X-Any: \xC3\xA4 \xC3\xB6\r\n", "X-Any: =?utf-8?b?w6Qgw7Y=?=\r\n"},
    {"no UTF-8", "Subject: caf\xE9\r\n", "Subject: =?unknown-8bit?q?caf=E9?=\r\n"},
    {"beside an encoded word", "Subject: =?utf-8?q?a?= K\xC3\xA4se =?utf-8?q?b?=\r\n",
     "Subject: =?utf-8?q?a?= =?utf-8?q?_K=C3=A4se_?= =?utf-8?q?b?=\r\n"},
    {"folded",
     "Subject: a\r\n b\xC3\xA4"
     "cdef\r\n\tg\r\n",
     "Subject: a\r\n =?utf-8?q?b=C3=A4cdef?=\r\n\tg\r\n"},
    {"long words are cut between characters", "Subject: " AE10 AE10 AE10 AE10 "\r\n",
     "Subject: =?utf-8?b?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOk?=\r\n"
     " =?utf-8?b?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6Q=?=\r\n"},
    {"display name", "From: J\xC3\xB6rg M\xC3\xBCller <j@x.example>\r\n",
     "From: =?utf-8?b?SsO2cmcgTcO8bGxlcg==?= <j@x.example>\r\n"},
    {"quoted display name", "From: \"R\xC3\xB6hm, \\\"K\\\"\" <j@x.example>\r\n",
     "From: =?utf-8?b?UsO2aG0sICJLIg==?= <j@x.example>\r\n"},
    {"no blank behind it", "From: \"R\xC3\xB6hm\"<j@x.example>\r\n",
     "From: =?utf-8?b?UsO2aG0=?= <j@x.example>\r\n"},
    {"beside a quoted string", "From: \"A B\"K\xC3\xA4se <j@x.example>\r\n",
     "From: \"A B\" =?utf-8?b?S8Okc2U=?= <j@x.example>\r\n"},
    {"several", "To: a@x.example, K\xC3\xA4the <b@x.example>, c@x.example\r\n",
     "To: a@x.example, =?utf-8?b?S8OkdGhl?= <b@x.example>, c@x.example\r\n"},
    {"group", "To: Leute f\xC3\xBCr uns: a@x.example;\r\n",
     "To: Leute =?utf-8?q?f=C3=BCr?= uns: a@x.example;\r\n"},
    {"comment", "To: a@x.example (K\xC3\xA4the (und \xC3\xA4))\r\n",
     "To: a@x.example (=?utf-8?b?S8OkdGhl?= (und =?utf-8?b?w6Q=?=))\r\n"},
    {"list",
     "List-Id: Gr\xC3\xBC\xC3\x9F"
     "e an alle <l.x.example>\r\n",
     "List-Id: =?utf-8?b?R3LDvMOfZQ==?= an alle <l.x.example>\r\n"},
    {"comment of a trace field", "Received: from x (K\xC3\xA4the) by y; date\r\n",
     "Received: from x (=?utf-8?b?S8OkdGhl?=) by y; date\r\n"},
    {"file name", "Content-Disposition: attachment; filename=\"Gr\xC3\xBC n.txt\"; size=3\r\n",
     "Content-Disposition: attachment;\r\n\tfilename*=utf-8''Gr%C3%BC%20n.txt; size=3\r\n"},
    {"long file name", "Content-Type: a/b; name=\"" A10 A10 A10 A10 A10 "\xFF\"\r\n",
     "Content-Type: a/b;\r\n\tname*0*=unknown-8bit''" A10 A10 A10 A10 ";\r\n\tname*1*=" A10
     "%FF\r\n"},
    {"long lines are folded", "Subject: " A500 " " A500 "\r\n",
     "Subject: " A500 "\r\n " A500 "\r\n"},
    {"and parameters", "Content-Type: a/b; x=" A500 "; y=" A500 "\r\n",
     "Content-Type: a/b; x=" A500 ";\r\n\t y=" A500 "\r\n"},
    {"where they can be", "Subject: " A500 A500 "\r\n", NULL},
    {"local part", "From: j\xC3\xB6rg@x.example\r\n", NULL},
    {"in brackets", "From: J <j\xC3\xB6rg@x.example>\r\n", NULL},
    {"quoted local part", "From: \"j\xC3\xB6rg\"@x.example\r\n", NULL},
    {"domain", "From: j@k\xC3\xA4se.example\r\n", NULL},
    {"message id", "Message-ID: <\xC3\xA4@x.example>\r\n", NULL},
    {"trace", "Received: from k\xC3\xA4se.example by y; date\r\n", NULL},
    {"boundary", "Content-Type: multipart/mixed; boundary=\"\xC3\xA4\"\r\n", NULL},
    {"type", "Content-Type: t\xC3\xA4xt/plain\r\n", NULL},
    {"no field", "K\xC3\xA4se\r\n", NULL},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].field);
        uint8_t *exact = malloc(len);
        memcpy(exact, rows[i].field, len);
        struct bytes rest = {exact, len};
        struct header_field field;
        struct buf got;
        assert_true(header_next(&rest, &field));
        buf_init(&got, len * ASCII_FIELD_GROWTH + ASCII_FIELD_MORE);
        assert_true(ascii_field_is_needed(&field, false));
        bool is_good = ascii_field_print(&got, &field);
        if (is_good != (rows[i].want != NULL) ||
            (is_good && !bytes_equal(buf_view(&got), bytes_of(rows[i].want))))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&got)));
        buf_done(&got);
        free(exact);
    }
}

static void test_need(void **state)
{
    struct bytes rest = BYTES("Subject: K\xC3\xA4se\r\nTo: x\r\n");
    struct header_field field;
    assert_true(header_next(&rest, &field));
    assert_true(ascii_field_is_needed(&field, false));
    assert_false(ascii_field_is_needed(&field, true));
    assert_true(header_next(&rest, &field));
    assert_false(ascii_field_is_needed(&field, false));
    struct bytes line = BYTES("Subject: " A500 A500 "\r\n");
    assert_true(header_next(&line, &field));
    assert_true(ascii_field_is_needed(&field, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_need)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
